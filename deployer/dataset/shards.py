"""Files packed into uncompressed tar shards, named by their content: which bytes stand where, without reading them.

A shard is a pure function of what is in it, so its name and its layout are known before a byte is read: an upload that
was interrupted finds the shards that are already there, and a host fetches one image by its range.
"""

from __future__ import annotations

import bisect
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from deployer.errors import DataError, DeployerError, Interrupted

MIB = 1024**2

# Large enough for S3's full speed, small enough that a cut line costs a minute at 10 Mbit/s.
SHARD_BYTES = 64 * MIB
# A shard also ends where a file's hash says so, on average after this much: then a file that is added or removed
# changes the one shard it is in, and not where all later ones begin.
MEAN_SHARD_BYTES = 32 * MIB

BLOCK = tarfile.BLOCKSIZE
END_OF_ARCHIVE = bytes(2 * BLOCK)


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """One file of the data set: `name` relative, with forward slashes, in NFC; `path` as the disk spells it."""

    name: str
    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class Shard:
    """Files with different contents, in this order in one tar."""

    files: tuple[DataFile, ...]

    @cached_property
    def id(self) -> str:
        """A name for these contents in this order."""
        listing = "".join(f"{file.sha256} {file.size}\n" for file in self.files)
        return hashlib.sha256(listing.encode()).hexdigest()

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each file's bytes begin in the tar."""
        offsets, position = [], 0
        for file in self.files:
            offsets.append(position + BLOCK)
            position += BLOCK + _padded(file.size)
        return tuple(offsets)

    @property
    def size(self) -> int:
        """Bytes of the tar."""
        return sum(BLOCK + _padded(file.size) for file in self.files) + len(END_OF_ARCHIVE)


def pack(files: Iterable[DataFile]) -> list[Shard]:
    """Divide files into shards of at most SHARD_BYTES, each content once; a larger file has a shard of its own."""
    shards: list[Shard] = []
    current: list[DataFile] = []
    size = len(END_OF_ARCHIVE)
    seen: set[str] = set()
    for file in files:
        if file.sha256 in seen:
            continue
        seen.add(file.sha256)
        length = BLOCK + _padded(file.size)
        if current and size + length > SHARD_BYTES:
            shards.append(Shard(tuple(current)))
            current, size = [], len(END_OF_ARCHIVE)
        current.append(file)
        size += length
        if int(file.sha256[:8], 16) * MEAN_SHARD_BYTES < 2**32 * length:
            shards.append(Shard(tuple(current)))
            current, size = [], len(END_OF_ARCHIVE)
    return [*shards, Shard(tuple(current))] if current else shards


class ShardReader(io.RawIOBase):
    """The tar of a shard as a stream, put together on the way; checks each file's hash in passing.

    Reading raises DataError when a file is no longer what was scanned, and Interrupted once `stop` is set. The reason
    stays in `failure`: botocore takes what a stream raises for a broken connection, and tries again.
    """

    def __init__(self, shard: Shard, stop: threading.Event) -> None:
        self.failure: DeployerError | None = None
        self._stop = stop
        self._size = shard.size
        self._position = 0
        self._pieces: list[bytes | DataFile] = []
        self._starts: list[int] = []
        self._file: BinaryIO | None = None
        self._hash: Any = None
        position = 0
        for file in shard.files:
            for piece, length in (
                (_header(file), BLOCK),
                (file, file.size),
                (bytes(_padded(file.size) - file.size), _padded(file.size) - file.size),
            ):
                if length:
                    self._pieces.append(piece)
                    self._starts.append(position)
                    position += length
        self._pieces.append(END_OF_ARCHIVE)
        self._starts.append(position)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset != self._position:
            self._close_file()
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self._stop.is_set():
            self.failure = self.failure or Interrupted("The upload was interrupted.")
        if self.failure:
            raise self.failure
        if self._position >= self._size:
            return 0
        index = bisect.bisect_right(self._starts, self._position) - 1
        piece, skip = self._pieces[index], self._position - self._starts[index]
        if isinstance(piece, DataFile):
            try:
                data = self._read_file(piece, skip, len(buffer))
            except DataError as error:
                self.failure = error
                raise
        else:
            data = piece[skip : skip + len(buffer)]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._close_file()
        super().close()

    def _read_file(self, file: DataFile, skip: int, length: int) -> bytes:
        try:
            if self._file is None:
                self._file = file.path.open("rb")
                self._file.seek(skip)
                self._hash = hashlib.sha256() if skip == 0 else None
            data = self._file.read(min(length, file.size - skip))
        except OSError as error:
            raise DataError(f"{file.path} cannot be read: {error.strerror}.") from error
        if self._hash is not None:
            self._hash.update(data)
        complete = skip + len(data) == file.size
        if not data or (complete and self._hash is not None and self._hash.hexdigest() != file.sha256):
            raise DataError(
                f"{file.path} changed while it was being sent.", hint="Run the command again when it is at rest."
            )
        if complete:
            self._close_file()
        return data

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _header(file: DataFile) -> bytes:
    # The content is the member's name: then a renamed file is the same shard.
    member = tarfile.TarInfo(file.sha256)
    member.size = file.size
    return member.tobuf(tarfile.GNU_FORMAT)
