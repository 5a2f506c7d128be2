"""A list of names seen as folders: what is looked for on a disk is looked for in a bucket in the same way."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal, TypeAlias

ReadBytes = Callable[[str], bytes]


class Listing:
    """Folders and files by their names; `read` brings the bytes of a file."""

    def __init__(self, text: str, names: Iterable[str], read: ReadBytes) -> None:
        self.text = text
        self.read = read
        self.names: dict[tuple[str, ...], str] = {}
        self.folders: dict[tuple[str, ...], dict[str, None]] = {(): {}}
        for name in names:
            if name.endswith("/"):  # a console makes such an object for an empty folder
                continue
            parts = PurePosixPath(name).parts
            self.names[parts] = name
            for depth in range(len(parts), 0, -1):
                known = parts[: depth - 1] in self.folders
                self.folders.setdefault(parts[: depth - 1], {})[parts[depth - 1]] = None
                if known:
                    break

    @property
    def root(self) -> ListedPath:
        """The folder that holds all."""
        return ListedPath((), self)


@dataclass(frozen=True, order=True)
class ListedPath:
    """A file or a folder of a listing, with as much of pathlib.Path as looking for images and reading them needs."""

    parts: tuple[str, ...]
    listing: Listing = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.listing.text.rstrip('/')}/{self.as_posix()}".rstrip("/")

    def __truediv__(self, name: str) -> ListedPath:
        return ListedPath((*self.parts, *PurePosixPath(name).parts), self.listing)

    def as_posix(self) -> str:
        """Return the parts, joined."""
        return "/".join(self.parts)

    @property
    def key(self) -> str:
        """The name as it is listed."""
        return self.listing.names[self.parts]

    @property
    def name(self) -> str:
        """The last part."""
        return self.parts[-1] if self.parts else ""

    @property
    def suffix(self) -> str:
        """The ending of the name, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> ListedPath:
        """The folder that it is in."""
        return ListedPath(self.parts[:-1], self.listing)

    def relative_to(self, folder: ListedPath) -> PurePosixPath:
        """Return the parts below a folder."""
        return PurePosixPath(*self.parts[len(folder.parts) :])

    def is_dir(self) -> bool:
        """Say whether anything lies in it."""
        return self.parts in self.listing.folders

    def is_file(self) -> bool:
        """Say whether it can be read."""
        return self.parts in self.listing.names

    def exists(self) -> bool:
        """Say whether it is a file or a folder."""
        return self.is_file() or self.is_dir()

    def is_symlink(self) -> bool:
        """There are no links in a listing."""
        return False

    def iterdir(self) -> Iterator[ListedPath]:
        """Yield what lies directly in a folder."""
        return (self / name for name in self.listing.folders.get(self.parts, {}))

    def open(self, mode: Literal["rb"]) -> BinaryIO:  # noqa: ARG002 - as pathlib.Path has it
        """Return the bytes of a file as a file."""
        return io.BytesIO(self.read_bytes())

    def read_bytes(self) -> bytes:
        """Return the bytes of a file; raises FileNotFoundError, and what its source raises."""
        if not self.is_file():
            raise FileNotFoundError(str(self))
        return self.listing.read(self.key)


# Where something lies: on this machine, or in a listing.
Place: TypeAlias = Path | ListedPath


def name_place(place: Place) -> str | ListedPath:
    """Return what is kept of a place: of a file of this machine no more than its name."""
    return place if isinstance(place, ListedPath) else str(place)
