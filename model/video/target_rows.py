"""Add images to a targets file, or begin one; what it holds already stays as it is, byte by byte."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from model.atomic import write_file
from model.data.targets import read_targets
from model.errors import DataError, UsageError, name_reason

HEADER = ("filename", "label", "group")

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def refuse_targets(table: Path, folder: Path) -> None:
    """Raise UsageError or DataError when rows for the images of a folder cannot be added to a table."""
    if not folder.resolve().is_relative_to(table.resolve().parent):
        raise UsageError(
            f"The images in {folder} cannot be named in {table}: they are not beside it.",
            hint=f"Use --targets {folder / 'targets.csv'}",
        )
    if table.exists():
        _read_rows(table)


def add_targets(table: Path, images: Sequence[Path], *, label: str, group: str) -> int:
    """Add a row for each image that has none; return how many.

    An image that is listed with another label raises UsageError, and nothing is written: which one is right is for a
    person to say. An empty label in the table is one that a person has still to give, and stays.
    """
    rows = _read_rows(table) if table.exists() else {}
    names = [os.path.relpath(image.resolve(), table.resolve().parent).replace(os.sep, "/") for image in images]
    for name in names:
        if label and rows.get(name, label) not in {label, ""}:
            raise UsageError(
                f"{name} is {rows[name]!r} in {table}, and would now be {label!r}.",
                hint="Give the label that it has, or take its row out.",
            )
    missing = [name for name in names if name not in rows]
    content = table.read_bytes() if table.exists() else (",".join(HEADER) + "\n").encode()
    if missing:
        if not content.endswith(b"\n"):
            content += b"\n"
        write_file(table, content + _write_rows([(name, label, group) for name in missing]))
    return len(missing)


def _read_rows(table: Path) -> Mapping[str, str]:
    """Return the label of each image; raises DataError when the table has other columns."""
    try:
        content = table.read_bytes()
    except OSError as error:
        raise DataError(f"{table} cannot be read: {name_reason(error)}.") from error
    first = content.removeprefix(_BYTE_ORDER_MARK).split(b"\n", 1)[0].strip()
    if first.decode("utf-8", "replace").lower() != ",".join(HEADER):
        raise DataError(
            f"Rows cannot be added to {table}: its first line is not {','.join(HEADER)}.",
            hint="Name another file with --targets, or give it these columns.",
        )
    if content.strip().count(b"\n") == 0:
        return {}
    return {target.filename: target.label for target in read_targets(table)}


def _write_rows(rows: Sequence[tuple[str, str, str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")
