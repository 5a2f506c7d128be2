"""Processes of this machine: which one is meant by a pid, and which belong to an emulated host.

Linux tells everything in /proc; elsewhere (macOS) `ps` is asked.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HOST_VARIABLE = "DEPLOYER_HOST"
"""Every process of a host carries it in its environment; its value is the instance id."""

_PROC = Path("/proc/self/stat")


@dataclass(frozen=True)
class Process:
    """One running process, and what ties it to others."""

    pid: int
    parent: int
    session: int
    host: str


def start_time(pid: int) -> str:
    """Return when the process started, in the system's own words; empty when there is none.

    A pid alone names another process after a reboot or a wrap-around; pid and start time together do not.
    """
    if _PROC.exists():
        try:
            fields = _stat(pid)
        except OSError:
            return ""
        return "" if fields[0] == "Z" else fields[19]
    listed = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = listed.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()


def end_host(instance_id: str, *, sessions: Iterable[int] = (), grace_seconds: float = 1.0) -> None:
    """End every process of a host: those with its mark, those in its `sessions`, and the children of either.

    They get SIGTERM first, as at a real shutdown, and SIGKILL after `grace_seconds`.
    """
    known = frozenset(sessions)
    deadline = time.monotonic() + grace_seconds
    told: set[int] = set()
    while alive := _members(instance_id, known):
        is_over = time.monotonic() > deadline
        for pid in alive:
            if is_over or pid not in told:
                told.add(pid)
                _send(pid, signal.SIGKILL if is_over else signal.SIGTERM)
        if time.monotonic() > deadline + 5:
            return
        time.sleep(0.02)


def _members(instance_id: str, sessions: frozenset[int]) -> list[int]:
    processes = _listing()
    found = {process.pid for process in processes if process.host == instance_id or process.session in sessions}
    grown = True
    while grown:
        children = {process.pid for process in processes if process.parent in found} - found
        grown = bool(children)
        found |= children
    return sorted(found - {os.getpid()})


def _listing() -> list[Process]:
    return _listing_from_proc() if _PROC.exists() else _listing_from_ps()


def _listing_from_proc() -> list[Process]:
    mark = HOST_VARIABLE.encode() + b"="
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = _stat(int(entry.name))
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if fields[0] == "Z":
            continue
        host = next((item[len(mark) :].decode() for item in environment.split(b"\0") if item.startswith(mark)), "")
        found.append(Process(int(entry.name), int(fields[1]), int(fields[3]), host))
    return found


def _listing_from_ps() -> list[Process]:
    # -E shows the environment behind the command, for processes of one's own.
    table = subprocess.run(
        ["ps", "-axEww", "-o", "pid=,ppid=,sess=,stat=,command="], capture_output=True, text=True, check=False
    )
    found = []
    for line in table.stdout.splitlines():
        pid, parent, session, state, *words = line.split()
        if state.startswith("Z"):
            continue
        host = next((word.partition("=")[2] for word in words if word.startswith(HOST_VARIABLE + "=")), "")
        number = int(session, 16) if session.strip("0") else 0
        found.append(Process(int(pid), int(parent), number, host))
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat from the state on (the name before it may hold anything)."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return
