"""AWS over HTTP: moto for what works, and a server that answers with one error for what does not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from deployer.aws.session import Session

REGION = "us-east-1"


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")


@pytest.fixture
def session(moto_url: str, credentials: None, monkeypatch: pytest.MonkeyPatch) -> Session:
    """An empty account."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    requests.post(f"{moto_url}/moto-api/reset", timeout=10)
    return Session(REGION)


Refuse = Callable[..., Session]


@pytest.fixture
def refuse(credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Refuse]:
    """Return a session whose every call is answered with this error, in EC2's form, or S3's for what is read."""
    servers = []

    def start(code: str, *, status: int = 400, message: str = "Because.") -> Session:
        error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        for_ec2 = f"<?xml version='1.0'?><Response><Errors>{error}</Errors><RequestID>0</RequestID></Response>"

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = (for_ec2 if self.command == "POST" else error).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_HEAD = do_POST  # noqa: N815 - the names that http.server looks for

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        return Session(REGION)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
