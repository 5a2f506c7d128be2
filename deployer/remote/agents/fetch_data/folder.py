"""The destination: what is here, and files written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .store import MIB, Content, Object, read
from .words import Problem

RECORD_NAME = ".fetched.json"
LOCK_NAME = ".lock"


class Folder:
    """The destination, and a record of what this program wrote there: {name: [size, mtime_ns, SHA-256 or ETag]}."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.etag = ""
        self.files: dict[str, Any] = {}
        self._made: set[Path] = set()
        self._lock = threading.Lock()
        # No record the first time. A damaged one: then every file is read again.
        with suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads((self.path / RECORD_NAME).read_text("utf-8"))
            self.etag, self.files = content["etag"], dict(content["files"])

    def is_whole(self) -> bool:
        """Tell whether every file of the record is here as it was written."""
        return all(entry and self._stamp(name) == entry[:2] for name, entry in self.files.items())

    def prepare(self, names: Iterable[str]) -> int:
        """Remove what is gone; write down what will come, so that it is known as ours even after a kill -9."""
        coming = frozenset(names)
        gone = [name for name in self.files if name not in coming]
        for name in gone:
            self._remove(name)
        for leftover in self.path.glob(".*.part"):  # of a fetch that was killed
            leftover.unlink()
        self.etag, self.files = "", {name: self.files.get(name) for name in coming}
        self.save()
        return len(gone)

    def has(self, name: str, *, size: int, digest: str) -> bool:
        """Tell whether the file is here and right; one that is not in the record is read to find out."""
        entry, stamp = self.files.get(name), self._stamp(name)
        if not stamp or stamp[0] != size:
            return False
        if entry and entry[:2] == stamp:
            return bool(entry[2] == digest)
        seen = hashlib.sha256()
        with (self.path / name).open("rb") as file:
            for block in iter(lambda: file.read(MIB), b""):
                seen.update(block)
        if seen.hexdigest() == digest:
            self.files[name] = [*stamp, digest]
        return seen.hexdigest() == digest

    def has_object(self, item: Object) -> bool:
        """Tell whether an object is here as it is in the bucket."""
        entry, stamp = self.files.get(item.name), self._stamp(item.name)
        if not entry and stamp == [item.size, item.modified_ns]:
            # Written by a fetch that was killed before it wrote its record: only a whole file gets its object's time.
            self.files[item.name] = entry = [*stamp, item.etag]
        return bool(entry and entry == [*(stamp or []), item.etag])

    def write(self, content: Content, body: Any) -> None:
        """Write the next bytes of `body` to each of the names, once they proved to be the right ones."""
        partial = self.path / f".{content.digest}.part"
        try:
            seen, left = hashlib.sha256(), content.size
            with partial.open("wb") as file:
                while left:
                    block = read(body, min(left, MIB))
                    seen.update(block)
                    file.write(block)
                    left -= len(block)
            if seen.hexdigest() != content.digest:
                name = content.names[0]
                raise Problem("data", f"{name} is damaged in the bucket: its SHA-256 is not {content.digest}")
            for name in content.names[1:]:
                copy = partial.with_suffix(".copy")
                shutil.copyfile(str(partial), str(copy))
                self._put(copy, name, content.digest)
            self._put(partial, content.names[0], content.digest)
        finally:
            with suppress(FileNotFoundError):
                partial.unlink()

    def write_object(self, item: Object, body: Any) -> None:
        """Write the bytes of an object to its name, with the object's time."""
        partial = self.path / f".{hashlib.sha256(item.name.encode()).hexdigest()}.part"
        try:
            left = item.size
            with partial.open("wb") as file:
                while left:
                    block = read(body, min(left, MIB))
                    file.write(block)
                    left -= len(block)
            os.utime(partial, ns=(item.modified_ns, item.modified_ns))
            self._put(partial, item.name, item.etag)
        finally:
            with suppress(FileNotFoundError):
                partial.unlink()

    def save(self) -> None:
        partial = self.path / f"{RECORD_NAME}.part"
        partial.write_text(json.dumps({"etag": self.etag, "files": self.files}), "utf-8")
        partial.replace(self.path / RECORD_NAME)

    def _put(self, partial: Path, name: str, digest: str) -> None:
        path = self.path / name
        if path.parent not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            if self.path not in (path.parent.resolve() / "file").parents:
                raise Problem("data", f"{path.parent} is a link out of {self.path}")
            self._made.add(path.parent)
        partial.replace(path)
        status = path.stat()
        with self._lock:
            self.files[name] = [status.st_size, status.st_mtime_ns, digest]

    def _stamp(self, name: str) -> list[int] | None:
        with suppress(OSError):
            status = (self.path / name).lstat()
            return [status.st_size, status.st_mtime_ns]
        return None

    def _remove(self, name: str) -> None:
        check_name(name)
        path = self.path / name
        # Until a folder that still has other files, or the destination itself.
        with suppress(OSError):
            path.unlink()
            while path.parent != self.path:
                path = path.parent
                path.rmdir()


def check_name(name: str) -> None:
    """Refuse a name that leads out of the destination, or to one of our own files."""
    parts = name.split("/")
    if "\0" in name or any(part in ("", ".", "..") for part in parts) or parts[0] in (RECORD_NAME, LOCK_NAME):
        raise Problem("data", f"the bucket has an unsafe name: {name!r}")


def check_space(destination: Path, need: int) -> None:
    """Refuse to begin what will not fit."""
    free = shutil.disk_usage(destination).free
    if need > free:
        raise Problem("disk", f"{destination} has {free // MIB} MiB free; the images need {need // MIB + 1} MiB")
