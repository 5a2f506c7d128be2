"""What every test gets: a clean environment, and a wall around this machine."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

KEPT = {"TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR", "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE"}
NOWHERE = "http://127.0.0.1:9"  # the discard port: what asks AWS by mistake is refused at once


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--aws", action="store_true", help="run the tests that need an AWS account and cost money")
    parser.addoption("--gpu", action="store_true", help="run the tests that need a CUDA device")
    parser.addoption("--slow", action="store_true", help="run the long suites too")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's `&` leaves Ctrl-C ignored, and every program we start would inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--aws"):
        return
    endpoint = os.environ.get("AWS_ENDPOINT_URL", NOWHERE)
    if not endpoint.startswith(("http://127.0.0.1", "http://localhost")):
        pytest.exit(f"AWS_ENDPOINT_URL is {endpoint}: the suite talks to this machine only (or pass --aws).", 2)
    for name in [item for item in os.environ if item.startswith(("AWS_", "DEPLOYER_", "TF_")) and item not in KEPT]:
        del os.environ[name]
    os.environ |= {
        "AWS_ENDPOINT_URL": NOWHERE,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    _build_wall()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for marker in ("aws", "gpu", "slow"):
        if not config.getoption(f"--{marker}"):
            skip = pytest.mark.skip(reason=f"needs --{marker}")
            for item in items:
                if item.get_closest_marker(marker):
                    item.add_marker(skip)


def _build_wall() -> None:
    """Refuse connections of this process that would leave the machine; its children have NOWHERE to go."""
    connect: Callable[..., Any] = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            host = address[0]
            try:
                is_here = ipaddress.ip_address(host).is_loopback
            except ValueError:
                is_here = host == "localhost"
            if not is_here:
                raise ConnectionRefusedError(f"a test tried to reach {host}")
        return connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """Give each test the environment of the session, whatever the one before left."""
    if request.config.getoption("--aws"):
        yield
        return
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty project folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """A moto server for the whole session, and its address."""
    from moto.server import ThreadedMotoServer  # half a second, for the few tests that need it

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
