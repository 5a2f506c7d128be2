"""Connections to a real sshd: streams, errors, pinned keys, the ways through an ssh_config."""

from __future__ import annotations

import collections
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from deployer.errors import ConfigError, HostKeyMismatch, HostUnreachable, RemoteError
from deployer.remote.hostkeys import write_known_hosts
from deployer.remote.ssh import Connection, generate_key, wait_until_reachable, write_ssh_config

from .conftest import RemoteHost, find_free_port, make_key, read_public, with_port


def test_run_returns_both_streams(connection: Connection) -> None:
    completed = connection.run("cat; echo oops >&2", input=b"hello")

    assert (completed.returncode, completed.stdout, completed.stderr) == (0, b"hello", b"oops\n")


def test_run_moves_megabytes_both_ways_at_once(connection: Connection) -> None:
    data = bytes(range(256)) * 8192

    completed = connection.run("tee /dev/stderr", input=data)

    assert completed.stdout == data
    assert completed.stderr == data[-(1 << 20) :]


def test_run_raises_with_the_last_words_of_the_command(connection: Connection) -> None:
    with pytest.raises(RemoteError, match=r"`echo no space >&2; exit 3` ended with exit code 3: no space"):
        connection.run("echo no space >&2; exit 3")


def test_run_reports_a_failure_without_check(connection: Connection) -> None:
    assert connection.run("exit 3", check=False).returncode == 3


def test_run_survives_a_command_that_does_not_read(connection: Connection) -> None:
    assert connection.run("true", input=b"x" * 5_000_000).returncode == 0


def test_run_ends_at_its_timeout(connection: Connection) -> None:
    started = time.monotonic()

    with pytest.raises(RemoteError, match=r"`sleep 60` did not end within 0\.3 s"):
        connection.run("sleep 60", timeout_seconds=0.3)

    assert time.monotonic() - started < 5


def test_open_streams_line_by_line(connection: Connection) -> None:
    with connection.open("while read line; do echo got $line; done") as stream:
        lines = stream.lines()
        stream.write(b"one\n")
        first = next(lines)
        stream.write(b"two\n")
        stream.close_input()
        rest = list(lines)

    assert (first, rest) == (b"got one", [b"got two"])


def test_open_reports_a_silent_host(connection: Connection) -> None:
    with (
        connection.open("sleep 60", silence_seconds=0.2) as stream,
        pytest.raises(HostUnreachable, match=r"silent for 0\.2 s"),
    ):
        stream.read()


def test_run_reports_a_connection_that_breaks(remote: RemoteHost, connection: Connection) -> None:
    with connection.open("echo ready; sleep 60") as stream:
        assert next(stream.lines()) == b"ready"
        remote.kill_sessions()

        with pytest.raises(HostUnreachable, match="was lost"):
            stream.read_exactly(1)

    assert not connection.is_alive()
    connection.connect()
    assert connection.run("echo back").text == "back"


def test_connection_refuses_another_host_key(remote: RemoteHost, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    write_known_hosts(remote.host.known_hosts, {"i-0123": [read_public(tmp_path / "other")]})

    with pytest.raises(HostKeyMismatch, match="another host key than its console printed"), Connection(remote.host):
        pass


def test_connection_refuses_a_key_of_another_kind(remote: RemoteHost, tmp_path: Path) -> None:
    make_key(tmp_path / "other", "ecdsa")
    write_known_hosts(remote.host.known_hosts, {"i-0123": [read_public(tmp_path / "other")]})

    with pytest.raises(HostKeyMismatch), Connection(remote.host):
        pass


def test_connection_does_not_even_dial_an_unknown_host(remote: RemoteHost) -> None:
    nobody_there = replace(remote.host, host_key_alias="i-9999", port=find_free_port())

    with pytest.raises(HostKeyMismatch, match="has none for i-9999"), Connection(nobody_there):
        pass


def test_connection_names_the_user_and_key_that_are_refused(remote: RemoteHost, tmp_path: Path) -> None:
    generate_key(tmp_path / "stranger")

    with pytest.raises(RemoteError, match=f"refused to let {remote.host.user} in with .*stranger") as caught:
        Connection(replace(remote.host, identity_file=tmp_path / "stranger")).connect()

    assert not isinstance(caught.value, HostUnreachable)


def test_connection_names_a_missing_key(remote: RemoteHost, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="no_such_key"):
        Connection(replace(remote.host, identity_file=tmp_path / "no_such_key")).connect()


def test_connection_never_asks_the_agent_of_the_user(
    remote: RemoteHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        agent.listen()
        agent.settimeout(0)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))

        with Connection(remote.host) as connection:
            seen = connection.run("echo ${SSH_AUTH_SOCK-none}").text

        assert seen == "none"
        with pytest.raises(BlockingIOError):
            agent.accept()


def test_connection_follows_an_ssh_config(remote: RemoteHost, tmp_path: Path) -> None:
    config = tmp_path / "user_config"
    config.write_text(f"Host 203.0.113.7\n  HostName 127.0.0.1\n  Port {remote.host.port}\n")
    host = replace(remote.host, address="203.0.113.7", port=22, ssh_config=str(config))

    with Connection(host) as connection:
        assert connection.run("echo in").text == "in"


