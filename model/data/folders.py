"""Where the images are, on disk or in a listing: walk folders, and find a name as a table writes it."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TypeVar

from model.data.formats import is_image_name, is_picture_name
from model.data.listing import ListedPath, Place
from model.errors import DataError, name_reason

# A folder of this machine, or one of a listing: what is found in it is of the same kind.
P = TypeVar("P", Path, ListedPath)

# train, test, seg_train, chest-xray-val.
_SPLIT_NAME = re.compile(r"(.*[\s_-])?(train|training|val|valid|validation|dev|test|testing|pred)", re.IGNORECASE)


def find_images(folder: P) -> Iterator[P]:
    """Yield every image under a folder, sorted; hidden files, hidden folders and macOS's __MACOSX are passed over."""
    return find_files(folder, is_image_name)


def find_files(
    folder: P, is_wanted: Callable[[str], bool], *, on_error: Callable[[OSError], None] | None = None
) -> Iterator[P]:
    """Yield the files under a folder whose name is wanted, as `find_images` does.

    `on_error` is told of each folder that cannot be read; without it such a folder is passed over.
    """
    if isinstance(folder, ListedPath):
        yield from _find_listed(folder, is_wanted)
        return
    visited = set()
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=on_error):
        real = os.path.realpath(parent)
        if real in visited:  # two links that lead to each other would go round for ever
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not _is_hidden(name) and not _leads_up(parent, name, real))
        yield from (Path(parent, name) for name in sorted(files) if is_wanted(name) and not _is_hidden(name))


def _find_listed(folder: ListedPath, is_wanted: Callable[[str], bool]) -> Iterator[ListedPath]:
    inside = sorted(path for path in folder.iterdir() if not _is_hidden(path.name))
    yield from (path for path in inside if is_wanted(path.name) and path.is_file())
    for path in inside:
        if path.is_dir():
            yield from _find_listed(path, is_wanted)


def find_pictures(folder: P) -> Iterator[P]:
    """Yield every image as `find_images` does, and every picture of a format that cannot be read here.

    Raises DataError at a folder that may not be read: a class would be missing without a word.
    """
    return find_files(folder, is_picture_name, on_error=_refuse_unreadable)


def find_all_pictures(place: Place) -> Iterator[Place]:
    """Yield the same for a place of either kind."""
    yield from (
        find_pictures(place)
        if isinstance(place, ListedPath)
        else find_files(place, is_picture_name, on_error=_refuse_unreadable)
    )


def find_class_folders(folder: P) -> list[P]:
    """Return the folders directly inside that hold pictures, sorted."""
    inner: Iterator[P] = (path for path in folder.iterdir() if not _is_hidden(path.name) and path.is_dir())
    return sorted(path for path in inner if has_pictures(path))


def is_split_name(name: str) -> bool:
    """Say whether a folder is named after a part of somebody's split rather than after a class."""
    return _SPLIT_NAME.fullmatch(name) is not None


def find_classes_of_splits(root: P, folders: Sequence[P]) -> tuple[list[P], list[str]]:
    """Return the class folders inside folders named after splits, and the images of those that have none.

    Raises DataError where there are no two classes.
    """
    joined: list[P] = []
    unlabelled: list[str] = []
    for folder in folders:
        inner = find_class_folders(folder)
        if [path.name.lower() for path in inner] == [folder.name.lower()]:  # unpacked twice: seg_train/seg_train
            inner = find_class_folders(inner[0])
        joined += inner
        if not inner:
            unlabelled += [path.relative_to(root).as_posix() for path in find_pictures(folder)]
    if len({path.name for path in joined}) < 2:
        names = ", ".join(folder.name for folder in folders)
        raise DataError(
            f"The folders {names} in {root} are named after splits, not after classes, and have no two classes inside.",
            hint=f"Put the images into a folder for each class, or write {root / 'targets.csv'}.",
        )
    return joined, unlabelled


def has_pictures(folder: P) -> bool:
    """Say whether there is any picture under a folder."""
    return next(find_pictures(folder), None) is not None


class NameResolver:
    """Finds the file that a table means; composed and decomposed Unicode are the same name."""

    def __init__(self, folders: Sequence[Place]) -> None:
        self._folders = folders
        self._listings: dict[Place, dict[str, str]] = {}

    def resolve(self, name: str) -> Place | None:
        """Return the file in the first folder that has it, or None; raises DataError when the name leads outside."""
        candidates = [name] if "\\" not in name else [name, name.replace("\\", "/")]
        for candidate in candidates:
            _refuse_outside(candidate)
            for folder in self._folders:
                found = self._descend(folder, PurePosixPath(candidate).parts)
                if found is not None:
                    return found
        return None

    def _descend(self, folder: Place, parts: tuple[str, ...]) -> Place | None:
        path = folder
        for part in parts:
            listing = self._list(path)
            match = listing.get(part) or listing.get(_normalize(part))
            if match is None:
                return None
            path = path / match
        return path if path != folder else None

    def _list(self, folder: Place) -> dict[str, str]:
        if folder not in self._listings:
            try:
                names = _list_names(folder)
            except OSError:
                names = []
            self._listings[folder] = {_normalize(name): name for name in names} | {name: name for name in names}
        return self._listings[folder]


def _list_names(folder: Place) -> list[str]:
    if isinstance(folder, ListedPath):
        return [path.name for path in folder.iterdir()]
    return os.listdir(folder)  # noqa: PTH208 - Path.iterdir builds a Path for each of 100,000 names


def _leads_up(parent: str, name: str, real: str) -> bool:
    """Say whether a folder is a link to one that it lies in: the images of all classes would be this class's too."""
    path = os.path.join(parent, name)  # noqa: PTH118 - a Path for each of 100,000 folders takes its time
    return os.path.islink(path) and Path(real).is_relative_to(os.path.realpath(path))  # noqa: PTH114 - as above


def _refuse_unreadable(error: OSError) -> None:
    raise DataError(f"The folder {error.filename} cannot be read: {name_reason(error)}.", hint="Mend its permissions.")


def _refuse_outside(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive:
        raise DataError(
            f"The name {name!r} leads outside the data folder.",
            hint="Write names relative to the targets file, or to images/ beside it.",
        )


def _normalize(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
