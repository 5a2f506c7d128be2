"""How a job is, from its files and from who holds the lock."""

from __future__ import annotations

import contextlib
from pathlib import Path

from .processes import find_members, read_boot_id
from .store import Json, find_holder, read_json

TERMINAL = ("SUCCEEDED", "FAILED", "CANCELLED", "PREEMPTED", "LOST")


def describe(directory: Path) -> Json:
    """Return the status of a job: state, returncode, started, ended, log_bytes, reason."""
    ended = read_json(directory / "exit.json")
    supervised = ended is None and find_holder() == directory.name
    if ended is None and not supervised:
        ended = read_json(directory / "exit.json")  # it may have ended between the two questions
    state = read_json(directory / "state.json") or {}
    status: Json = {
        "job": directory.name,
        "returncode": None,
        "started": state.get("started"),
        "ended": None,
        "reason": "",
    }
    with contextlib.suppress(OSError):
        status["log_bytes"] = (directory / "log").stat().st_size
    if ended is not None:
        status.update({key: ended.get(key) for key in ("returncode", "started", "ended", "reason")})
        status["state"] = name_end(ended)
    elif supervised:
        status["state"] = "RUNNING" if state else "PENDING"
    else:
        status["state"] = "LOST"
        status["reason"] = explain_loss(directory, state)
    return status


def name_end(ended: Json) -> str:
    """Return the state that an exit.json stands for."""
    if ended.get("cancelled"):
        return "CANCELLED"
    if ended.get("preempted"):
        return "PREEMPTED"
    return "SUCCEEDED" if ended.get("returncode") == 0 else "FAILED"


def explain_loss(directory: Path, state: Json) -> str:
    """Say why a job has neither a supervisor nor an end."""
    if not state:
        return "it was never started to the end"
    if state["boot_id"] != read_boot_id():
        return "the host was rebooted"
    members = find_members(directory)
    if members:
        return f"its supervisor died, but the program still runs as process {members[0]}"
    return "its supervisor died, and the program with it"
