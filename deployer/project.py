"""The project folder: where its images and labels are, and the deployer.toml that says so."""

from __future__ import annotations

import csv
import itertools
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer import allowed
from deployer import config as configuration
from deployer.dataset.folder import IMAGE_SUFFIXES, TABLE_SUFFIXES
from deployer.errors import ConfigError, DataError

LABEL_COLUMNS = frozenset({"label", "labels", "class", "target", "category"})
PASSED_OVER = frozenset({"runs", "demo", "node_modules", "__pycache__", "venv"})
DEPTH = 3  # folders below the project in which images are looked for
ENOUGH = 20_000  # names looked at before giving up on counting


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where the images are: `path` and `targets` as deployer.toml wants them, and how many of what was seen."""

    path: str
    targets: str
    images: int
    classes: tuple[str, ...]


def find_images(project: Path, folder: Path | None = None) -> Found | None:
    """Look for images and their labels in `folder`, or in the project; None where there are no images."""
    start = (folder or project).resolve()
    if folder is not None and not start.is_dir():
        raise DataError(f"{folder} is not a folder.", hint="Name the folder that holds the images: --data FOLDER.")
    for candidate in _folders(start):
        table = find_targets(candidate)
        if table and _has_images(candidate):
            return _found(project, candidate, table)
    labelled = _find_class_folders(start)
    if labelled:
        return _found(project, labelled[0].parent, classes=tuple(folder.name for folder in labelled))
    return _found(project, start) if _has_images(start) else None


def find_targets(folder: Path) -> Path | None:
    """Return the table with the labels: targets.csv or .tsv, else the only table with a label column."""
    for name in ("targets.csv", "targets.tsv"):
        if (folder / name).is_file():
            return folder / name
    tables = [item for item in sorted(folder.iterdir()) if item.suffix.lower() in TABLE_SUFFIXES and item.is_file()]
    labelled = [item for item in tables if _has_label_column(item)]
    return labelled[0] if len(labelled) == 1 else None


def deployment_name(folder: Path) -> str:
    """Return a deployment name that AWS accepts, after the folder's own."""
    plain = unicodedata.normalize("NFKD", folder.name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:20].strip("-")
    return slug if allowed.NAME_PATTERN.fullmatch(slug) else "demo"


def write_config(file: Path, values: Mapping[str, Any], *, force: bool = False) -> None:
    """Write a commented deployer.toml with `values` set and every other key as a comment. Raises ConfigError."""
    if file.exists() and not force:
        raise ConfigError(f"{file} is there already.", hint="Edit it, or pass --force to write it anew.")
    text = render_config(values)
    draft = file.with_name(file.name + ".tmp")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def render_config(values: Mapping[str, Any]) -> str:
    """Return the text of a deployer.toml: each key with what it means, commented out unless in `values`."""
    lines = [
        "# What `deployer` deploys from this folder. Values here are overridden by DEPLOYER_* variables, and those by",
        "# flags. A key that is commented out shows its default.",
    ]
    section = ""
    for key, item in configuration.keys().items():
        table, _, name = key.rpartition(".")
        if table != section:
            section = table
            lines += ["", f"[{table}]"]
        lines += ["", f"# {item.metadata['description']}"]
        value = values.get(key)
        lines.append(f"{name} = {_toml(value)}" if value is not None else f"# {name} = {_toml(item.default)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Return a value as TOML; JSON's strings, numbers, booleans and lists are TOML's."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _folders(start: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Yield a folder and those below it, the nearest first."""
    level = [start]
    for _ in range(depth):
        yield from level
        level = [child for folder in level for child in _children(folder)]


def _images(folder: Path) -> Iterator[Path]:
    for item in itertools.islice(folder.rglob("*"), ENOUGH):
        if item.suffix.lower() in IMAGE_SUFFIXES and not any(
            part.startswith(".") or part in PASSED_OVER for part in item.relative_to(folder).parts
        ):
            yield item


def _has_images(folder: Path) -> bool:
    return next(_images(folder), None) is not None


def _find_class_folders(start: Path) -> list[Path]:
    """Return the class folders: the nearest two or more that hold images, directly or in folders of their own.

    Where the classes are divided further (coral/2025, coral/2026, fish/2025), the outer folders are the classes.
    """
    for folder in _folders(start):
        direct = [child for child in _children(folder) if _holds_images(child)]
        if len(direct) > 1:
            beside = [child for child in _children(folder.parent) if _has_images(child)] if folder != start else []
            outer = [child for child in beside if not _holds_images(child)]
            return beside if len(outer) > 1 else direct
    for folder in _folders(start):
        below = [child for child in _children(folder) if _has_images(child)]
        if len(below) > 1:
            return below
    return []


def _children(folder: Path) -> list[Path]:
    return [
        child
        for child in sorted(folder.iterdir())
        if child.is_dir() and not child.name.startswith(".") and child.name not in PASSED_OVER
    ]


def _holds_images(folder: Path) -> bool:
    """Say whether there are images directly in a folder."""
    return any(item.suffix.lower() in IMAGE_SUFFIXES for item in folder.iterdir())


def _has_label_column(table: Path) -> bool:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline(4096)
    except (OSError, UnicodeDecodeError):
        return False
    delimiter = "\t" if "\t" in first else ","
    header = next(csv.reader([first], delimiter=delimiter), [])
    return any(cell.strip().lower() in LABEL_COLUMNS for cell in header)


def _found(project: Path, folder: Path, table: Path | None = None, *, classes: tuple[str, ...] = ()) -> Found:
    return Found(
        path=_from(project, folder),
        targets=_from(project, table) if table else "",
        images=sum(1 for _ in _images(folder)),
        classes=classes,
    )


def _from(project: Path, path: Path) -> str:
    """Return a path as deployer.toml has it: relative to the project where it lies in it, else whole."""
    root = project.resolve()
    text = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    return "" if text == "." else text
