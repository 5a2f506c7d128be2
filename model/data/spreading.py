"""Whole groups of samples into parts of given shares, class by class: reserve, fill, then mend.

Only comparisons and sums in a fixed order decide, and the order of groups comes from a hash of their names: the same
samples and seed give the same parts on every machine and Python (`random.shuffle` and `sum` of floats promise less).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from model.data.samples import Sample

# Reserving follows its choices to the end. For all of 280 made-up sets (up to 40 classes of three groups each, most of
# them shared) it found a way, within seven attempts (2026-11).
ATTEMPTS = 50

# Moving groups one by one settles after two or three rounds; the bound is for what nobody has seen yet.
MENDING_ROUNDS = 20

# Exchanges are tried between so many of the largest groups: those that no small one can make up for.
EXCHANGED_GROUPS = 150

# The whole part counts as one more class, so that rare classes do not decide how large a part is.
_ALL = ""

# Below this a change of the cost is rounding.
_ROUNDING = 1e-12


class NotSpreadable(Exception):
    """No way was found to give each part a group with `label`."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Samples that stay together: their positions and how many there are of each label; no name for a lone sample."""

    name: str
    key: bytes
    members: tuple[int, ...]
    labels: dict[str, int]


def gather_groups(samples: Sequence[Sample], *, seed: int, by: str) -> list[Group]:
    """Return the groups in an order that follows from their names and the seed alone; each sample if `by="image"`."""
    members: dict[tuple[str, str], list[int]] = {}
    for position, sample in enumerate(samples):
        grouped = by == "group" and sample.group
        members.setdefault(("group", sample.group) if grouped else ("sample", sample.name), []).append(position)
    # What tells groups of the same labels is shared: most are of one sample, and there may be a hundred thousand.
    shared: dict[tuple[tuple[str, int], ...], dict[str, int]] = {}
    groups = []
    while members:  # emptied as it goes: the groups weigh as much as it does
        (kind, name), positions = members.popitem()
        labels = tuple(sorted(Counter(samples[position].label for position in positions).items()))
        key = hashlib.blake2b(f"{seed}\0{kind}\0{name}".encode(errors="surrogateescape"), digest_size=16).digest()
        shown = name if kind == "group" else ""
        groups.append(
            Group(name=shown, key=key, members=tuple(positions), labels=shared.setdefault(labels, dict(labels)))
        )
    return sorted(groups, key=lambda group: group.key)


def spread(
    groups: Sequence[Group], shares: Sequence[float], *, seed: int, least: int = 1
) -> tuple[tuple[int, ...], ...]:
    """Return the positions of each part, sorted; raises NotSpreadable.

    1. Each part has `least` groups or more with each class.
    2. The cost - squared errors of the classes' shares in a part, over its share - is as small as a greedy filling,
       largest groups first, and then moves and exchanges can make it.
    """
    parts = _Parts(groups, shares)
    parts.reserve(seed, least)
    parts.fill()
    parts.mend(least)
    positions: list[list[int]] = [[] for _ in shares]
    for group, home in zip(groups, parts.homes, strict=True):
        positions[home or 0].extend(group.members)
    return tuple(tuple(sorted(part)) for part in positions)


