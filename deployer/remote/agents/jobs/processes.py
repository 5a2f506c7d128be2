"""The processes of a job, also when its supervisor is dead; on Linux by /proc, elsewhere by ps."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from .store import read_json

TICK_SECONDS = 0.05


class Process(NamedTuple):
    """A live process; `session` is its session on Linux, its process group elsewhere, and a job leads both."""

    pid: int
    session: int
    started: str


def find_members(directory: Path) -> list[int]:
    """Return the live processes of a job: its session, and what left the session with the job's environment."""
    state = read_json(directory / "state.json")
    if state is None or state["boot_id"] != read_boot_id():
        return []
    processes = list_processes()
    leader = processes.get(state["pid"])
    is_reused = leader is not None and leader.started != state["pid_started"]
    marker = b"DEPLOYER_JOB_DIR=" + os.fsencode(directory)
    own = (os.getpid(), state["supervisor"])
    return [
        process.pid
        for process in processes.values()
        if process.pid not in own
        and ((process.session == state["pid"] and not is_reused) or marker in read_environment(process.pid))
    ]


def send_signal(directory: Path, number: int) -> None:
    """Signal every process of the job, once each."""
    for pid in find_members(directory):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill_members(directory: Path) -> None:
    """Kill every process of the job, also those that are being forked meanwhile."""
    for _ in range(20):
        if not find_members(directory):
            return
        send_signal(directory, signal.SIGKILL)
        time.sleep(TICK_SECONDS)


def list_processes() -> dict[int, Process]:
    """Return the processes of this host, without the dead that nobody has collected."""
    found = {}
    if Path("/proc/self/stat").exists():
        for entry in os.listdir("/proc"):  # noqa: PTH208 - names are all that is needed, twenty times a second
            with contextlib.suppress(OSError, IndexError):
                if entry.isdigit():
                    fields = Path("/proc", entry, "stat").read_text(errors="replace").rpartition(")")[2].split()
                    if fields[0] not in "ZX":
                        found[int(entry)] = Process(int(entry), int(fields[3]), fields[19])
        return found
    command = ["ps", "-axo", "pid=,pgid=,stat=,lstart="]
    for line in subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines():
        pid, group, state, started = line.split(None, 3)
        if not state.startswith("Z"):
            found[int(pid)] = Process(int(pid), int(group), started)
    return found


def read_environment(pid: int) -> list[bytes]:
    """Return the environment a process began with, [] where that may not be read."""
    try:
        return Path("/proc", str(pid), "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def read_boot_id() -> str:
    """Return what is another value after each boot of this host."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return subprocess.run(["sysctl", "-n", "kern.boottime"], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
