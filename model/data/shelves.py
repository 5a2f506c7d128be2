"""Where shards are put: a folder, or a bucket. A file is there whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from model.arguments import S3_SCHEME
from model.atomic import replacing, save_error, write_file
from model.errors import UsageError
from model.storage.client import Bucket, find_bucket

# Writes a file, and returns what tells its content from others.
Fill = Callable[[BinaryIO], str]


class Shelf(Protocol):
    """A folder of files, `text` being how it was typed."""

    text: str

    def names(self) -> list[str]:
        """Return what is there."""

    def put(self, name: str, fill: Fill) -> bool:
        """Put a large file there, and say whether it had to be sent."""

    def write(self, name: str, content: bytes) -> None:
        """Put a small file there."""

    def remove(self, name: str) -> None:
        """Remove a file."""


def open_shelf(where: Path | str) -> Shelf:
    """Return a folder, which need not be there yet, or s3://bucket/prefix; raises DataError, UsageError."""
    if isinstance(where, Path):
        if where.exists() and not where.is_dir():
            raise UsageError(f"{where} is not a folder.", hint="Name a folder for the shards.")
        return FolderShelf(where)
    name, _, prefix = where.removeprefix(S3_SCHEME).partition("/")
    return BucketShelf(where, find_bucket(where, name), prefix and prefix.rstrip("/") + "/")


class FolderShelf:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.text = str(folder)
        self._folder = folder

    def names(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return [path.name for path in self._folder.iterdir() if not path.name.startswith(".")]

    def put(self, name: str, fill: Fill) -> bool:
        with replacing(self._folder / name) as file:
            fill(file)
        return True

    def write(self, name: str, content: bytes) -> None:
        write_file(self._folder / name, content)

    def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)


class BucketShelf:
    """Objects below a prefix; a large one remembers the digest of its content, so that it is not sent twice."""

    def __init__(self, text: str, bucket: Bucket, prefix: str) -> None:
        self.text = text
        self._bucket = bucket
        self._prefix = prefix

    def names(self) -> list[str]:
        return [item.key.removeprefix(self._prefix) for item in self._bucket.list(self._prefix)]

    def put(self, name: str, fill: Fill) -> bool:
        try:
            with tempfile.TemporaryFile() as file:
                digest = fill(file)
                file.flush()
                if self._bucket.find_digest(self._prefix + name) == (digest, file.tell()):
                    return False
                file.seek(0)
                self._bucket.upload(self._prefix + name, file, digest=digest)
        except OSError as error:
            raise save_error(Path(tempfile.gettempdir()), error) from error
        return True

    def write(self, name: str, content: bytes) -> None:
        self._bucket.write(self._prefix + name, content)

    def remove(self, name: str) -> None:
        self._bucket.remove(self._prefix + name)