@pytest.mark.parametrize("bad", ["no_such_file", "."])
def test_connection_names_an_ssh_config_it_cannot_read(remote: RemoteHost, tmp_path: Path, bad: str) -> None:
    with pytest.raises(ConfigError, match="ssh_config"):
        Connection(replace(remote.host, ssh_config=str(tmp_path / bad))).connect()


def _write_bastion(remote: RemoteHost, path: Path, jump_port: int) -> None:
    path.write_text(
        f"Host bastion\n  HostName 127.0.0.1\n  Port {jump_port}\n  User {remote.host.user}\n"
        f"  IdentityFile {remote.host.identity_file}\n  IdentitiesOnly yes\n  HostKeyAlias i-0123\n"
        f"  UserKnownHostsFile {remote.host.known_hosts}\n"
        f"Host 203.0.113.7\n  HostName 127.0.0.1\n  Port {remote.host.port}\n  ProxyJump bastion\n"
    )


def test_connection_goes_through_a_bastion(remote: RemoteHost, tmp_path: Path) -> None:
    _write_bastion(remote, tmp_path / "user_config", remote.host.port)
    host = replace(remote.host, address="203.0.113.7", port=22, ssh_config=str(tmp_path / "user_config"))

    with Connection(host) as connection:
        assert connection.run("cat", input=b"x" * 300_000).stdout == b"x" * 300_000


def test_connection_tells_what_the_bastion_said(remote: RemoteHost, tmp_path: Path) -> None:
    _write_bastion(remote, tmp_path / "user_config", find_free_port())
    host = replace(remote.host, address="203.0.113.7", port=22, ssh_config=str(tmp_path / "user_config"))

    with pytest.raises(HostUnreachable, match="Connection refused"), Connection(host):
        pass


def test_wait_until_reachable_goes_on_while_a_host_boots(remote: RemoteHost) -> None:
    remote.stop()
    heard: list[str] = []

    def boot(reason: str) -> None:
        heard.append(reason)
        if len(heard) == 2:
            remote.start()

    wait_until_reachable(remote.host, timeout_seconds=60, on_wait=boot, sleep=lambda _: None)

    assert len(heard) == 2
    assert "refused" in heard[0]


def test_wait_until_reachable_takes_a_hang_up_for_a_booting_host(remote: RemoteHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = with_port(remote.host, server.getsockname()[1])
        times = iter([0.0, 1.0, 61.0])
        Thread(target=lambda: [server.accept()[0].close() for _ in range(2)], daemon=True).start()

        with pytest.raises(HostUnreachable, match="within 60 s"):
            wait_until_reachable(
                host, timeout_seconds=60, on_wait=lambda _: None, sleep=lambda _: None, clock=lambda: next(times)
            )


def test_wait_until_reachable_raises_a_wrong_key_at_once(remote: RemoteHost, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    write_known_hosts(remote.host.known_hosts, {"i-0123": [read_public(tmp_path / "other")]})

    with pytest.raises(HostKeyMismatch):
        wait_until_reachable(remote.host, timeout_seconds=60, on_wait=pytest.fail)


def test_write_ssh_config_lets_the_tools_of_openssh_in(remote: RemoteHost, tmp_path: Path) -> None:
    folder = tmp_path / "with blanks and 100%"
    folder.mkdir()
    for name in ("id_ed25519", "known_hosts"):
        (folder / name).write_bytes((tmp_path / name).read_bytes())
        (folder / name).chmod(0o600)
    host = replace(remote.host, identity_file=folder / "id_ed25519", known_hosts=folder / "known_hosts")

    write_ssh_config(folder / "ssh_config", [host])

    ssh = ["ssh", "-F", folder / "ssh_config", "demo-0", "echo $HOME"]
    assert subprocess.run(ssh, capture_output=True, text=True, check=True).stdout.strip() == str(remote.home)
    (tmp_path / "file").write_text("x")
    scp = ["scp", "-q", "-F", folder / "ssh_config", tmp_path / "file", f"demo-0:{remote.home}/copied"]
    subprocess.run(scp, check=True)
    assert (remote.home / "copied").read_text() == "x"


def test_write_ssh_config_takes_the_bastion_over(remote: RemoteHost, tmp_path: Path) -> None:
    _write_bastion(remote, tmp_path / "user_config", remote.host.port)
    host = replace(remote.host, address="203.0.113.7", port=22, ssh_config=str(tmp_path / "user_config"))

    write_ssh_config(tmp_path / "ssh_config", [host])

    ssh = ["ssh", "-F", tmp_path / "ssh_config", "demo-0", "echo in"]
    assert subprocess.run(ssh, capture_output=True, text=True, check=True).stdout == "in\n"
    first = (tmp_path / "ssh_config").read_bytes()
    write_ssh_config(tmp_path / "ssh_config", [host])
    assert (tmp_path / "ssh_config").read_bytes() == first
    assert (tmp_path / "ssh_config").stat().st_mode & 0o777 == 0o600


def test_reading_from_a_connection_that_was_reset_says_that_it_is_lost(
    remote: RemoteHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reset(_message: object) -> None:
        raise EOFError

    with Connection(remote.host) as connection, connection.open("head -c 9000000 /dev/zero") as stream:
        # The moment between the reset and paramiko's noticing it cannot be timed from outside.
        monkeypatch.setattr(stream._channel.get_transport(), "_send_user_message", reset)
        with pytest.raises(HostUnreachable, match=r"The connection to .* was lost"):
            collections.deque(iter(stream.read, b""), maxlen=0)