class _Parts:
    """The parts while they fill; groups and parts are numbers here."""

    def __init__(self, groups: Sequence[Group], shares: Sequence[float]) -> None:
        self.homes: list[int | None] = [None] * len(groups)
        self._shares = shares
        self._holders: dict[str, list[int]] = {}
        totals: Counter[str] = Counter()
        for number, group in enumerate(groups):
            totals.update(group.labels)
            for label in group.labels:
                self._holders.setdefault(label, []).append(number)
        # Of each group: how much of each class it is, as a share of that class.
        everything = sum(totals.values())
        shared: dict[tuple[tuple[str, int], ...], tuple[tuple[str, float], ...]] = {}
        names: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._labels, self._weights = [], []
        for group in groups:
            labels = tuple(group.labels)
            self._labels.append(names.setdefault(labels, labels))
            counts = tuple(group.labels.items())  # which tell how many samples there are, too
            if counts not in shared:
                weights = ((label, n / totals[label]) for label, n in counts)
                shared[counts] = (*weights, (_ALL, len(group.members) / everything))
            self._weights.append(shared[counts])
        self._sizes = [len(group.members) for group in groups]
        self._largest = sorted(range(len(groups)), key=lambda group: (-self._sizes[group], group))
        self._have: list[dict[str, float]] = [dict.fromkeys((*totals, _ALL), 0.0) for _ in shares]
        self._held: list[Counter[str]] = [Counter() for _ in shares]

    def place(self, group: int, part: int) -> None:
        """Put a group into a part, out of the one where it was."""
        home = self.homes[group]
        if home is not None:
            self._add(group, home, -1)
        self._add(group, part, 1)
        self.homes[group] = part

    def weigh(self, group: int, part: int) -> float:
        """Return what the cost of a part grows by when it takes a group."""
        have, share = self._have[part], self._shares[part]
        cost = 0.0
        for label, weight in self._weights[group]:
            cost += weight * (2.0 * (have[label] - share) + weight)
        return cost / share

    def reserve(self, seed: int, least: int) -> None:
        """Give each part `least` groups of each class, the scarcest class first; raises NotSpreadable."""
        failed = ""
        for attempt in range(ATTEMPTS):
            failed = self._try_to_reserve(least, seed, attempt)
            if not failed:
                return
            for group, home in enumerate(self.homes):
                if home is not None:
                    self._add(group, home, -1)
            self.homes = [None] * len(self.homes)
        raise NotSpreadable(failed)

    def fill(self) -> None:
        """Put the groups that have no part yet, the largest first, where they cost least."""
        for group in self._largest:
            if self.homes[group] is None:
                self.place(group, min(range(len(self._shares)), key=lambda part: self.weigh(group, part)))

    def mend(self, least: int) -> None:
        """Move and exchange groups while that brings the shares nearer."""
        # What stands alone is moved as well as it could be exchanged.
        largest = [group for group in self._largest[:EXCHANGED_GROUPS] if self._sizes[group] > 1]
        for _ in range(MENDING_ROUNDS):
            moved = [self._move(group, least) for group in range(len(self.homes))]
            exchanged = [self._exchange(largest[i], largest[k], least) for i in range(len(largest)) for k in range(i)]
            if not any(moved) and not any(exchanged):
                return

    def _try_to_reserve(self, least: int, seed: int, attempt: int) -> str:
        """Return "", or the class for which no group was left."""
        free = {label: len(holders) for label, holders in self._holders.items()}
        lacking = dict.fromkeys(free, least * len(self._shares))
        by_share = sorted(range(len(self._shares)), key=lambda part: self._shares[part])

        def is_possible(group: int, part: int) -> bool:
            """Say whether that would leave every class as many groups as it lacks."""
            return all(
                free[label] > lacking.get(label, 0) or self._held[part][label] < least for label in self._labels[group]
            )

        def rank(group: int) -> tuple[int, int | bytes]:
            # Where nothing is to spare, one choice forces the next: first the group with the fewest parts to go to.
            ways = sum(is_possible(group, part) for part in by_share) if spare <= 0 else 0
            # The smallest leave the most freedom to fill by shares; where that leads nowhere, luck may.
            return ways, _draw(f"{seed}/{attempt}/{group}") if attempt else self._sizes[group]

        while lacking:
            spare = min(free[label] - lacking[label] for label in lacking)
            scarcest = sorted(label for label in lacking if free[label] - lacking[label] == spare)
            labels = scarcest if spare <= 0 else scarcest[:1]
            groups = sorted({group for label in labels for group in self._holders[label] if self.homes[group] is None})
            if not groups:
                return labels[0]
            group = min(groups, key=rank)
            part = next(
                (part for part in by_share if self._needs(group, part, least) and is_possible(group, part)), None
            )
            if part is None:
                return next(label for label in labels if label in self._labels[group])
            for held in self._labels[group]:
                free[held] -= 1
                if self._held[part][held] < least:
                    lacking[held] -= 1
                    if not lacking[held]:
                        del lacking[held]
            self.place(group, part)
        return ""

    def _needs(self, group: int, part: int, least: int) -> bool:
        return any(self._held[part][label] < least for label in self._labels[group])

    def _move(self, group: int, least: int) -> bool:
        home = self.homes[group]
        if home is None or any(self._held[home][label] <= least for label in self._labels[group]):
            return False
        best = min(
            (part for part in range(len(self._shares)) if part != home), key=lambda part: self.weigh(group, part)
        )
        if self.weigh(group, best) >= self._relieve(group, home) - _ROUNDING:
            return False
        self.place(group, best)
        return True

    def _exchange(self, first: int, second: int, least: int) -> bool:
        here, there = self.homes[first], self.homes[second]
        if here is None or there is None or here == there or self._weights[first] == self._weights[second]:
            return False
        change = self.weigh(first, there) - self._relieve(first, here)
        self.place(first, there)
        change += self.weigh(second, here) - self._relieve(second, there)
        self.place(second, here)
        labels = (*self._labels[first], *self._labels[second])
        if change < -_ROUNDING and all(self._held[part][label] >= least for part in (here, there) for label in labels):
            return True
        self.place(first, here)
        self.place(second, there)
        return False

    def _relieve(self, group: int, part: int) -> float:
        """Return what the cost of a part falls by when it gives a group away."""
        have, share = self._have[part], self._shares[part]
        cost = 0.0
        for label, weight in self._weights[group]:
            cost += weight * (2.0 * (have[label] - share) - weight)
        return cost / share

    def _add(self, group: int, part: int, sign: int) -> None:
        for label, weight in self._weights[group]:
            self._have[part][label] += sign * weight
        for label in self._labels[group]:
            self._held[part][label] += sign


def _draw(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=8).digest()
