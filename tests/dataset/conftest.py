"""A project with images, and a bucket behind a wire that can be listened to and cut."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from moto.server import ThreadedMotoServer
from remote.conftest import RemoteHost, remote

from deployer.aws.session import Session
from deployer.config import Config, DataConfig
from deployer.remote.agent import read_program
from deployer.remote.ssh import Connection

__all__ = ["remote"]

REGION = "us-east-1"
BUCKET = "deployer-demo"


@dataclass
class Request:
    method: str
    key: str
    range: str
    size: int


@dataclass
class Wire:
    """The road to the bucket. `fault` looks at a request and returns "refuse", "cut" (half an answer) or ""."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    fault: Callable[[Request], str] = lambda _request: ""
    latency_seconds: float = 0.0

    def forget(self) -> None:
        self.requests.clear()
        self.fault = lambda _request: ""

    def seen(self) -> list[tuple[str, str]]:
        return [(request.method, request.key) for request in self.requests]


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that was interrupted hangs up
            super().handle_error(request, client_address)


@pytest.fixture(scope="session")
def moto_port() -> Iterator[int]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def wire(moto_port: int) -> Iterator[Wire]:
    requests.post(f"http://127.0.0.1:{moto_port}/moto-api/reset", timeout=10)
    wire = Wire()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # or botocore waits a second for the 100 Continue that 1.0 does not have
        wbufsize = -1  # one packet for head and body: Nagle's algorithm makes two take 40 ms

        def handle_expect_100(self) -> bool:
            self.send_response_only(100)
            self.end_headers()
            self.wfile.flush()
            return True

        def forward(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if len(body) < length:  # the client was killed: asked for a body that never comes, moto would wait
                self.close_connection = True
                return
            key = self.path.partition("?")[0].removeprefix(f"/{BUCKET}").removeprefix("/")
            request = Request(self.command, key, self.headers.get("Range", ""), len(body))
            wire.requests.append(request)
            fault = wire.fault(request)
            time.sleep(wire.latency_seconds)
            if fault == "refuse":
                status, headers, answer = 403, [], b"<Error><Code>AccessDenied</Code><Message>No.</Message></Error>"
            else:
                with contextlib.closing(http.client.HTTPConnection("127.0.0.1", moto_port, timeout=30)) as upstream:
                    upstream.request(self.command, self.path, body, dict(self.headers.items()))
                    response = upstream.getresponse()
                    answer = response.read()
                dropped = {"transfer-encoding", "connection", "content-length"}
                headers = [(name, value) for name, value in response.getheaders() if name.lower() not in dropped]
                status = response.status
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer[: len(answer) // 2] if fault == "cut" else answer)
            self.close_connection = fault == "cut"

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = forward  # noqa: N815 - the names of http.server

        def log_message(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    wire.url = f"http://127.0.0.1:{server.server_port}"
    yield wire
    server.shutdown()
    server.server_close()


@pytest.fixture
def session(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Session:
    """An account with an empty bucket, and nothing on the wire yet."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", wire.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    session = Session(REGION)
    session.client("s3").create_bucket(Bucket=BUCKET)
    wire.forget()
    return session


@pytest.fixture
def config(project: Path) -> Config:
    """A project whose images are in `images/`; the shape of the files is what matters, not what they show."""
    write(project / "images" / "cat" / "one.jpg", b"first cat")
    write(project / "images" / "cat" / "two.JPG", b"second cat")
    write(project / "images" / "dog" / "été 1.png", b"dog in summer")
    write(project / "images" / "targets.csv", b"filename,label\n")
    return Config(project=project, data=DataConfig(path="images"))


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def images(config: Config) -> Path:
    return config.data_directory


@dataclass(frozen=True)
class Outcome:
    returncode: int
    last: dict[str, Any]


@pytest.fixture
def fetch(session: Session, tmp_path: Path) -> Callable[..., Outcome]:
    """Run the host's half as a host does: the program that is sent there, in a process of its own."""
    program = tmp_path / "fetch_data.zip"
    program.write_bytes(read_program("fetch_data"))
    assert zipfile.is_zipfile(io.BytesIO(program.read_bytes()))

    def run(destination: Path, *options: str, words: Sequence[str] = ()) -> Outcome:
        command = [sys.executable, *options, str(program), BUCKET, REGION, str(destination), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        lines = done.stdout.splitlines()
        assert lines, done.stderr
        return Outcome(done.returncode, json.loads(lines[-1]))

    return run


@pytest.fixture
def instance(remote: RemoteHost, wire: Wire) -> RemoteHost:
    """A host with credentials of its own, as an instance has by its role."""
    remote.stop()
    remote.environment |= {
        "AWS_ENDPOINT_URL": wire.url,
        "AWS_ACCESS_KEY_ID": "role",
        "AWS_SECRET_ACCESS_KEY": "role",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    remote.start()
    return remote


@pytest.fixture
def instance_connection(instance: RemoteHost) -> Iterator[Connection]:
    with Connection(instance.host) as opened:
        yield opened
