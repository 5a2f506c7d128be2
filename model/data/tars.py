"""Tars as something to read ranges of: files of this machine, or objects that are fetched in blocks ahead of need."""

from __future__ import annotations

import io
import os
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from model.data.sources import describe_version
from model.errors import DataError, name_reason
from model.storage.ahead import ReadAhead
from model.storage.client import Listed
from model.storage.fetching import Fetcher

# One request brings so much: S3 gives one connection some 90 MB/s, and several connections that much each.
BLOCK_BYTES = 4 << 20
CONNECTIONS = 16
AHEAD_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Span:
    """A range of bytes in one of the tars."""

    tar: str
    start: int
    size: int


class Tars(Protocol):
    """Several tars by their names, and the small files beside them."""

    @property
    def sizes(self) -> dict[str, int]:
        """The bytes of each tar."""

    def version(self, tar: str) -> str:
        """Return what tells the contents of a tar from others."""

    def read(self, span: Span) -> bytes:
        """Return these bytes; any number of threads may ask."""

    def read_beside(self, name: str) -> bytes | None:
        """Return a file that lies beside the tars, or None."""

    def plan(self, spans: Sequence[Span]) -> None:
        """Begin to fetch what will be read in this order."""

    def close(self) -> None:
        """Let go of files and connections."""


class LocalTars:
    """Files of this machine."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = {path.name: path for path in paths}
        self._lock = threading.Lock()
        self._open: dict[str, int] = {}

    @property
    def sizes(self) -> dict[str, int]:
        return {name: path.stat().st_size for name, path in self._paths.items()}

    def version(self, tar: str) -> str:
        return describe_version(self._paths[tar].stat())

    def read(self, span: Span) -> bytes:
        try:
            with self._lock:
                if span.tar not in self._open:
                    self._open[span.tar] = os.open(self._paths[span.tar], os.O_RDONLY)
            return os.pread(self._open[span.tar], span.size, span.start)
        except OSError as error:
            raise DataError(f"{self._paths[span.tar]} cannot be read: {name_reason(error)}.") from error

    def read_beside(self, name: str) -> bytes | None:
        path = next(iter(self._paths.values())).parent / name
        return path.read_bytes() if path.is_file() else None

    def plan(self, spans: Sequence[Span]) -> None:
        pass  # the system reads ahead by itself

    def close(self) -> None:
        with self._lock:
            for descriptor in self._open.values():
                os.close(descriptor)
            self._open = {}


class BucketTars:
    """Objects of a bucket, fetched in blocks that the images of one neighbourhood share."""

    def __init__(self, text: str, fetcher: Fetcher, objects: dict[str, Listed]) -> None:
        self._text = text
        self._fetcher = fetcher
        self._objects = objects
        self._ahead: ReadAhead[Span] = ReadAhead(
            self._fetch, lambda block: block.size, threads=CONNECTIONS, max_bytes=AHEAD_BYTES
        )

    @property
    def sizes(self) -> dict[str, int]:
        return {name: item.size for name, item in self._objects.items() if name.endswith(".tar") and "/" not in name}

    def version(self, tar: str) -> str:
        return self._objects[tar].etag

    def read(self, span: Span) -> bytes:
        blocks = self._divide(span)
        if not all(map(self._ahead.is_coming, blocks)):  # far from what is read now: no need of its neighbours
            for block in blocks:
                self._ahead.skip(block)
            return self._fetch(span)
        parts = []
        for block in blocks:
            body = self._ahead.take(block)
            parts.append(body[max(0, span.start - block.start) : span.start + span.size - block.start])
        return b"".join(parts)

    def read_beside(self, name: str) -> bytes | None:
        item = self._objects.get(name)
        return None if item is None else self._fetcher.fetch(item.key, etag=item.etag)

    def plan(self, spans: Sequence[Span]) -> None:
        self._ahead.plan(block for span in spans for block in self._divide(span))

    def close(self) -> None:
        self._ahead.close()
        self._fetcher.close()

    def _divide(self, span: Span) -> list[Span]:
        first, last = span.start // BLOCK_BYTES, max(span.start, span.start + span.size - 1) // BLOCK_BYTES
        whole = self._objects[span.tar].size
        starts = (number * BLOCK_BYTES for number in range(first, last + 1))
        return [Span(tar=span.tar, start=start, size=min(BLOCK_BYTES, whole - start)) for start in starts]

    def _fetch(self, span: Span) -> bytes:
        item = self._objects[span.tar]
        return self._fetcher.fetch(item.key, etag=item.etag, start=span.start, size=span.size) if span.size else b""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file in a tar; `body` is there where it was asked for."""

    name: str
    span: Span
    body: bytes = b""


def scan(tars: Tars, tar: str, *, is_wanted: Callable[[str], bool]) -> Iterator[Member]:
    """Yield the files of a tar from its headers, with the bytes of those whose name is wanted.

    Raises DataError, which names the tar, where it is cut off or damaged.
    """
    size = tars.sizes[tar]
    with io.BufferedReader(_TarFile(tars, tar, size), _SCAN_BYTES) as file:
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                for item in archive:
                    if item.offset_data + item.size > size:
                        raise _cut_off(tar, f"{item.name} ends beyond its {size:,} bytes")
                    if item.isreg():
                        span = Span(tar=tar, start=item.offset_data, size=item.size)
                        content = archive.extractfile(item) if is_wanted(item.name) else None
                        body = content.read() if content else b""
                        yield Member(name=item.name.removeprefix("./"), span=span, body=body)
                ended_at = archive.offset
        except tarfile.TarError as error:
            start = tars.read(Span(tar=tar, start=0, size=min(size, 6)))
            if start.startswith(_COMPRESSED):
                raise DataError(
                    f"The shard {tar} is compressed, and cannot be read from its middle.",
                    hint="Unpack it (gunzip, unxz, unzstd): pictures get no smaller by it.",
                ) from error
            raise _cut_off(tar, str(error)) from error
    # tarfile takes a damaged header for the end of the archive.
    if ended_at > size or tars.read(Span(tar=tar, start=ended_at, size=min(_BLOCK, size - ended_at))) != bytes(_BLOCK):
        raise _cut_off(tar, f"there is no further file at byte {ended_at:,}, and no end of the archive")


_BLOCK = tarfile.BLOCKSIZE
_SCAN_BYTES = 1 << 20
# What gzip, xz, bzip2 and Zstandard begin with.
_COMPRESSED = (b"\x1f\x8b", b"\xfd7zXZ\0", b"BZh", b"\x28\xb5\x2f\xfd")


def _cut_off(tar: str, why: str) -> DataError:
    return DataError(f"The shard {tar} is cut off or damaged: {why}.", hint="Write or fetch it again.")


class _TarFile(io.RawIOBase):
    """A tar as a file that can be sought in."""

    def __init__(self, tars: Tars, tar: str, size: int) -> None:
        self._tars, self._tar, self._size, self._position = tars, tar, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence] + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = max(0, min(len(buffer), self._size - self._position))
        if count:
            buffer[:count] = self._tars.read(Span(tar=self._tar, start=self._position, size=count))
        self._position += count
        return count
