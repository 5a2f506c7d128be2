"""Folders home from a real host, and from one that lies."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from deployer.errors import DeployerError, HostUnreachable, RemoteError
from deployer.remote.agent import prepare, read_program
from deployer.remote.ssh import Connection
from deployer.remote.transfer import fetch_tree

from .conftest import RemoteHost


@pytest.fixture
def there(remote: RemoteHost) -> Path:
    folder = remote.home / "artifacts"
    folder.mkdir()
    return folder


def read_tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_fetch_tree_brings_each_file_once(connection: Connection, there: Path, tmp_path: Path) -> None:
    (there / "deep" / "er").mkdir(parents=True)
    (there / "model.pt").write_bytes(os.urandom(700_000))
    (there / "deep" / "er" / "ünï code\n").write_text("x")
    (there / "empty").touch()
    progress: list[tuple[int, int]] = []

    first = fetch_tree(connection, "~/artifacts", tmp_path / "home", on_progress=lambda *at: progress.append(at))
    (there / "empty").write_text("no more")
    second = fetch_tree(connection, "~/artifacts", tmp_path / "home")

    assert read_tree(tmp_path / "home") == read_tree(there)
    assert [(item.name, item.is_new) for item in first] == [
        ("deep/er/ünï code\n", True),
        ("empty", True),
        ("model.pt", True),
    ]
    assert [item.name for item in second if item.is_new] == ["empty"]
    assert progress[-1] == (700_001, 700_001)


def test_fetch_tree_skips_by_pattern(connection: Connection, there: Path, tmp_path: Path) -> None:
    (there / "checkpoints").mkdir()
    for name in ("checkpoints/last.pt", "model.pt", "notes.txt"):
        (there / name).write_text("x")

    fetched = fetch_tree(connection, "~/artifacts", tmp_path / "home", skip=["checkpoints/", "*.txt"])

    assert [item.name for item in fetched] == ["model.pt"]
    assert list(read_tree(tmp_path / "home")) == ["model.pt"]


def test_fetch_tree_never_follows_a_link_out(connection: Connection, there: Path, tmp_path: Path) -> None:
    (there / "model.pt").write_text("x")
    (there / "best.pt").symlink_to("model.pt")
    (there / "secret").symlink_to("/etc/passwd")
    (there / "folder").symlink_to("/etc")
    os.mkfifo(there / "pipe")

    fetch_tree(connection, "~/artifacts", tmp_path / "home")

    assert read_tree(tmp_path / "home") == {"model.pt": b"x", "best.pt": b"x"}


def test_fetch_tree_goes_on_after_an_interruption(remote: RemoteHost, there: Path, tmp_path: Path) -> None:
    for number in range(10):
        (there / str(number)).write_bytes(os.urandom(3_000_000))

    with Connection(remote.host) as connection, pytest.raises(HostUnreachable):
        fetch_tree(connection, "~/artifacts", tmp_path, on_progress=lambda *_: remote.kill_sessions())
    arrived = {path.name for path in tmp_path.iterdir() if path.name.isdigit()}
    with Connection(remote.host) as connection:
        fetched = fetch_tree(connection, "~/artifacts", tmp_path)

    assert {item.name for item in fetched if item.is_new} == {str(number) for number in range(10)} - arrived
    assert 0 < len(arrived) < 10
    assert not list(tmp_path.glob("*.part"))
    assert all((tmp_path / str(number)).read_bytes() == (there / str(number)).read_bytes() for number in range(10))


def test_fetch_tree_names_a_folder_that_is_not_there(connection: Connection, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="~/nowhere is not a folder on the host"):
        fetch_tree(connection, "~/nowhere", tmp_path)


def test_fetch_tree_names_a_place_it_cannot_write(connection: Connection, there: Path, tmp_path: Path) -> None:
    (there / "deep").mkdir()
    (there / "deep" / "file").write_text("x")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "deep").write_text("in the way")

    with pytest.raises(DeployerError, match=r"cannot be written: (File exists|Not a directory)"):
        fetch_tree(connection, "~/artifacts", tmp_path / "home")


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/../../evil", "link/evil", ""])
def test_fetch_tree_refuses_the_names_of_a_host_that_lies(
    remote: RemoteHost, connection: Connection, tmp_path: Path, name: str
) -> None:
    prepare(connection, "files")
    agent = remote.home / ".deployer" / "agents" / f"files-{hashlib.sha256(read_program('files')).hexdigest()[:16]}"
    honest = agent.read_text()
    agent.write_text(honest.replace("sorted(walk(root))", f"[({name!r}, root.stat())]"))
    assert agent.read_text() != honest
    (remote.home / "artifacts").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "home" / "link").symlink_to(tmp_path / "outside")

    with pytest.raises(RemoteError, match="would land outside"):
        fetch_tree(connection, "~/artifacts", tmp_path / "home")

    assert [path.name for path in (tmp_path / "home").iterdir()] == ["link"]
