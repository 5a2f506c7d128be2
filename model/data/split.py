"""Who trains and who examines: a split that keeps groups whole and every class on every side."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from model.data.samples import Sample
from model.errors import DataError

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}


@dataclass(frozen=True, kw_only=True)
class Split:
    """Positions in the list of samples, each part sorted."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


def split_samples(samples: Sequence[Sample], *, seed: int) -> Split:
    """Split 70 : 15 : 15, the same for the same samples and seed.

    1. Samples of one group stay together; a sample without a group is its own.
    2. Every class is in every part; raises DataError where the groups do not allow it.
    3. Within that, class shares in each part are as near to the whole as whole groups allow.
    """
    groups = _shuffle_groups(samples, seed)
    parts = _Parts(Counter(sample.label for sample in samples))
    _give_each_part_every_class(groups, parts)
    for group in sorted(groups, key=lambda group: -group.size):
        if not group.placed:
            parts.place(group, parts.find_home(group))
    return Split(**{name: tuple(sorted(members)) for name, members in parts.members.items()})


class _Group:
    def __init__(self) -> None:
        self.members: list[int] = []
        self.labels: Counter[str] = Counter()
        self.placed = False

    @property
    def size(self) -> int:
        return len(self.members)


class _Parts:
    """The three parts while they fill."""

    def __init__(self, totals: Counter[str]) -> None:
        self._totals = totals
        self._wanted = {name: {label: share * n for label, n in totals.items()} for name, share in SHARES.items()}
        self._have: dict[str, Counter[str]] = {name: Counter() for name in SHARES}
        self.members: dict[str, list[int]] = {name: [] for name in SHARES}

    def place(self, group: _Group, name: str) -> None:
        group.placed = True
        self._have[name].update(group.labels)
        self.members[name].extend(group.members)

    def lacks(self, name: str, label: str) -> bool:
        return not self._have[name][label]

    def find_home(self, group: _Group) -> str:
        """Return the part whose class counts come nearest to what is wanted (least squares) by taking the group."""

        def cost(name: str) -> float:
            wanted, have = self._wanted[name], self._have[name]
            return sum(
                n * (2.0 * (have[label] - wanted[label]) + n) / self._totals[label] ** 2
                for label, n in group.labels.items()
            )

        return min(SHARES, key=cost)


def _shuffle_groups(samples: Sequence[Sample], seed: int) -> list[_Group]:
    groups: defaultdict[tuple[str, str], _Group] = defaultdict(_Group)
    for position, sample in enumerate(samples):
        group = groups[("group", sample.group) if sample.group else ("sample", sample.name)]
        group.members.append(position)
        group.labels[sample.label] += 1
    ordered = [groups[key] for key in sorted(groups)]
    random.Random(seed).shuffle(ordered)  # noqa: S311 - a reproducible shuffle, no secret
    return ordered


def _give_each_part_every_class(groups: Sequence[_Group], parts: _Parts) -> None:
    """Place the smallest fitting groups first, rare classes before common ones, until no part lacks a class."""
    holders = {
        label: [group for group in groups if label in group.labels] for group in groups for label in group.labels
    }
    for label in sorted(holders, key=lambda label: (len(holders[label]), label)):
        for name in ("test", "validation", "train"):
            if not parts.lacks(name, label):
                continue
            free = [group for group in holders[label] if not group.placed]
            if not free:
                raise DataError(
                    f"The groups of class {label!r} cannot be spread over training, validation and test.",
                    hint="Add images of this class in further groups, or leave it out.",
                )
            parts.place(min(free, key=lambda group: group.size), name)
