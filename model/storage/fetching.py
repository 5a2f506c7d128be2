"""Bytes out of a bucket, many requests at once: signed by botocore, carried by urllib3, and tried again.

boto3 lists; it brings some 280 objects a second and no more, whatever the threads (docs/decisions/0014).
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from model.console import format_duration
from model.errors import DataError, SourceGone
from model.storage.client import CONNECT_SECONDS, GONE_HINT, Bucket, explain, is_transient

if TYPE_CHECKING:
    import urllib3

# An answer takes 20 to 200 ms whatever is asked for: so many are waited for at the same time.
CONNECTIONS = 64

# How long S3 may stay away before the training ends; and how long it may be silent within one answer.
PATIENCE_SECONDS = 90.0
SILENCE_SECONDS = 20.0
# A body may drip, too: it has this long, and a second more for so many bytes. Dozens share the line: at 3 Mbit/s, 64
# photographs of a megabyte come side by side with 6,000 bytes a second each.
BODY_SECONDS, BODY_BYTES_PER_SECOND = 60.0, 10_000

# Between tries: at random up to a bound that doubles, so that not all come back at once.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 10.0

CHUNK_BYTES = 1 << 16


class _Transient(Exception):
    """What may be better in a moment; the message says what it was."""


@dataclass(kw_only=True)
class Fetcher:
    """Fetches objects of one bucket, or ranges of them; any number of threads may ask.

    1. What comes back is whole, and of the version that was asked for: a body that is cut or stops is fetched again.
    2. A failure that may pass is tried again until nothing at all has come for `patience_seconds`; then SourceGone is
       raised. A line that is slow for so many at once is no failure.
    3. What will not pass is DataError at once: access denied, an object that is gone or was replaced.
    """

    bucket: Bucket
    patience_seconds: float = PATIENCE_SECONDS
    silence_seconds: float = SILENCE_SECONDS
    connections: int = CONNECTIONS
    clock: Callable[[], float] = time.monotonic
    _closed: threading.Event = field(default_factory=threading.Event)
    _pool: Any = None
    _came: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fetch(self, key: str, *, etag: str = "", start: int = 0, size: int | None = None) -> bytes:
        """Return an object's bytes, or `size` of them from `start` on; raises DataError, SourceGone."""
        began, tries = 0.0, 0
        while True:
            asked_at = self.clock()
            try:
                return self._try(key, etag=etag, start=start, size=size)
            except _Transient as error:
                tries += 1
                began = began or asked_at
                pause = random.uniform(0, min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**tries))  # noqa: S311
                silence = self.clock() + pause - max(began, self._came)
                if self._closed.is_set() or silence > self.patience_seconds:
                    tried = format_duration(self.clock() - began)
                    raise SourceGone(
                        f"{self._name(key)} cannot be read: {error}, {tries} times in {tried}.", hint=GONE_HINT
                    ) from error
                self._closed.wait(pause)

    def close(self) -> None:
        """Give up what is being tried, and hang up."""
        self._closed.set()
        if self._pool is not None:
            self._pool.clear()

    def _name(self, key: str) -> str:
        return f"s3://{self.bucket.name}/{key}"

    def _try(self, key: str, *, etag: str, start: int, size: int | None) -> bytes:
        import urllib3

        url = f"{self.bucket.url}/{quote(key, safe='/~')}"
        headers = {"If-Match": f'"{etag}"'} if etag else {}
        if size is not None:
            headers["Range"] = f"bytes={start}-{start + size - 1}"
        try:
            signed = self.bucket.sign(url, headers)
        # Those of a role or a sign-on are renewed now and then, which may fail with nearly anything, and may be better
        # in a moment. What passed from here would be taken for a fault of the picture.
        except Exception as error:
            raise _Transient(f"the credentials cannot be renewed ({error})") from error
        try:
            response = self._get_pool().urlopen(
                "GET", url, headers=signed, retries=False, redirect=False, preload_content=False, decode_content=False
            )
            try:
                if response.status in {200, 206}:
                    return self._read(response)
                self._refuse(key, response.status, response.read(4096))
            finally:
                response.close()  # where it was read to its end, the connection is in the pool again and stays open
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _Transient(_explain(error)) from error
        raise AssertionError("not reached")

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """Return the body, which may be slow but must go on."""
        wanted = int(response.headers.get("Content-Length") or -1)
        deadline = self.clock() + BODY_SECONDS + max(0, wanted) / BODY_BYTES_PER_SECOND
        chunks: list[bytes] = []
        while chunk := response.read1(CHUNK_BYTES):
            chunks.append(chunk)
            if self.clock() > deadline:
                raise _Transient(f"it brought {sum(map(len, chunks)):,} of {wanted:,} bytes and no more in time")
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if 0 <= wanted != len(body):
            raise _Transient(f"it brought {len(body):,} of {wanted:,} bytes")
        self._came = self.clock()
        return body

    def _refuse(self, key: str, status: int, body: bytes) -> None:
        match = re.search(rb"<Code>([^<]+)</Code>", body)
        code = match[1].decode() if match else str(status)
        if status >= 500 or is_transient(code):
            raise _Transient(f"S3 answers {code}")
        name = self._name(key)
        if code == "NoSuchKey" or (status == 404 and code == "404"):
            raise DataError(
                f"{name} is gone: it was there when the bucket was listed.",
                hint="Let the bucket rest while it is trained on; then run the command again.",
            )
        if status in {412, 416}:
            raise DataError(
                f"{name} was replaced after the bucket was listed.",
                hint="Let the bucket rest while it is trained on; then run the command again.",
            )
        raise explain(name, code, f"S3 answers {code}")

    def _get_pool(self) -> Any:
        with self._lock:
            if self._pool is None:
                import urllib3

                options: dict[str, Any] = {
                    "maxsize": self.connections,
                    "block": True,
                    "timeout": urllib3.Timeout(connect=CONNECT_SECONDS, read=self.silence_seconds),
                    "ca_certs": self.bucket.certificates,
                }
                proxy = self.bucket.proxy
                self._pool = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
            return self._pool


def _explain(error: Exception) -> str:
    import urllib3.exceptions as failures

    if isinstance(error, failures.ReadTimeoutError):
        return "it sent nothing for too long"
    if isinstance(error, failures.ConnectTimeoutError):
        return "it does not answer"
    if isinstance(error, failures.NameResolutionError):
        return "the name of the server is not known here"
    if isinstance(error, failures.SSLError):
        return f"its certificate is not accepted ({error})"
    if isinstance(error, failures.NewConnectionError):
        return "the connection is refused"
    return "the connection broke"
