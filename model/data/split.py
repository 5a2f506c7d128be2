"""Who trains and who examines: parts and folds that keep groups whole and every class on every side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model.console import count
from model.data.samples import Sample
from model.data.spreading import Group, NotSpreadable, gather_groups, spread
from model.errors import DataError, UsageError


@dataclass(frozen=True, kw_only=True)
class Split:
    """Positions in the list of samples, each part sorted."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


def split_samples(
    samples: Sequence[Sample], *, seed: int, validation_share: float = 0.1, test_share: float = 0.15, by: str = "group"
) -> Split:
    """Split by shares, the same for the same samples and seed on every machine and Python.

    1. Samples of one group stay together; a sample without a group is its own. `by="image"` ignores the groups.
    2. Every class is in every part; raises DataError where the groups do not allow it.
    3. Within that, the share of each class in each part is as near to what was asked for as whole groups allow.
    """
    _check_shares(validation_share, test_share, f"--test-share {test_share:g}")
    groups = gather_groups(samples, seed=seed, by=by)
    _check_classes(groups, needed=3, whole="training, validation and test")
    shares = {"test": test_share, "validation": validation_share, "train": 1.0 - validation_share - test_share}
    try:
        test, validation, train = spread(groups, tuple(shares.values()), seed=seed)
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
    # Training and validation need a group each beside the one that tests: two folds need two groups a fold.
    _check_classes(groups, needed=max(folds, 3) if folds > 2 else 4, whole=f"{folds} folds", folds=folds)
    try:
        tests = spread(groups, (1.0 / folds,) * folds, seed=seed, least=2 if folds == 2 else 1)
        splits = tuple(_complete_folds(groups, tests, folds=folds, seed=seed, validation_share=validation_share))
    except NotSpreadable as error:
        raise DataError(
            f"The groups cannot be spread so that each of {folds} folds has images of {error.label!r}.",
            hint=_describe_way_out(by) + " Fewer --folds may do as well.",
        ) from error
    return splits


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


def _check_classes(groups: Sequence[Group], *, needed: int, whole: str, folds: int = 0) -> None:
    """Refuse a class in fewer groups than there are parts: one of them would never see it."""
    holders: dict[str, list[Group]] = {}
    for group in groups:
        for label in group.labels:
            holders.setdefault(label, []).append(group)
    fewest = min(len(holding) for holding in holders.values())
    for label, holding in sorted(holders.items()):
        if len(holding) >= needed:
            continue
        images = sum(group.labels[label] for group in holding)
        where = f"{count(images, 'image')}"
        if any(group.name for group in holding):
            where += (
                f" in only {count(len(holding), 'group')} ({', '.join(group.name or 'no group' for group in holding)})"
            )
        need = "one each" if not folds else f"{needed} groups" if any(group.name for group in groups) else f"{needed}"
        way_out = f"Pass --folds {fewest}, add images" if folds and fewest >= 3 else "Add images"
        raise DataError(
            f"Class {label!r} has {where}; {whole} need {need}.",
            hint=f"{way_out} of this class{' from other groups' if '(' in where else ''}, or leave it out.",
        )


def _describe_way_out(by: str) -> str:
    others = " from other groups" if by == "group" else ""
    return f"Add images of this class{others}, or leave it out."
