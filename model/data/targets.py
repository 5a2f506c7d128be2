"""The targets file: which table holds the labels, and what its rows say. Nothing here looks at an image."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from model.data.formats import is_picture_name
from model.data.listing import Place
from model.errors import DataError, name_reason

NAMES = ("targets.csv", "targets.tsv")

# Columns by their names, the first that there is; "Patient ID" is patient_id.
FILENAME_COLUMNS = (
    *("filename", "file_name", "file", "image", "image_name", "path", "name"),
    *("filepath", "file_path", "image_path"),
)
LABEL_COLUMNS = ("label", "target", "class", "category")
# What an image must not be parted from; other columns (latitude, depth) are not read.
GROUP_COLUMNS = (
    *("group", "group_id", "patient", "patient_id", "subject", "subject_id", "participant", "participant_id"),
    *("dive", "dive_id", "video", "video_id", "animal_id", "individual_id", "specimen_id", "slide_id", "case_id"),
)

# A column without one of these names may tell of groups all the same, where it has more values than there are classes,
# and each of them so many times on average.
_MIN_GROUP_SIZE = 2

FORMS = "filename,label or filename,label,group (with or without that header), or index filename label"


@dataclass(frozen=True, kw_only=True)
class Target:
    """One row: an image's name as written, its label ("" when the row lacks one), its group ("" for none)."""

    line: int
    filename: str
    label: str
    group: str = ""


def find_targets(folder: Place) -> Place | None:
    """Return the targets file of a folder: targets.csv or .tsv, else the only table with a label column.

    Raises DataError when several tables have one: guessing would train on the wrong labels.
    """
    tables: list[Place] = sorted(path for path in folder.iterdir() if _is_table(path))
    for name in NAMES:
        for table in tables:
            if table.name.lower() == name:
                return table
    labelled = [table for table in tables if _has_label_column(table)]
    if len(labelled) > 1:
        raise DataError(
            f"{', '.join(table.name for table in labelled)} in {folder} all have a label column.",
            hint=f"Name the right one: --targets {labelled[0]}",
        )
    return labelled[0] if labelled else None


def read_targets(path: Place, *, group_column: str = "") -> tuple[Target, ...]:
    """Read a targets file in any of its forms; raises DataError naming the file and the line.

    `group_column` is the column whose values are the groups; without it the known names of such columns are looked for.
    """
    rows = _read_rows(path)
    if not rows:
        raise DataError(f"{path} is empty.", hint=f"Write one line for each image: {FORMS}.")
    columns = _find_header(rows[0][1])
    if group_column:
        columns = _choose_groups(path, rows[0][1], columns, group_column)
    if columns is None:
        columns = _guess_columns(path, rows[0])
    else:
        rows = rows[1:]
        if not rows:
            raise DataError(f"{path} has a header and no rows.", hint=f"Write one line for each image: {FORMS}.")
    return tuple(_read_row(line, cells, columns) for line, cells in rows)


def find_unread_groups(path: Place) -> str:
    """Return the name of a column that is not read and whose values look like those of groups, or ""."""
    (_, header), *rows = _read_rows(path)
    columns = _find_header(header)
    if columns is None or columns.group is not None:
        return ""
    classes = {cells[columns.label] for _, cells in rows if columns.label < len(cells)}
    for place, name in enumerate(header):
        values = {cells[place] for _, cells in rows if place < len(cells)} - {""}
        is_read = not name or place in {columns.filename, columns.label}
        if is_read or any(_is_measured(value) for value in values):
            continue
        if len(classes) < len(values) <= len(rows) / _MIN_GROUP_SIZE:
            return name
    return ""


@dataclass(frozen=True, kw_only=True)
class _Columns:
    filename: int
    label: int
    group: int | None = None


def _is_table(path: Place) -> bool:
    return path.suffix.lower() in {".csv", ".tsv"} and not path.name.startswith(".") and path.is_file()


def _has_label_column(path: Place) -> bool:
    try:
        text = _read_text(path)
        rows = _split_rows(path, text[:100_000], _find_delimiter(text))
    except DataError:
        return False
    header = [cell.lower() for cell in rows[0][1]] if rows else []
    return "label" in header and _find_header(header) is not None


def _read_text(path: Place) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"The targets file {path} does not exist.") from None
    except OSError as error:
        raise DataError(f"The targets file {path} cannot be read: {name_reason(error)}.") from error
    # Excel's "Unicode text" is UTF-16 with a byte order mark.
    encoding = "utf-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{path} is not UTF-8 text (line {line}).", hint="Save it as CSV UTF-8.") from error


