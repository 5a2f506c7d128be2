"""Which images there are and what each one shows, checked before a single pixel is read.

A targets file wins over class folders, and these over labels in the names. What is wrong is collected and named; more
than MAX_BAD_SHARE of it is an error.
"""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NoReturn
from unicodedata import normalize

from model.arguments import S3_SCHEME, is_pattern
from model.console import count, list_names
from model.data.folders import NameResolver, P, find_class_folders, find_classes_of_splits, find_pictures, is_split_name
from model.data.formats import IMAGE_SUFFIXES, explain_suffix, is_image_name, is_picture_name
from model.data.grouping import LABELLED_NAME, parse_groups
from model.data.labelled import SPLITS, BadFile, LabelledImages, Sample, check_labelled_images
from model.data.listing import Place, name_place
from model.data.shards import ShardSource
from model.data.sources import Source, name_of, open_source, restore_url
from model.data.targets import FORMS, Target, find_targets, find_unread_groups, read_targets
from model.errors import DataError

__all__ = ["SPLITS", "BadFile", "LabelledImages", "Sample", "check_labelled_images", "find_labelled_images"]


def find_labelled_images(
    data: Path | str | Source, targets: Path | str | None = None, *, group_from: str = ""
) -> LabelledImages:
    """Find the images of a folder or source and their labels; raises DataError when they cannot train a classifier.

    `group_from` is the column that holds the groups, or a pattern that finds an image's group in its name and wins over
    the groups of a table.
    """
    found = collect_labelled_images(data, targets, group_from=group_from)
    check_labelled_images(found)
    return found


def collect_labelled_images(
    data: Path | str | Source, targets: Path | str | None = None, *, group_from: str = ""
) -> LabelledImages:
    """Find the same without asking whether they suffice; raises DataError when no image has a label."""
    source = open_source(data) if isinstance(data, (Path, str)) else data
    if isinstance(source, ShardSource) and source.has_labels:
        found = _from_shards(source, targets, group_from)
    else:
        found = _collect(source, source.root, targets, group_from)
    keyed = tuple(replace(sample, key=_share(name_of(sample.place, source), sample.name)) for sample in found.samples)
    return replace(found, samples=keyed)


def _share(text: str, other: str) -> str:
    """Return one of two strings where they are equal: a hundred thousand of them weigh something."""
    return other if text == other else text


def _collect(source: Source, folder: Place, targets: Path | str | None, group_from: str) -> LabelledImages:
    table = _choose_table(source, targets) if targets else _find_table(folder)
    group_column = "" if is_pattern(group_from) else group_from
    if table:
        found = _from_table(table, folder, group_column)
    elif isinstance(folder, Path):
        found = _from_folder(folder)
    else:  # the same, of the other kind
        found = _from_folder(folder)
    if group_column and not table:
        _refuse_column(group_column, f"{folder} has no table")
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


def _from_shards(source: ShardSource, targets: Path | str | None, group_from: str) -> LabelledImages:
    if targets:
        raise DataError(
            f"--targets {targets} is not used: the shards in {source.text} bring their labels with them.",
            hint="Leave it out, or write the shards again with that table.",
        )
    is_column = bool(group_from) and not is_pattern(group_from)
    labelled = source.read_labels(group_from if is_column else "")
    if is_column and not any(label.group for label in labelled):
        _refuse_column(group_from, f"no image in {source.text} has it")
    told = Counter(label.name for label in labelled)
    samples = [
        Sample(
            name=label.name if told[label.name] == 1 else label.key,  # by its name an image is told from all others
            place=name_place(source.root / label.key),
            label=label.label,
            group=label.group,
        )
        for label in labelled
        if label.label
    ]
    found = LabelledImages(
        source="shards",
        samples=tuple(samples),
        unlabelled=tuple(label.name for label in labelled if not label.label),
    )
    return _regroup(found, group_from) if group_from and not is_column else found


def _refuse_column(column: str, why: str) -> NoReturn:
    raise DataError(
        f"--group-from {column!r} names a column, and {why}.",
        hint="Write a pattern whose brackets match the part of the name that a group shares: '(.*)_[0-9]+'.",
    )


def _choose_table(source: Source, targets: Path | str) -> Place:
    """Return the table that was named: a file of this machine, or one beside the images in a bucket."""
    text = restore_url(str(targets))
    root = source.root
    if isinstance(root, Path) or (not text.startswith(S3_SCHEME) and Path(text).is_file()):
        return Path(text)
    table = root / text.removeprefix(source.text.rstrip("/") + "/")
    if not table.is_file():
        raise DataError(f"The targets file {text} is neither here nor in {source.text}.", hint="Correct --targets.")
    return table


def _find_table(folder: Place) -> Place | None:
    table = find_targets(folder)
    if table is None and (folder / "images").is_dir():
        table = find_targets(folder / "images")
    return table


def _from_table(table: Place, folder: Place, group_column: str) -> LabelledImages:
    # A table of this machine over images in a bucket says nothing of folders here.
    beside = [table.parent, table.parent / "images"] if type(table) is type(folder) else []
    resolver = NameResolver([*beside, folder, folder / "images"])
    samples: dict[Place, Sample] = {}
    bad: list[BadFile] = []
    duplicates: list[str] = []
    for target in read_targets(table, group_column=group_column):
        path = resolver.resolve(target.filename) if target.filename else None
        reason = _find_fault(target, path)
        if reason or path is None:
            bad.append(BadFile(name=target.filename or f"line {target.line} of {table.name}", reason=reason))
            continue
        sample = Sample(name=target.filename, place=name_place(path), label=target.label, group=target.group)
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


def _find_fault(target: Target, path: Place | None) -> str:
    if not target.filename:
        return "names no image"
    if not target.label:
        return f"has no label in line {target.line}"
    if path is None:
        return "does not exist"
    if path.is_dir():
        return "is a folder"
    return "" if is_image_name(path.name) and path.is_file() else explain_suffix(path.name) or "is not an image"


def _refuse_conflict(known: Sample, target: Target, table: Place) -> None:
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


def _is_stray(path: Place) -> bool:
    return is_picture_name(path.name) and not path.name.startswith(".")


def _from_folder(folder: P) -> LabelledImages:
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
                samples.append(Sample(name=name, place=name_place(path), label=label))
    unlabelled += sorted(path.name for path in root.iterdir() if _is_stray(path) and path.is_file())
    return LabelledImages(
        source="class folders", samples=tuple(samples), bad=tuple(bad), unlabelled=tuple(unlabelled), notes=notes
    )


def _from_names(folder: P) -> LabelledImages:
    """Take label and patient from names such as BACTERIA-1004423-0001.jpeg, where all images have such."""
    pictures = list(find_pictures(folder))
    samples = []
    for path in pictures:
        match = LABELLED_NAME.match(path.name)
        if match is None:
            _refuse_unlabelled(folder)
        name = path.relative_to(folder).as_posix()
        samples.append(Sample(name=name, place=name_place(path), label=match[1], group=match[2]))
    if len({sample.label for sample in samples}) < 2:
        _refuse_unlabelled(folder)  # DSC-0001-2.jpg has the form, too
    return LabelledImages(source="file names (label-patient-number)", samples=tuple(samples))


def _refuse_unlabelled(folder: P) -> NoReturn:
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
