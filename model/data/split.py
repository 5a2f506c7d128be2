"""Who trains and who examines: parts and folds that keep groups whole and every class on every side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model.console import count, list_names
from model.data.samples import SPLITS, Sample
from model.data.spreading import Group, NotSpreadable, gather_groups, spread
from model.errors import DataError, UsageError

# The usual number: each network learns from four images in five, and the training takes five times as long.
FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class Split:
    """Positions in the list of samples, each part sorted."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


def split_samples(
    samples: Sequence[Sample], *, seed: int, validation_share: float = 0.1, test_share: float = 0.1, by: str = "group"
) -> Split:
    """Split by shares, the same for the same samples and seed on every machine and Python.

    1. Samples of one group stay together; a sample without a group is its own. `by="image"` ignores the groups.
    2. Every class is in every part; raises DataError where the groups do not allow it.
    3. Within that, the share of each class in each part is as near to what was asked for as whole groups allow.
    """
    _check_shares(validation_share, test_share, f"--test-share {test_share:g}")
    groups = gather_groups(samples, seed=seed, by=by)
    _check_classes(groups, needed=SPLITS, parts="training, validation and test need one each")
    shares = (test_share, validation_share, 1.0 - test_share - validation_share)
    try:
        test, validation, train = spread(groups, shares, seed=seed)
    except NotSpreadable as error:
        raise DataError(
            f"The groups cannot be spread so that training, validation and test each have images of {error.label!r}.",
            hint=_describe_way_out(by),
        ) from error
    return Split(train=train, validation=validation, test=test)


def fold_samples(
    samples: Sequence[Sample], *, folds: int, seed: int, validation_share: float = 0.1, by: str = "group"
) -> tuple[Split, ...]:
    """Return `folds` splits by the rules of `split_samples`; their test parts together are all samples, once each."""
    _check_shares(validation_share, 1.0 / folds, f"--folds {folds}")
    groups = gather_groups(samples, seed=seed, by=by)
    # Beside the group that tests, training and validation need one each; of two folds each needs two for that.
    least = 2 if folds == 2 else 1
    _check_classes(groups, needed=folds * least, parts=f"{folds} folds need {folds * least}", folds=folds)
    try:
        tests = spread(groups, (1.0 / folds,) * folds, seed=seed, least=least)
        splits = tuple(_complete_folds(groups, tests, folds=folds, seed=seed, validation_share=validation_share))
    except NotSpreadable as error:
        raise DataError(
            f"The groups cannot be spread so that each of {folds} folds has images of {error.label!r}.",
            hint=_describe_way_out(by) + " Fewer --folds may do as well.",
        ) from error
    return splits


def suggest_folds(samples: Sequence[Sample], *, by: str = "group") -> int:
    """Return how many folds to make: FOLDS, fewer where a class is in fewer groups, 0 where none can be made."""
    holders = _find_holders(gather_groups(samples, seed=0, by=by))
    fewest = min((len(holding) for holding in holders.values()), default=0)
    return min(fewest, FOLDS) if fewest >= SPLITS else 0


def _complete_folds(
    groups: Sequence[Group], tests: Sequence[tuple[int, ...]], *, folds: int, seed: int, validation_share: float
) -> Iterator[Split]:
    """Yield a split for each test part, with the rest of the groups spread over validation and training."""
    share = validation_share / (1.0 - 1.0 / folds)
    for test in tests:
        tested = set(test)
        rest = [group for group in groups if group.members[0] not in tested]
        validation, train = spread(rest, (share, 1.0 - share), seed=seed)
        yield Split(train=train, validation=validation, test=test)


def _check_shares(validation_share: float, test_share: float, name: str) -> None:
    # A training part of less than a twentieth is a slip of the keyboard.
    if validation_share + test_share > 0.95:
        raise UsageError(
            f"--validation-share {validation_share:g} and {name} leave nothing to train on.",
            hint="Keep at least half of the images for training.",
        )


def _check_classes(groups: Sequence[Group], *, needed: int, parts: str, folds: int = 0) -> None:
    """Refuse a class in fewer groups than `needed`: a part would never see it."""
    holders = _find_holders(groups)
    fewest = min(len(holding) for holding in holders.values())
    for label, holding in sorted(holders.items()):
        if len(holding) >= needed:
            continue
        what = count(sum(group.labels[label] for group in holding), "image")
        names = sorted(group.name for group in holding if group.name)
        if names:
            what += f" in {count(len(holding), 'group')} ({list_names(names)})"
        fewer = f"Pass --folds {fewest}, or add" if folds and fewest >= SPLITS else "Add"
        raise DataError(
            f"Class {label!r} has {what}; {parts}.",
            hint=f"{fewer} images of this class{' from other groups' if names else ''}, or leave it out.",
        )


def _find_holders(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """Return the groups that have each class."""
    holders: dict[str, list[Group]] = {}
    for group in groups:
        for label in group.labels:
            holders.setdefault(label, []).append(group)
    return holders


def _describe_way_out(by: str) -> str:
    others = " from other groups" if by == "group" else ""
    return f"Add images of this class{others}, or leave it out."
