"""S3 for tests: an account of moto's with a bucket, and a server whose answers fail as those of S3 do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BUCKET = "photos"

_ERROR = "<Error><Code>{}</Code><Message>No.</Message></Error>"


@dataclass(frozen=True)
class S3Account:
    """An account with one bucket; `client` is boto3's."""

    client: Any
    bucket: str = BUCKET

    def upload(self, folder: Path, prefix: str) -> None:
        for path in folder.rglob("*"):
            if path.is_file():
                key = f"{prefix}/{path.relative_to(folder).as_posix()}"
                self.client.put_object(Bucket=self.bucket, Key=key, Body=path.read_bytes())


@dataclass
class BucketServer:
    """A bucket of one object; each GET of it meets the next of `faults`, while there are any."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=lambda: {"a.jpg": b"picture" * 5000})
    faults: list[str] = field(default_factory=list)
    busy: set[str] = field(default_factory=set)  # objects that are asked for in vain
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serve_faults() -> Iterator[BucketServer]:
    """Serve until the end of the block."""
    bucket = BucketServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(200, b"")

        def do_GET(self) -> None:
            name = self.path.removeprefix("/data/")
            body = bucket.objects[name]
            fault = "busy" if name in bucket.busy else bucket.faults.pop(0) if bucket.faults else ""
            if fault == "busy":
                self._answer(503, _ERROR.format("SlowDown").encode())
            elif fault == "denied":
                self._answer(403, _ERROR.format("AccessDenied").encode())
            elif fault == "hang":
                bucket.released.wait()
            elif fault == "reset":
                self.close_connection = True
            else:
                self._answer(200, body, cut=fault == "cut")

        def _answer(self, status: int, body: bytes, *, cut: bool = False) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
            self.close_connection = cut

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    bucket.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield bucket
    finally:
        bucket.released.set()
        server.shutdown()
        server.server_close()
