"""Images from this machine to a place of the user's own on S3, as they are: a file is an object."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from deployer.aws import s3
from deployer.aws.session import Session
from deployer.dataset.folder import Dataset
from deployer.dataset.sending import send_all
from deployer.dataset.shards import DataFile
from deployer.errors import DataError, Interrupted

# Small objects are all waiting, as in fetching them.
CONNECTIONS = 32
READ_BYTES = 1024**2


@dataclass(frozen=True, kw_only=True)
class PushResult:
    """What a push did: of `files`, `sent` were new or changed; `elsewhere` are objects there that are not here."""

    files: int
    sent: int
    sent_bytes: int
    elsewhere: tuple[str, ...]


def push(
    session: Session,
    bucket: str,
    prefix: str,
    dataset: Dataset,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> PushResult:
    """Send what is not below `prefix` ("" or "folder/") with the same bytes; an object is there whole or not at all.

    A file is known by its size and S3's ETag, its MD5. Stopped at any moment, the next push sends the rest. Where the
    bucket encrypts with a key of its own (KMS), the ETag says nothing and all is sent again. Nothing is removed.
    """
    there = {item.key.removeprefix(prefix): item for item in s3.list_objects(session, bucket, prefix)}
    alike = [file for file in dataset.files if file.name in there and there[file.name].size == file.size]
    with ThreadPoolExecutor() as pool:
        etags = dict(zip((file.name for file in alike), pool.map(_etag, alike), strict=True))
    changed = [file for file in dataset.files if file.name not in etags or etags[file.name] != there[file.name].etag]

    def send(file: DataFile, stop: threading.Event, count: Callable[[int], None]) -> None:
        with _Reader(file, stop) as reader, io.BufferedReader(reader, READ_BYTES) as stream:
            try:
                s3.upload_stream(session, bucket, prefix + file.name, stream, on_bytes=count)
            except Exception as error:
                raise reader.failure or error from error

    total = sum(file.size for file in changed)
    tell = on_progress or (lambda _sent, _total: None)
    send_all(changed, send, total=total, threads=CONNECTIONS, on_progress=tell)
    names = {file.name for file in dataset.files}
    return PushResult(
        files=len(dataset.files),
        sent=len(changed),
        sent_bytes=total,
        elsewhere=tuple(name for name in there if name and name not in names),
    )


def _etag(file: DataFile) -> str:
    """Return the ETag that S3 gives to an object that `s3.upload_stream` wrote."""
    try:
        with file.path.open("rb") as stream:
            if file.size < s3.MULTIPART_THRESHOLD:
                return hashlib.file_digest(stream, _md5).hexdigest()
            parts = [_md5(part).digest() for part in iter(lambda: stream.read(s3.PART_BYTES), b"")]
    except OSError as error:
        raise DataError(f"{file.path} cannot be read: {error.strerror}.") from error
    return f"{_md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def _md5(content: bytes = b"") -> hashlib._Hash:
    return hashlib.md5(content, usedforsecurity=False)


class _Reader(io.FileIO):
    """A file that can be told to end; the reason stays in `failure`, as in ShardReader."""

    def __init__(self, file: DataFile, stop: threading.Event) -> None:
        self.failure: Exception | None = None
        self._stop = stop
        try:
            super().__init__(file.path, "rb")
        except OSError as error:
            raise DataError(f"{file.path} cannot be read: {error.strerror}.") from error

    def readinto(self, buffer: bytearray | memoryview) -> int | None:  # type: ignore[override]
        if self._stop.is_set():
            self.failure = Interrupted("The upload was stopped.")
            raise self.failure
        return super().readinto(buffer)