def _find_delimiter(text: str) -> str:
    """Return the separator of the first line that says something; " " stands for runs of spaces."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    # In this order: a tab never stands in a file name, a semicolon may stand beside commas.
    return next((mark for mark in ("\t", ",", ";") if mark in first), " ")


def _read_rows(path: Place) -> list[tuple[int, list[str]]]:
    text = _read_text(path)
    return _name_index(_split_rows(path, text, _find_delimiter(text)))


def _name_index(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Add the empty name of a first column that R leaves out: then all rows but the header are one cell longer."""
    (line, header), *others = rows or [(0, [])]
    is_longer = all(
        len(cells) == len(header) + 1 and cells[-1] and not is_picture_name(cells[0]) for _, cells in others
    )
    return [(line, ["", *header]), *others] if others and is_longer else rows


def _split_rows(path: Place, text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """Return (line number, cells) of every row that is not blank."""
    if delimiter == " ":
        lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        # R leaves out the name of the first column.
        is_longer = (
            bool(lines[1:]) and len(lines[1][1]) == len(lines[0][1]) + 1 and _find_header(lines[0][1]) is not None
        )
        for number, cells in lines[1:]:
            if len(cells) != len(lines[0][1]) + is_longer:
                raise DataError(
                    f"Line {number} of {path} has {len(cells)} words, the first line has {len(lines[0][1])}.",
                    hint="Separate the columns with tabs or commas where a name holds spaces.",
                )
        return lines
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise DataError(f"Line {reader.line_num} of {path} cannot be read: {error}.") from error
    return rows


def _find_header(cells: Sequence[str]) -> _Columns | None:
    if any(is_picture_name(cell) for cell in cells):
        return None
    names = [_simplify(cell) for cell in cells]

    def find(known: Sequence[str]) -> int | None:
        return next((names.index(name) for name in known if name in names), None)

    filename, label = find(FILENAME_COLUMNS), find(LABEL_COLUMNS)
    if filename is None or label is None:
        return None
    return _Columns(filename=filename, label=label, group=find(GROUP_COLUMNS))


def _choose_groups(path: Place, header: Sequence[str], columns: _Columns | None, wanted: str) -> _Columns:
    names = [] if columns is None else [_simplify(cell) for cell in header]
    if columns is None or _simplify(wanted) not in names:
        known = f"its columns are {', '.join(header)}" if columns else "it has no header"
        raise DataError(
            f"--group-from {wanted!r} is no column of {path}: {known}.",
            hint="Name a column, or write a pattern whose brackets match the part of the name that a group shares.",
        )
    return replace(columns, group=names.index(_simplify(wanted)))


def _simplify(name: str) -> str:
    return "_".join(re.split(r"[\s_-]+", name.strip().lower()))


def _is_measured(value: str) -> bool:
    return re.fullmatch(r"[-+]?\d*[.,]\d+", value) is not None


def _guess_columns(path: Place, first: tuple[int, list[str]]) -> _Columns:
    """Return the columns of a table without a header, from where its first row names an image."""
    line, cells = first
    place = next((index for index, cell in enumerate(cells) if is_picture_name(cell)), None)
    shown = ", ".join(cells)[:80]
    if place in {0, 1} and len(cells) > place + 3:
        raise DataError(
            f"Line {line} of {path} ({shown}) has {len(cells)} columns and there is no header to say what they are.",
            hint="Write the columns' names in a first line: filename, label and, where images belong together, group.",
        )
    if place in {0, 1} and len(cells) > place + 1:
        return _Columns(filename=place, label=place + 1, group=place + 2 if len(cells) > place + 2 else None)
    raise DataError(
        f"Line {line} of {path} ({shown}) is neither a header with filename and label nor an image with its label.",
        hint=f"Allowed forms: {FORMS}.",
    )


def _read_row(line: int, cells: Sequence[str], columns: _Columns) -> Target:
    def cell(index: int | None) -> str:
        return cells[index] if index is not None and index < len(cells) else ""

    # The same word typed on a Mac and on Linux is one class, and one group.
    label = unicodedata.normalize("NFC", cell(columns.label))
    group = unicodedata.normalize("NFC", cell(columns.group))
    return Target(line=line, filename=cell(columns.filename), label=label, group=group)
