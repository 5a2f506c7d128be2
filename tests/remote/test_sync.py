"""Folders to a real host."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest

from deployer.errors import DataError, HostUnreachable, RemoteError
from deployer.remote.ssh import Connection
from deployer.remote.sync import FileEntry, plan, scan, sync

from .conftest import RemoteHost, small_disk

DESTINATION = "~/my project"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def there(remote: RemoteHost) -> Path:
    return remote.home / "my project"


def read_tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_sync_sends_two_thousand_files_and_then_only_the_ten_that_changed(
    connection: Connection, root: Path, there: Path
) -> None:
    for number in range(2000):
        path = root / f"package{number % 40}" / f"module{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"value = {number}\n" * 100)
    first = sync(connection, scan(root), DESTINATION)
    for number in range(10):
        (root / f"package{number}" / f"module{number}.py").write_text("changed")
    (root / "package39" / "module39.py").unlink()

    second = sync(connection, scan(root), DESTINATION)
    third = sync(connection, scan(root), DESTINATION)

    assert (first.sent, first.deleted, first.unchanged) == (2000, 0, 0)
    assert (second.sent, second.deleted, second.unchanged) == (10, 1, 1989)
    assert second.bytes_sent < 100_000
    assert (third.sent, third.deleted, third.unchanged) == (0, 0, 1999)
    assert read_tree(there) == read_tree(root)


def test_sync_keeps_names_links_times_and_permissions(connection: Connection, root: Path, there: Path) -> None:
    for name in ("with blank", "ünï-日本", "new\nline", "-dash", "a'b\"c$d"):
        (root / name).write_text(name)
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "folder").mkdir()
    (root / "folder" / "link").symlink_to("../run.sh")
    (root / b"\xff not utf-8".decode(errors="surrogateescape")).write_text("x")

    result = sync(connection, scan(root), DESTINATION)

    assert read_tree(there) == read_tree(root)
    assert (there / "folder" / "link").readlink() == Path("../run.sh")
    assert (there / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (there / "run.sh").stat().st_mtime_ns == (root / "run.sh").stat().st_mtime_ns
    assert result.sent == 8
    assert sync(connection, scan(root), DESTINATION).sent == 0


def test_sync_sends_a_new_permission_without_the_file(connection: Connection, root: Path, there: Path) -> None:
    (root / "run.sh").write_text("x")
    sync(connection, scan(root), DESTINATION)
    (root / "run.sh").chmod(0o755)

    assert sync(connection, scan(root), DESTINATION).sent == 0
    assert (there / "run.sh").stat().st_mode & 0o777 == 0o755


def test_sync_does_not_send_a_file_that_was_only_touched(connection: Connection, root: Path, there: Path) -> None:
    (root / "a").write_text("x")
    sync(connection, scan(root), DESTINATION)
    os.utime(root / "a", (1, 1))

    assert plan(connection, scan(root), DESTINATION).touched == ("a",)
    assert sync(connection, scan(root), DESTINATION).sent == 0
    assert (there / "a").stat().st_mtime == 1
    assert plan(connection, scan(root), DESTINATION).touched == ()


def test_sync_deletes_only_what_it_brought(connection: Connection, root: Path, there: Path) -> None:
    (root / "old").mkdir()
    (root / "old" / "module.py").write_text("x")
    (root / "kept.py").write_text("x")
    sync(connection, scan(root), DESTINATION)
    (there / "written_by_a_job").write_text("x")
    (root / "old" / "module.py").unlink()

    kept = sync(connection, scan(root), DESTINATION, delete=False)
    swept = sync(connection, scan(root), DESTINATION)

    assert (kept.deleted, swept.deleted) == (0, 1)
    assert sorted(path.name for path in there.iterdir()) == ["kept.py", "written_by_a_job"]


def test_sync_turns_files_into_folders_and_back(connection: Connection, root: Path, there: Path) -> None:
    (root / "a").write_text("file")
    (root / "b").mkdir()
    (root / "b" / "c").write_text("x")
    sync(connection, scan(root), DESTINATION)
    (root / "a").unlink()
    (root / "a").mkdir()
    (root / "a" / "d").write_text("x")
    (root / "b" / "c").unlink()
    (root / "b").rmdir()
    (root / "b").write_text("file")

    sync(connection, scan(root), DESTINATION)

    assert read_tree(there) == {"a/d": b"x", "b": b"file"}


def test_sync_never_writes_through_a_link_on_the_host(
    connection: Connection, root: Path, there: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("theirs")
    there.mkdir()
    (there / "folder").symlink_to(outside)
    (there / "file").symlink_to(outside / "file")
    (root / "folder").mkdir()
    (root / "folder" / "x").write_text("ours")
    (root / "file").write_text("ours")

    sync(connection, scan(root), DESTINATION)

    assert read_tree(outside) == {"file": b"theirs"}
    assert read_tree(there) == read_tree(root)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "a//b", "."])
def test_agent_refuses_a_name_that_leads_out(connection: Connection, root: Path, there: Path, name: str) -> None:
    manifest = replace(scan(root), files={name: FileEntry(1, 1, 0o600)})

    with pytest.raises(RemoteError, match="leads out of its folder"):
        sync(connection, manifest, DESTINATION)

    assert not there.exists()


def test_plan_is_what_sync_then_does_and_changes_nothing(connection: Connection, root: Path, there: Path) -> None:
    (root / "a").write_text("123")
    planned = plan(connection, scan(root), DESTINATION)

    assert not there.exists()
    assert (planned.send, planned.bytes_to_send, planned.unchanged) == (("a",), 3, 0)
    assert sync(connection, scan(root), DESTINATION).sent == 1
    (root / "a").unlink()
    assert plan(connection, scan(root), DESTINATION).delete == ("a",)
    assert (there / "a").exists()


def test_sync_goes_on_after_an_interruption(remote: RemoteHost, root: Path, there: Path) -> None:
    for number in range(20):
        (root / f"{number:02}").write_bytes(os.urandom(300_000))
    seen: list[tuple[int, int]] = []

    def interrupt(done: int, total: int) -> None:
        seen.append((done, total))
        if len(seen) == 10:
            remote.kill_sessions()

    with Connection(remote.host) as connection, pytest.raises(HostUnreachable):
        sync(connection, scan(root), DESTINATION, on_progress=interrupt)
    arrived = {name: data for name, data in read_tree(there).items() if not name.startswith(".deployer-part")}
    with Connection(remote.host) as connection:
        result = sync(connection, scan(root), DESTINATION)

    assert seen[0] == (300_000, 6_000_000)
    assert all(data == (root / name).read_bytes() for name, data in arrived.items())
    assert result.sent == 20 - len(arrived)
    assert 0 < result.sent < 20
    assert read_tree(there) == read_tree(root)


def test_sync_names_a_file_that_vanishes(connection: Connection, root: Path, there: Path) -> None:
    (root / "a").write_text("x")
    (root / "b").write_text("x")
    manifest = scan(root)
    (root / "a").unlink()

    result = sync(connection, manifest, DESTINATION)

    assert result.notes == ("a: vanished while the folder was being sent",)
    assert read_tree(there) == {"b": b"x"}


def test_sync_takes_a_file_as_it_is_when_it_is_read(connection: Connection, root: Path, there: Path) -> None:
    (root / "a").write_text("before")
    manifest = scan(root)
    (root / "a").write_text("after, and longer")

    sync(connection, manifest, DESTINATION)

    assert read_tree(there) == {"a": b"after, and longer"}


def test_sync_refuses_a_file_that_never_rests(connection: Connection, root: Path, there: Path) -> None:
    (root / "restless").write_bytes(os.urandom(4_000_000))
    is_over = Event()

    def disturb() -> None:
        while not is_over.is_set():
            os.utime(root / "restless")
            time.sleep(0.001)

    disturber = Thread(target=disturb)
    disturber.start()
    try:
        with pytest.raises(DataError, match="restless changes all the while"):
            sync(connection, scan(root), DESTINATION)
    finally:
        is_over.set()
        disturber.join()

    assert not (there / "restless").exists()


def test_sync_says_that_the_disk_of_the_host_is_full(
    remote: RemoteHost, connection: Connection, root: Path, there: Path
) -> None:
    (root / "big").write_bytes(os.urandom(5_000_000))
    with small_disk(there):
        with pytest.raises(RemoteError, match="the disk of the host is full") as caught:
            sync(connection, scan(root), DESTINATION)

        assert list(there.iterdir()) == []
    assert "df -h" in caught.value.hint


def test_sync_names_a_login_shell_that_talks(remote: RemoteHost, root: Path) -> None:
    (remote.home / ".bashrc").write_text("echo welcome\n")
    probe_talks = "SSH shells of this machine read no ~/.bashrc"
    with Connection(remote.host) as connection:
        if connection.run("true").text != "welcome":
            pytest.skip(probe_talks)

        with pytest.raises(RemoteError, match="welco") as caught:
            sync(connection, scan(root), DESTINATION)

    assert "must print nothing" in caught.value.hint
