"""What the client can ask for: the verbs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

from .follow import follow, send_json
from .processes import find_members, kill_members, send_signal
from .status import TERMINAL, describe
from .store import (
    HOME,
    JOBS,
    START_LOCK,
    Json,
    acquire_running_lock,
    find_holder,
    is_job,
    locked,
    reserve,
    write_json,
)
from .supervisor import detach

JOB_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
TICK_SECONDS = 0.05


def main(arguments: list[str]) -> None:
    """Do what `arguments` say and print the answer as one line of JSON (`follow`: as frames)."""
    HOME.mkdir(mode=0o700, exist_ok=True)
    JOBS.mkdir(mode=0o700, exist_ok=True)
    verb, job = arguments[0], (arguments[1:] or [""])[0]
    if verb == "list":
        answer: Any = [describe(directory) for directory in sorted(JOBS.iterdir()) if is_job(directory)]
    elif not JOB_PATTERN.fullmatch(job):
        answer = {"refused": "name", "job": job}
    elif verb == "start":
        try:
            answer = start(job, json.load(sys.stdin))
        except OSError as error:
            answer = {"refused": "system", "job": job, "reason": error.strerror}
    elif not is_job(JOBS / job):
        known = sorted(path.name for path in JOBS.iterdir() if is_job(path))
        answer = {"refused": "unknown", "job": job, "known": known}
    elif verb == "follow":
        with contextlib.suppress(BrokenPipeError):  # the client has gone; the job has not
            follow(JOBS / job, int(arguments[2]))
        os._exit(0)  # not even the flush at exit may complain about the closed pipe
    elif verb == "cancel":
        answer = cancel(JOBS / job, float(arguments[2]))
    else:
        answer = describe(JOBS / job)
    if verb == "follow":
        send_json(answer)
    else:
        print(json.dumps(answer))


def start(job: str, spec: Json) -> Json:
    """Start `job`, unless it was started before, another one runs, or one that lost its supervisor still does."""
    directory = JOBS / job
    with locked(START_LOCK) as start_lock:
        if is_job(directory):
            return describe(directory)
        lock = acquire_running_lock()
        if lock is None:
            return {"refused": "busy", "job": find_holder() or "?"}
        for other in JOBS.iterdir():
            if is_job(other) and not (other / "exit.json").exists() and find_members(other):
                return {"refused": "orphan", "job": other.name}
        os.ftruncate(lock, 0)
        os.pwrite(lock, job.encode(), 0)
        for folder in (directory, directory / "artifacts", directory / "checkpoints"):
            folder.mkdir(mode=0o700, exist_ok=True)
        reserve(directory)
        write_json(directory / "spec.json", spec)
        ready, started = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(start_lock)
            detach(directory, spec, started)
        os.close(started)
        os.waitpid(child, 0)
        os.read(ready, 1)  # ends when the supervisor has written state.json, or has died
    os.close(lock)
    return describe(directory)


def cancel(directory: Path, grace_seconds: float) -> Json:
    """Interrupt the job, kill what is left after `grace_seconds`, and wait for the end."""
    status = describe(directory)
    end = time.monotonic() + grace_seconds
    if status["state"] == "LOST" and find_members(directory):  # nobody else is left to do it
        send_signal(directory, signal.SIGINT)
        while find_members(directory) and time.monotonic() < end:
            time.sleep(TICK_SECONDS)
        kill_members(directory)
        ended = {"returncode": None, "started": status["started"], "ended": time.time(), "cancelled": True}
        write_json(directory / "exit.json", ended)
    elif status["state"] not in TERMINAL:
        write_json(directory / "cancel.json", {"grace_seconds": grace_seconds})
        while describe(directory)["state"] not in TERMINAL and time.monotonic() < end + 10:
            time.sleep(TICK_SECONDS)
    return describe(directory)
