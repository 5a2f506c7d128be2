"""What is in each file, remembered from one run to the next, so that only new and changed files are read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deployer.dataset.shards import DataFile
from deployer.errors import DataError

HASH_THREADS = 8
CACHE_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Found:
    """A file that has not been read: `modified_ns` in nanoseconds since 1970."""

    name: str
    path: Path
    size: int
    modified_ns: int


def add_hashes(found: list[Found], *, cache: Path, on_progress: Callable[[int, int], None]) -> tuple[DataFile, ...]:
    """Return the files with their SHA-256, from `cache` where size and time of modification are the same.

    `on_progress` gets files read and files to read. Interrupted, it remembers what it has read.
    """
    known = _read_cache(cache)
    digests = {item.path: known[_key(item)] for item in found if _key(item) in known}
    unread = [item for item in found if item.path not in digests]
    pool = ThreadPoolExecutor(HASH_THREADS)
    try:
        for count, (item, digest) in enumerate(zip(unread, pool.map(_digest, unread), strict=True), 1):
            digests[item.path] = digest
            on_progress(count, len(unread))
    finally:
        pool.shutdown(cancel_futures=True)
        if unread or len(known) != len(found):
            _write_cache(cache, {_key(item): digests[item.path] for item in found if item.path in digests})
    return tuple(DataFile(name=item.name, path=item.path, size=item.size, sha256=digests[item.path]) for item in found)


# A file by what changes when it is written to.
_Key = tuple[str, int, int]


def _key(item: Found) -> _Key:
    return str(item.path), item.size, item.modified_ns


def _digest(item: Found) -> str:
    try:
        with item.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{item.path} cannot be read: {error.strerror}.") from error


def _read_cache(path: Path) -> dict[_Key, str]:
    # Whatever is wrong with it: a cache that cannot be read costs time and nothing else.
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] == CACHE_VERSION:
            return {(str(name), int(size), int(ns)): str(digest) for name, size, ns, digest in content["files"]}
    return {}


def _write_cache(path: Path, digests: dict[_Key, str]) -> None:
    rows: Iterable[list[str | int]] = [[*key, digest] for key, digest in digests.items()]
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        partial.write_text(json.dumps({"version": CACHE_VERSION, "files": rows}, separators=(",", ":")), "utf-8")
        partial.replace(path)
