"""Labelled images as they were found, and what cannot train a classifier however it is split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from model.console import count, list_names
from model.data.listing import ListedPath, Place
from model.errors import DataError

# With more than one bad image in twenty something is wrong with the folder, not with the images.
MAX_BAD_SHARE = 0.05

# Train, validation and test must each see every class.
SPLITS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One labelled image; `name` is how tables and reports call it, `group` is "" where it belongs to none.

    Its bytes are `path.read_bytes()`; `key` is the name by which its source reads them. `place` is of `name_place`.
    """

    name: str
    place: str | ListedPath
    label: str
    group: str = ""
    key: str = ""

    @property
    def path(self) -> Place:
        """Where it is; made anew each time, as it weighs more than all the rest."""
        return Path(self.place) if isinstance(self.place, str) else self.place


@dataclass(frozen=True, kw_only=True)
class BadFile:
    """An image that cannot be used, and why: `frame 7.png`, `is empty`."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """All that was found in a data folder; `notes` are sentences for the person who trains on it."""

    source: str
    samples: tuple[Sample, ...]
    bad: tuple[BadFile, ...] = ()
    unlabelled: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, sorted."""
        return tuple(sorted({sample.label for sample in self.samples}))

    def without(self, bad: Sequence[BadFile]) -> LabelledImages:
        """Return the same without images that turned out to be bad, checked again; raises DataError."""
        names = {file.name for file in bad}
        samples = tuple(sample for sample in self.samples if sample.name not in names)
        remaining = replace(self, samples=samples, bad=(*self.bad, *bad))
        check_labelled_images(remaining)
        return remaining


def check_labelled_images(found: LabelledImages) -> None:
    """Refuse what cannot train a classifier, however it is split; raises DataError."""
    _check_bad(found)
    counts = Counter(sample.label for sample in found.samples)
    if not counts:
        raise DataError(f"There are no images left to train on ({found.source}).")
    if len(counts) == 1:
        raise DataError(
            f"All {count(len(found.samples), 'image')} are labelled {next(iter(counts))!r}.",
            hint="Add images of at least one other class: a classifier needs two.",
        )
    _check_spelling(counts)
    for label, number in sorted(counts.items()):
        if number < SPLITS:
            raise DataError(
                f"Class {label!r} has {count(number, 'image')}; training, validation and test need one each.",
                hint="Add images of this class, or leave it out.",
            )


def _check_spelling(counts: Counter[str]) -> None:
    """Refuse two classes that a person would call by one name: one of them is a slip of the keyboard."""
    spellings: dict[str, str] = {}
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        common = spellings.setdefault(re.sub(r"[\s_-]+", " ", label).strip().casefold(), label)
        if common != label:
            raise DataError(
                f"The classes {common!r} ({count(counts[common], 'image')}) and {label!r} "
                f"({count(counts[label], 'image')}) differ by upper case, spaces or hyphens only.",
                hint=f"Write {common!r} for both, or give them names that nobody mistakes for one another.",
            )


def _check_bad(found: LabelledImages) -> None:
    total = len(found.samples) + len(found.bad)
    if len(found.bad) <= MAX_BAD_SHARE * total:
        return
    names = list_names([str(file) for file in found.bad])
    raise DataError(
        f"{len(found.bad):,} of {count(total, 'image')} cannot be used: {names}.",
        hint=f"Mend or remove them; up to {MAX_BAD_SHARE:.0%} are skipped with a warning.",
    )
