"""Where files of weights are kept: a folder, an S3 bucket, the hub; what is fetched arrives whole or not at all."""

from __future__ import annotations

import contextlib
import http.client
import os
import queue
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from model.console import say
from model.errors import SaveError, UsageError, name_reason
from model.progress import PROGRESS_SECONDS, every
from model.storage.client import connect

CHUNK_BYTES = 1 << 20

# A machine without a way out drops what is sent to each address of a host; waiting for them in turn takes minutes.
CONNECT_SECONDS = 10.0


# Gets a file that has just been fetched, under another name, and what it will be called; may refuse it.
Check = Callable[[Path, str], None]


class UnreachableError(Exception):
    """The hub does not answer, or does not have the file."""


class Store(Protocol):
    """A place with files."""

    def list_names(self, stem: str) -> list[str]:
        """Return the names of the files that begin with `stem`."""

    def bring(self, name: str, cache: Path, check: Check) -> Path:
        """Return where a file lies on this machine, having fetched it into `cache` if need be."""


def open_store(where: str) -> Store:
    """Return a folder or s3://bucket/prefix; raises UsageError when it is not there."""
    if where.startswith("s3://"):
        bucket, _, prefix = where.removeprefix("s3://").partition("/")
        if not bucket:
            raise UsageError(f"--weights {where} names no bucket.", hint="It reads s3://bucket/prefix.")
        patience = {"connect_timeout": CONNECT_SECONDS, "read_timeout": 30, "retries": {"max_attempts": 2}}
        client = connect(where, asking="--weights", **patience)
        return _Bucket(where=where, client=client, bucket=bucket, prefix=prefix and prefix.rstrip("/") + "/")
    folder = Path(where).expanduser()
    if not folder.is_dir():
        raise UsageError(
            f"--weights {where} is no folder.", hint="Name a folder with torchvision's files, or s3://bucket/prefix."
        )
    return _Folder(folder)


def download(url: str, path: Path, check: Check, *, connect_seconds: float = CONNECT_SECONDS) -> None:
    """Fetch a file over HTTP and put it at `path`, whole; raises UnreachableError, SaveError."""
    response = _open(url, connect_seconds)
    try:
        with response:
            _keep(path, _read(response), check, url=url, size=int(response.headers.get("Content-Length") or 0))
    except _ReadError as error:
        raise UnreachableError(str(error)) from error


@dataclass(frozen=True)
class _Folder:
    folder: Path

    def list_names(self, stem: str) -> list[str]:
        try:
            return sorted(path.name for path in self.folder.iterdir() if path.name.startswith(stem))
        except OSError as error:
            raise UsageError(f"--weights {self.folder} cannot be read: {name_reason(error)}.") from error

    def bring(self, name: str, cache: Path, check: Check) -> Path:  # noqa: ARG002
        return self.folder / name


@dataclass(frozen=True, kw_only=True)
class _Bucket:
    where: str
    client: Any
    bucket: str
    prefix: str

    def list_names(self, stem: str) -> list[str]:
        pages = self._call("s3:ListBucket", self.client.list_objects_v2, Prefix=self.prefix + stem)
        return [entry["Key"].removeprefix(self.prefix) for entry in pages.get("Contents", [])]

    def bring(self, name: str, cache: Path, check: Check) -> Path:
        path = cache / name
        if not path.is_file():
            answer = self._call("s3:GetObject", self.client.get_object, Key=self.prefix + name)
            try:
                _keep(path, _read(answer["Body"]), check, url=f"{self.where}: {name}", size=answer["ContentLength"])
            except _ReadError as error:
                raise UsageError(f"{name} cannot be fetched from --weights {self.where}: {error}.") from error
        return path

    def _call(self, permission: str, operation: Any, **parameters: str) -> Any:
        import botocore.exceptions

        try:
            return operation(Bucket=self.bucket, **parameters)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise UsageError(
                f"--weights {self.where} cannot be read: {error}",
                hint=f"Check the name and the credentials; they must allow {permission}.",
            ) from error


def _open(url: str, seconds: float) -> Any:
    """Return the response of a server that answers within so many seconds, whatever it is that takes its time."""
    answers: queue.Queue[Any] = queue.Queue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(url, timeout=seconds))  # noqa: S310
        except (OSError, http.client.HTTPException, ValueError) as error:
            answers.put(error)

    # A thread, because looking up a name cannot be told to give up.
    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise UnreachableError(f"no answer within {seconds:g} seconds") from None
    if isinstance(answer, Exception):
        if isinstance(answer, urllib.error.HTTPError):
            answer.close()
            raise UnreachableError(f"it answered {answer.code} ({answer.reason.lower()})") from answer
        raise UnreachableError(_explain(answer)) from answer
    return answer


class _ReadError(Exception):
    """The other side broke off."""


def _read(response: Any) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read(CHUNK_BYTES)
        # Of urllib, http.client, and botocore: all that can go wrong with a connection.
        except Exception as error:
            raise _ReadError(_explain(error)) from error
        if not chunk:
            return
        yield chunk


def _keep(path: Path, chunks: Iterator[bytes], check: Check, *, url: str, size: int) -> None:
    """Write what arrives under another name, and rename it when it is all there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    say(f"fetching {url}" + (f" ({size / 1e6:,.0f} MB)" if size else ""))
    is_line_due = every(PROGRESS_SECONDS)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
                if is_line_due():
                    say(f"fetched {file.tell() / 1e6:,.0f} of {size / 1e6:,.0f} MB")
            if size and file.tell() != size:
                raise _ReadError(f"it ended after {file.tell():,} of {size:,} bytes")
            file.flush()
            os.fsync(file.fileno())
        check(temporary, path.name)
        temporary.replace(path)
    except OSError as error:
        raise SaveError(
            f"{path} cannot be written: {_explain(error)}.",
            hint="Free some space, or set TORCH_HOME to a folder that has room.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _explain(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    text = str(getattr(reason, "strerror", None) or reason) or type(reason).__name__
    return re.sub(r"\.$", "", text[:1].lower() + text[1:])
