"""Files of the jobs: where they are, the two locks, and JSON that is there whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any, Dict, Iterator  # noqa: UP035 - the host may have Python 3.8

HOME = Path.home() / ".deployer"
JOBS = HOME / "jobs"
RUNNING_LOCK = HOME / "jobs.lock"
START_LOCK = HOME / "start.lock"
RESERVED_BYTES = 4096
TICK_SECONDS = 0.05

Json = Dict[str, Any]  # noqa: UP006


def acquire_running_lock() -> int | None:
    """Take the lock that a supervisor holds; None when a job runs.

    Tried more than once: who asks for the holder holds it for an instant, and so does a supervisor on its way out.
    """
    lock = os.open(RUNNING_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    for attempt in range(20):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        holder = find_holder()
        if attempt > 1 and holder and not (JOBS / holder / "exit.json").exists():
            break
        time.sleep(TICK_SECONDS)
    os.close(lock)
    return None


def find_holder() -> str | None:
    """Return the job whose supervisor lives, None when no job runs."""
    lock = os.open(RUNNING_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(lock, 200, 0).decode()
    finally:
        os.close(lock)
    return None


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold the lock of `path`, waiting for it; yield its descriptor."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def is_job(directory: Path) -> bool:
    """Say whether a start got as far as writing down what to run."""
    return (directory / "spec.json").exists()


def read_json(path: Path) -> Json | None:
    """Return what is in `path`, None when it is not there."""
    try:
        value: Json = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return value


def write_json(path: Path, value: Json) -> None:
    """Replace `path` by `value`: whole or not at all, and still there after a power cut.

    Written into the blocks that `reserve` took, where it did.
    """
    part = path.with_name(path.name + ".part")
    with part.open("r+b" if part.exists() else "wb") as file:
        file.write(json.dumps(value).encode().ljust(RESERVED_BYTES))
        file.truncate()
        os.fsync(file.fileno())
    part.replace(path)


def reserve(directory: Path) -> None:
    """Take the blocks of what is still to be written, so that a job that fills the disk can be cancelled and end."""
    for name in ("state.json", "cancel.json", "exit.json"):
        (directory / (name + ".part")).write_bytes(b" " * RESERVED_BYTES)
