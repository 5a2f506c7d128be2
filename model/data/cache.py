"""Decoded images kept on disk for the next run: known by the content of their files, checked, and bounded.

A file holds the rows of a set, one after the other, and behind them what checks them. It grows under a name of its own
and gets its real one when it is whole, so that a reader finds all of it or nothing; runs that make the same one at the
same time do not meet. A file that somebody uses may be removed: the system keeps it until they end.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import struct
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.claim import try_lock
from model.data.images import Pixels

SUFFIX = ".pixels"
_GROWING = ".growing"
# What is left free on a disk: the results of the training, and all others who live there, need some.
FREE_BYTES = 5 << 30
# The end of a file: how many checksums there are, how long the description behind them is, the checksum of both, and a
# word that says which form this is.
_TAIL = struct.Struct("<QQI8s")
_FORM = b"PIXELS 1"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The rows of a set that an earlier run has decoded; `bad` are positions of the list that held no picture then.

    `pixels` may be changed: that stays with this process.
    """

    pixels: Pixels
    checksums: NDArray[np.uint32]
    bad: tuple[int, ...]


class NoRoom(OSError):
    """The cache may not grow so far, or its disk is too full; the message is the reason."""


class Growing:
    """A file of the cache that is being filled; nobody else sees it."""

    def __init__(self, path: Path, pixels: Pixels, handle: int) -> None:
        self.path = path
        self.pixels = pixels
        self._handle = handle

    def finish(self, checksums: NDArray[np.uint32], bad: Iterable[int]) -> None:
        """Give the file its name; as many rows as there are checksums are taken for whole. Raises OSError."""
        description = json.dumps({"side": self.pixels.shape[1], "bad": sorted(bad)}).encode()
        content = checksums.astype("<u4").tobytes() + description
        content += _TAIL.pack(len(checksums), len(description), zlib.crc32(content), _FORM)
        size = len(checksums) * self.pixels[0].nbytes
        os.ftruncate(self._handle, size)
        if os.pwrite(self._handle, content, size) == len(content):
            self.path.replace(self.path.with_name(self.path.name.partition(".")[0] + SUFFIX))

    def close(self) -> None:
        """Let go of it; what has no name by now is removed."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        os.close(self._handle)


@dataclass(frozen=True, kw_only=True)
class PixelCache:
    """A folder of such files, of `max_bytes` in all at most: what was not used for longest goes first."""

    folder: Path
    max_bytes: int

    def find(self, digest: str, *, side: int, count: int) -> Kept | None:
        """Return what is kept of a set of so many images, or None; what is damaged is removed."""
        path = self.folder / f"{digest}{SUFFIX}"
        try:
            kept = _read(path, side=side, count=count)
            os.utime(path)  # used now
        except FileNotFoundError:
            return None
        except (OSError, ValueError, struct.error):
            with suppress(OSError):
                path.unlink()
            return None
        return kept

    def begin(self, digest: str, *, side: int, count: int) -> Growing:
        """Return a file for so many images; older ones make way. Raises OSError, NoRoom where that does not suffice."""
        size = count * side * side * 3
        handle = -1
        # Containers that share a cache have processes of the same number.
        path = self.folder / f"{digest}.{os.getpid()}-{secrets.token_hex(4)}{_GROWING}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remove_abandoned()
            self._make_room(size)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            try_lock(handle)
            reserve(handle, size)
            pixels = np.memmap(path, dtype=np.uint8, mode="r+", shape=(count, side, side, 3))
        except OSError:
            if handle >= 0:
                os.close(handle)
            with suppress(OSError):
                path.unlink()
            raise
        return Growing(path, pixels, handle)

    def _make_room(self, size: int) -> None:
        kept = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in self.folder.glob(f"*{SUFFIX}"))
        others = sum(map(_measure, self.folder.glob(f"*{_GROWING}")))  # other runs fill them now
        total = others + sum(bytes_ for _, bytes_, _ in kept)
        free = shutil.disk_usage(self.folder).free
        for _, bytes_, path in kept:
            if total + size <= self.max_bytes and free - size >= FREE_BYTES:
                break
            if others + size > self.max_bytes or free + total - others - size < FREE_BYTES:
                break  # it would not fit alone either
            path.unlink()
            total -= bytes_
            free += bytes_
        if total + size > self.max_bytes:
            filled = f", of which other runs fill {others / 1e9:.1f} GB now" if others else ""
            limit = f"{self.max_bytes / 1e9:g} GB (--cache-gb){filled}"
            raise NoRoom(f"they are {size / 1e9:.1f} GB, and it may grow to {limit}")
        if free - size < FREE_BYTES:
            raise NoRoom(f"they are {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB of its disk are free")

    def _remove_abandoned(self) -> None:
        """Remove what a run that was killed has left behind: nobody holds its lock."""
        for path in self.folder.glob(f"*{_GROWING}"):
            with suppress(OSError):
                handle = os.open(path, os.O_RDONLY)
                if try_lock(handle):
                    path.unlink()
                os.close(handle)


def digest_images(versions: Iterable[tuple[str, str]], *, side: int, decoder: str) -> str:
    """Return what tells a list of (name, version) at one size from all others."""
    whole = hashlib.sha256(f"{side}\0{decoder}\n".encode())
    for name, version in versions:
        whole.update(f"{name}\0{version}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()[:32]


def find_cache_folder() -> Path:
    """Return the user's folder for such things."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a name and a home, as in a container: nothing can be kept there
        folder = Path("/.cache")
    return folder / "deployer" / "pixels"


def _measure(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # finished meanwhile, or given up
        return 0


def reserve(handle: int, size: int) -> None:
    """Give a file its size; a disk that is full would end the program at a write to memory, and here says so."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        os.ftruncate(handle, size)


def _read(path: Path, *, side: int, count: int) -> Kept:
    """Return the content of a file; raises OSError, ValueError or struct.error where it is not what it should be."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL.size))
        good, length, checksum, form = _TAIL.unpack(file.read())
        start = good * side * side * 3
        if form != _FORM or good > count or size != start + 4 * good + length + _TAIL.size:
            raise ValueError(path)
        file.seek(start)
        content = file.read(4 * good + length)
    if zlib.crc32(content) != checksum:
        raise ValueError(path)
    description = json.loads(content[4 * good :])
    if description["side"] != side or good + len(description["bad"]) != count or not good:
        raise ValueError(path)
    return Kept(
        pixels=np.memmap(path, dtype=np.uint8, mode="c", shape=(good, side, side, 3)),
        checksums=np.frombuffer(content, dtype="<u4", count=good).astype(np.uint32),
        bad=tuple(description["bad"]),
    )
