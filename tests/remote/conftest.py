"""A real OpenSSH server on this machine, one for each test, whose users live in a home of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from deployer.remote.hostkeys import write_known_hosts
from deployer.remote.job import Jobs, JobStatus
from deployer.remote.ssh import Connection, Host, generate_key

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


@dataclass
class RemoteHost:
    """An SSH server with its `home`; `host` is how to reach it."""

    folder: Path
    host: Host
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def jobs(self) -> Path:
        return self.home / ".deployer" / "jobs"

    def start(self) -> None:
        (self.folder / "sshd_config").write_text(self._configure())
        command = [str(SSHD), "-D", "-f", str(self.folder / "sshd_config"), "-E", str(self.folder / "sshd.log")]
        self.process = subprocess.Popen(command)
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.host.port), timeout=1):
                return
            time.sleep(0.02)
        pytest.fail("sshd did not start:\n" + (self.folder / "sshd.log").read_text())

    def stop(self) -> None:
        """End the server and its sessions, as a host that is switched off does; jobs go on."""
        if self.process:
            self.kill_sessions()
            self.process.kill()
            self.process.wait()
            self.process = None

    def kill_sessions(self) -> None:
        """Kill what serves the connections, as a network that breaks does; the server itself stays."""
        assert self.process
        table = subprocess.run(["ps", "-axo", "pid=,ppid=,comm="], capture_output=True, text=True, check=True).stdout
        rows = [line.split(None, 2) for line in table.splitlines()]
        mine = {self.process.pid}
        for pid, parent, command in rows + rows:
            if int(parent) in mine and "sshd" in command:
                mine.add(int(pid))
        for pid in mine - {self.process.pid}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def read_state(self, job: str) -> dict[str, Any]:
        value: dict[str, Any] = json.loads((self.jobs / job / "state.json").read_text())
        return value

    def _configure(self) -> str:
        variables = {"HOME": str(self.home), **self.environment}
        environment = " ".join(f"{name}={value}" for name, value in variables.items())
        return "\n".join(
            [
                f"Port {self.host.port}",
                "ListenAddress 127.0.0.1",
                f"HostKey {self.folder / 'host_key'}",
                f"AuthorizedKeysFile {self.folder / 'authorized_keys'}",
                f"PidFile {self.folder / 'sshd.pid'}",
                f"SetEnv {environment}",
                "UsePAM no",
                "StrictModes no",
                "PasswordAuthentication no",
                "KbdInteractiveAuthentication no",
                "PermitRootLogin yes",
                "MaxStartups 100",
                "Subsystem sftp internal-sftp",
                "",
            ]
        )


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[RemoteHost]:
    """Run an SSH server that knows one key; at the end nothing of it or its jobs is left."""
    if not SSHD:
        pytest.skip("no sshd on this machine (Debian: apt install openssh-server)")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, parents=True, exist_ok=True)
    folder = tmp_path / "host"
    (folder / "home").mkdir(parents=True)
    make_key(folder / "host_key")
    (folder / "authorized_keys").write_text(generate_key(tmp_path / "id_ed25519") + "\n")
    write_known_hosts(tmp_path / "known_hosts", {"i-0123": [read_public(folder / "host_key")]})
    host = Host(
        alias="demo-0",
        address="127.0.0.1",
        user=os.environ.get("USER") or subprocess.check_output(["id", "-un"], text=True).strip(),
        identity_file=tmp_path / "id_ed25519",
        known_hosts=tmp_path / "known_hosts",
        host_key_alias="i-0123",
        port=find_free_port(),
    )
    running = RemoteHost(folder, host)
    running.start()
    yield running
    running.stop()
    end_jobs(running)


@pytest.fixture
def connection(remote: RemoteHost) -> Iterator[Connection]:
    with Connection(remote.host) as opened:
        yield opened


@pytest.fixture
def jobs(remote: RemoteHost) -> Iterator[Jobs]:
    with Jobs(remote.host) as opened:
        yield opened


def make_key(path: Path, kind: str = "ed25519") -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)


def read_public(path: Path) -> str:
    return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def with_port(host: Host, port: int) -> Host:
    return replace(host, port=port)


def wait_for(condition: Any, seconds: float = 10) -> None:
    """Return as soon as `condition()` holds; fail when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail("what the test waits for did not happen")
        time.sleep(0.02)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Put half a mebibyte of disk at `folder`; skip where that is not allowed."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield
    finally:
        wait_for(lambda: not subprocess.run(["umount", folder], capture_output=True, check=False).returncode)


def is_running(pid: int) -> bool:
    """Whether a process lives; one that is dead and not yet collected does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def end_jobs(remote: RemoteHost) -> None:
    for path in remote.jobs.glob("*/state.json") if remote.jobs.exists() else ():
        state = json.loads(path.read_text())
        for pid in (state["supervisor"], state["pid"]):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(state["pid"], signal.SIGKILL)


def run_python(script: str) -> tuple[str, ...]:
    """Return the argv of a Python script for a job."""
    return (sys.executable, "-c", script)


def follow(jobs: Jobs, job: str, folder: Path, **options: float) -> tuple[JobStatus, bytes]:
    """Follow `job` into `folder`; return its end and what was shown on the way."""
    shown: list[bytes] = []
    status = jobs.follow(job, folder / "log", shown.append, **options)  # type: ignore[arg-type]
    return status, b"".join(shown)
