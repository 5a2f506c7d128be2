"""Which images there are and what each one shows, checked before a single pixel is read.

A targets file wins over class folders, and these over labels in the names. What is wrong is collected and named; more
than MAX_BAD_SHARE of it is an error.
"""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn
from unicodedata import normalize

from model.arguments import is_pattern
from model.console import count, list_names
from model.data.folders import NameResolver, find_class_folders, find_classes_of_splits, find_pictures, is_split_name
from model.data.formats import IMAGE_SUFFIXES, explain_suffix, is_image_name, is_picture_name
from model.data.grouping import LABELLED_NAME, parse_groups
from model.data.targets import FORMS, Target, find_targets, find_unread_groups, read_targets
from model.errors import DataError

# With more than one bad image in twenty something is wrong with the folder, not with the images.
MAX_BAD_SHARE = 0.05

# Train, validation and test must each see every class.
SPLITS = 3


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One labelled image; `name` is how tables and reports call it, `group` is "" where it belongs to none."""

    name: str
    path: Path
    label: str
    group: str = ""


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


def find_labelled_images(folder: Path, targets: Path | None = None, *, group_from: str = "") -> LabelledImages:
    """Find the images of a folder and their labels; raises DataError when they cannot train a classifier.

    `group_from` is the column that holds the groups, or a pattern that finds an image's group in its name and wins over
    the groups of a table.
    """
    found = collect_labelled_images(folder, targets, group_from=group_from)
    check_labelled_images(found)
    return found


def collect_labelled_images(folder: Path, targets: Path | None = None, *, group_from: str = "") -> LabelledImages:
    """Find the same without asking whether they suffice; raises DataError when no image has a label."""
    if not folder.is_dir():
        raise DataError(f"The data folder {folder} does not exist or is no folder.")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise DataError(f"The data folder {folder} may not be read.", hint="Mend its permissions.")
    table = targets or _find_table(folder)
    group_column = "" if is_pattern(group_from) else group_from
    found = _from_table(table, folder, group_column) if table else _from_folder(folder)
    if group_column and not table:
        raise DataError(
            f"--group-from {group_from!r} names a column, and {folder} has no table.",
            hint="Write a pattern whose brackets match the part of the name that a group shares: '(.*)_[0-9]+'.",
        )
    if group_from:
        return found if group_column else _regroup(found, group_from)
    column = find_unread_groups(table) if table else ""
    if not column:
        return found
    note = (
        f"Column {column!r} of {found.source} is not read; if it tells which images belong together, pass"
        f" --group-from {shlex.quote(column)}."
    )
    return replace(found, notes=(*found.notes, note))


def _find_table(folder: Path) -> Path | None:
    table = find_targets(folder)
    if table is None and (folder / "images").is_dir():
        table = find_targets(folder / "images")
    return table


def _from_table(table: Path, folder: Path, group_column: str) -> LabelledImages:
    resolver = NameResolver([table.parent, table.parent / "images", folder, folder / "images"])
    samples: dict[Path, Sample] = {}
    bad: list[BadFile] = []
    duplicates: list[str] = []
    for target in read_targets(table, group_column=group_column):
        path = resolver.resolve(target.filename) if target.filename else None
        reason = _find_fault(target, path)
        if reason or path is None:
            bad.append(BadFile(name=target.filename or f"line {target.line} of {table.name}", reason=reason))
            continue
        sample = Sample(name=target.filename, path=path, label=target.label, group=target.group)
        known = samples.setdefault(path, sample)
        if known is not sample:
            _refuse_conflict(known, target, table)
            duplicates.append(known.name)
    # Only folders that the table uses: a project folder may hold pictures that are not data.
    seen = {path for parent in {path.parent for path in samples} for path in parent.iterdir()}
    unlabelled = sorted(path.name for path in seen - samples.keys() if _is_stray(path) and path.is_file())
    return LabelledImages(
        source=table.name,
        samples=tuple(sorted(samples.values(), key=lambda sample: sample.name)),
        bad=tuple(bad),
        unlabelled=tuple(unlabelled),
        duplicates=tuple(sorted(set(duplicates))),
    )


def _find_fault(target: Target, path: Path | None) -> str:
    if not target.filename:
        return "names no image"
    if not target.label:
        return f"has no label in line {target.line}"
    if path is None:
        return "does not exist"
    if path.is_dir():
        return "is a folder"
    return "" if is_image_name(path.name) and path.is_file() else explain_suffix(path.name) or "is not an image"


def _refuse_conflict(known: Sample, target: Target, table: Path) -> None:
    if known.label != target.label:
        raise DataError(
            f"{known.name} is {known.label!r} and, in line {target.line} of {table}, {target.label!r}.",
            hint="Keep one row for each image.",
        )
    if known.group != target.group:
        raise DataError(
            f"{known.name} is in group {known.group!r} and, in line {target.line} of {table}, {target.group!r}.",
            hint="Keep one row for each image.",
        )


def _is_stray(path: Path) -> bool:
    return is_picture_name(path.name) and not path.name.startswith(".")


def _from_folder(folder: Path) -> LabelledImages:
    root = folder
    if (folder / "images").is_dir() and find_class_folders(folder / "images"):
        root = folder / "images"
    class_folders = find_class_folders(root)
    names = [path.name for path in class_folders]
    if not class_folders or names == ["images"]:
        return _from_names(folder)
    notes: tuple[str, ...] = ()
    unlabelled: list[str] = []
    if all(is_split_name(name) for name in names):
        class_folders, unlabelled = find_classes_of_splits(root, class_folders)
        notes = (
            f"The folders {', '.join(names)} are taken together: the split is made here, without leaks. To keep your"
            f" own, train on one of them (--data {root / names[0]}) and let predict answer for the others.",
        )
    samples: list[Sample] = []
    bad: list[BadFile] = []
    for class_folder in class_folders:
        label = normalize("NFC", class_folder.name).strip() or class_folder.name
        for path in find_pictures(class_folder):
            name = path.relative_to(root).as_posix()
            reason = explain_suffix(name)
            if reason:
                bad.append(BadFile(name=name, reason=reason))
            else:
                samples.append(Sample(name=name, path=path, label=label))
    unlabelled += sorted(path.name for path in root.iterdir() if _is_stray(path) and path.is_file())
    return LabelledImages(
        source="class folders", samples=tuple(samples), bad=tuple(bad), unlabelled=tuple(unlabelled), notes=notes
    )


def _from_names(folder: Path) -> LabelledImages:
    """Take label and patient from names such as BACTERIA-1004423-0001.jpeg, where all images have such."""
    pictures = list(find_pictures(folder))
    samples = []
    for path in pictures:
        match = LABELLED_NAME.match(path.name)
        if match is None:
            _refuse_unlabelled(folder)
        samples.append(Sample(name=path.relative_to(folder).as_posix(), path=path, label=match[1], group=match[2]))
    if len({sample.label for sample in samples}) < 2:
        _refuse_unlabelled(folder)  # DSC-0001-2.jpg has the form, too
    return LabelledImages(source="file names (label-patient-number)", samples=tuple(samples))


def _refuse_unlabelled(folder: Path) -> NoReturn:
    if next(find_pictures(folder), None) is None:
        looked_for = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
        raise DataError(f"There are no images in {folder}.", hint=f"Looked for {looked_for}.")
    raise DataError(
        f"The images in {folder} have no labels: there is no targets file and no folder for each class.",
        hint=f"Write {folder / 'targets.csv'} with a line for each image: {FORMS}.",
    )


def _regroup(found: LabelledImages, pattern: str) -> LabelledImages:
    groups = parse_groups([sample.name for sample in found.samples], pattern)
    pairs = list(zip(found.samples, groups, strict=True))
    samples = tuple(replace(sample, group=group or sample.group) for sample, group in pairs)
    notes = []
    if any(sample.group not in {"", group} for sample, group in pairs if group):
        notes.append(
            "The groups come from --group-from; those of the table hold only for names that it does not match."
        )
    alone = [sample.name for sample, group in pairs if not group]
    if alone:
        notes.append(f"--group-from '{pattern}' does not match {count(len(alone), 'name')}: {list_names(alone)}.")
    return replace(found, samples=samples, notes=(*found.notes, *notes))


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
