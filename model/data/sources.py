"""Where the bytes of the images lie: a folder, a bucket, tar shards in either. Each lists its names and reads them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from model.arguments import S3_SCHEME
from model.console import list_names
from model.data.folders import find_files, has_pictures
from model.data.formats import is_picture_name
from model.data.listing import ListedPath, Listing, Place
from model.errors import DataError, name_reason

__all__ = ["S3_SCHEME", "Entry", "FolderSource", "Source", "hold", "name_of", "open_source", "restore_url"]

SHARD_SUFFIX = ".tar"
_ARCHIVES = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".zip", ".7z", ".rar")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file: `name` relative to its source, `size` in bytes; `version` changes with the content."""

    name: str
    size: int
    version: str


class Source(Protocol):
    """A place with files. `text` is how it was typed; `folder` is set where it is a plain folder of this machine.

    Raises DataError for what cannot be read, SourceGone when the place does not answer any more.
    """

    text: str
    folder: Path | None

    @property
    def root(self) -> Place:
        """The place that labels are looked for in."""

    def entries(self) -> tuple[Entry, ...]:
        """Return all that is there; the first call may take its time."""

    def entry(self, name: str) -> Entry:
        """Return one of them."""

    def read(self, name: str) -> bytes:
        """Return the bytes of one file; any number of threads may ask."""

    def order(self, names: Sequence[str]) -> Sequence[str]:
        """Return the names in the order that suits reading, and begin to fetch what comes first.

        Who reads in about this order waits least. Name only what will be read: what is fetched ahead and never read
        keeps its memory until the next `order` or `close`.
        """

    def close(self) -> None:
        """Let go of connections and of what was fetched ahead."""


def open_source(text: str | Path) -> Source:
    """Return the folder, bucket or shards of that name; raises DataError when there is nothing like it."""
    where = restore_url(str(text))
    if where.startswith(S3_SCHEME):
        from model.data.buckets import open_bucket

        return open_bucket(where)
    folder = Path(where)
    if folder.is_file():
        refuse_compressed([folder.name], where)
    elif _is_readable(folder) and not has_pictures(folder):
        refuse_compressed([path.name for path in folder.iterdir() if path.is_file()], where)
    shards = find_shards(folder)
    if shards:
        from model.data.shards import ShardSource
        from model.data.tars import LocalTars

        return ShardSource(where, LocalTars(shards))
    if not folder.is_dir():
        raise DataError(f"The data folder {folder} does not exist or is no folder.")
    if not _is_readable(folder):
        raise DataError(f"The data folder {folder} may not be read.", hint="Mend its permissions.")
    return FolderSource(folder)


def restore_url(text: str) -> str:
    """Return s3://bucket/prefix for what a Path has made of it: s3:/bucket/prefix."""
    scheme, slash, rest = text.partition("s3:/")
    return f"{S3_SCHEME}{rest.lstrip('/')}" if slash and not scheme else text


def find_shards(folder: Path) -> list[Path]:
    """Return the tars of a folder that holds nothing but them, or the one that is named; [] for other folders."""
    if folder.suffix == SHARD_SUFFIX and folder.is_file():
        return [folder]
    if not folder.is_dir():
        return []
    shards = sorted(path for path in folder.glob(f"*{SHARD_SUFFIX}") if path.is_file() and path.name[0] != ".")
    return [] if not shards or has_pictures(folder) else shards


def are_shards(names: Sequence[str]) -> bool:
    """Say whether these names are of a folder of shards."""
    return any(name.endswith(SHARD_SUFFIX) and "/" not in name for name in names) and not any(
        is_picture_name(name) for name in names
    )


def refuse_compressed(names: Sequence[str], where: str) -> None:
    """Raise DataError where there are archives instead of images, or beside shards, of which they may be the rest."""
    packed = sorted(name for name in names if name.lower().endswith(_ARCHIVES) and "/" not in name)
    if packed and not any(map(is_picture_name, names)):
        raise DataError(
            f"{list_names(packed)} in {where} cannot be read: what is compressed has no places to read from.",
            hint="Unpack it first, into a folder or to plain .tar files.",
        )


def _is_readable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)


def describe_version(status: os.stat_result) -> str:
    """Return what changes with the content of a file of this machine.

    An archive, an image of a container or a copying program may give the same time of change to all it writes, and
    uncompressed pictures are all of one size. The time of the file's last other change (ctime) cannot be given.
    """
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


class FolderSource:
    """A folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self.text = str(folder)
        self.folder: Path | None = folder
        self._root = folder

    @property
    def root(self) -> Place:
        return self._root

    def entries(self) -> tuple[Entry, ...]:
        found = find_files(self._root, lambda name: True)  # noqa: ARG005
        return tuple(self.entry(path.relative_to(self._root).as_posix()) for path in found)

    def entry(self, name: str) -> Entry:
        try:
            status = os.stat(os.path.join(self._root, name))  # noqa: PTH116, PTH118 - 100,000 Paths take a second
        except OSError as error:
            raise DataError(f"{self._root / name} cannot be read: {name_reason(error)}.") from error
        return Entry(name=name, size=status.st_size, version=describe_version(status))

    def read(self, name: str) -> bytes:
        """Return the bytes of one file; raises OSError as a disk does."""
        return (self._root / name).read_bytes()

    def order(self, names: Sequence[str]) -> Sequence[str]:
        return names

    def close(self) -> None:
        pass


def hold(source: Source, names: Sequence[str]) -> list[ListedPath]:
    """Return places of files whose bytes are in memory from now on: fetched once, however often they are read."""
    bodies = {name: source.read(name) for name in source.order(names)}
    held = Listing(source.text, bodies, bodies.__getitem__)
    return [held.root / name for name in names]


def name_of(place: str | ListedPath, source: Source) -> str:
    """Return the name by which a source reads what lies at a place; a table may name what is outside of a folder."""
    if not isinstance(place, str):
        return place.key
    if source.folder is None:
        return Path(place).absolute().as_posix()
    inside = f"{source.folder}/"
    if place.startswith(inside):  # nearly always; pathlib takes ten times as long to find out
        return place[len(inside) :]
    path = Path(place)
    return (path.relative_to(source.folder) if path.is_relative_to(source.folder) else path.absolute()).as_posix()
