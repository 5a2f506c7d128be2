"""The programs that go to the host."""

from __future__ import annotations

import ast
from importlib import resources
from pathlib import Path

import pytest

from deployer.errors import RemoteError
from deployer.remote.agent import prepare, read_program
from deployer.remote.ssh import Connection

from .conftest import RemoteHost

AGENTS = Path(str(resources.files("deployer.remote") / "agents"))


@pytest.mark.parametrize("path", sorted(AGENTS.rglob("*.py")), ids=lambda path: str(path.relative_to(AGENTS)))
def test_agents_are_written_for_python_3_8(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 8))


def test_read_program_gives_the_same_version_each_time() -> None:
    first = read_program("jobs")
    read_program.cache_clear()

    assert read_program("jobs") == first


def test_prepare_sends_an_agent_once_per_version(remote: RemoteHost, connection: Connection) -> None:
    command = prepare(connection, "probe", "no-python")
    (sent,) = (remote.home / ".deployer" / "agents").iterdir()
    first = sent.stat().st_mtime_ns

    with Connection(remote.host) as another:
        assert prepare(another, "probe", "no-python") == command

    assert sent.stat().st_mtime_ns == first
    assert sent.stat().st_mode & 0o077 == 0
    assert "no-python: no such program" in connection.run(command).text


def test_prepare_names_a_host_without_python(connection: Connection) -> None:
    with pytest.raises(RemoteError, match=r"has no python9\.9"):
        prepare(connection, "jobs", "list", python="python9.9")
