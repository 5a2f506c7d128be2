"""A small S3 for measurements: GET, HEAD and ListObjectsV2 out of memory, each answer so many milliseconds late.

moto answers some 200 requests a second, which hides what a client can do. Nothing is checked here: not the signature,
not the host. `python benchmarks/object_server.py FOLDER --latency-ms 20` prints its address and serves FOLDER as bucket
`data` until it is told to end.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "data"
PAGE = 1000
DATE = "2026-01-01T00:00:00.000Z"


class Connection(asyncio.Protocol):
    """One client's connection, kept alive; answers come in the order of the questions."""

    def __init__(self, objects: dict[str, bytes], etags: dict[str, str], latency_seconds: float) -> None:
        self._objects, self._etags, self._latency_seconds = objects, etags, latency_seconds
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            answer = self._answer(head.decode("latin-1").split("\r\n"))
            asyncio.get_running_loop().call_later(self._latency_seconds, self._send, answer)

    def _send(self, answer: list[bytes]) -> None:
        if not self._transport.is_closing():
            self._transport.writelines(answer)  # type: ignore[attr-defined]

    def _answer(self, lines: list[str]) -> list[bytes]:
        method, target, _ = lines[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        url = urlsplit(target)
        key = unquote(url.path).removeprefix(f"/{BUCKET}").removeprefix("/")
        status, extra, body = "200 OK", "", b""
        if not key:
            body = self._list(parse_qs(url.query)) if method == "GET" else b""
        elif key in self._objects:
            body, extra = self._objects[key], f'ETag: "{self._etags[key]}"\r\n'
            if "range" in headers:
                start, _, end = headers["range"].removeprefix("bytes=").partition("-")
                whole, body = len(body), body[int(start) : int(end) + 1]
                extra += f"Content-Range: bytes {start}-{int(start) + len(body) - 1}/{whole}\r\n"
                status = "206 Partial Content"
        else:
            status, body = "404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>"
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nx-amz-bucket-region: us-east-1\r\n{extra}\r\n"
        return [head.encode(), b"" if method == "HEAD" else body]

    def _list(self, query: dict[str, list[str]]) -> bytes:
        prefix, after = query.get("prefix", [""])[0], query.get("continuation-token", [""])[0]
        keys = sorted(key for key in self._objects if key.startswith(prefix) and key > after)
        page, more = keys[:PAGE], len(keys) > PAGE
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{DATE}</LastModified><ETag>&quot;{self._etags[key]}"
            f"&quot;</ETag><Size>{len(self._objects[key])}</Size></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        return (
            f'<?xml version="1.0"?><ListBucketResult><Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix>'
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>"
        ).encode()


async def serve(objects: dict[str, bytes], latency_seconds: float) -> None:
    """Answer until the process is ended; the first line printed is the address."""
    etags = {key: hashlib.md5(body, usedforsecurity=False).hexdigest() for key, body in objects.items()}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(objects, etags, latency_seconds), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Read a folder, and serve it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--latency-ms", type=float, default=20.0)
    options = parser.parse_args()
    files = (path for path in options.folder.rglob("*") if path.is_file())
    objects = {path.relative_to(options.folder).as_posix(): path.read_bytes() for path in files}
    asyncio.run(serve(objects, options.latency_ms / 1000))


if __name__ == "__main__":
    main()
