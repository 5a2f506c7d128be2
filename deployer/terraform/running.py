"""The Terraform at work in a directory: it holds a lock for as long as it or a provider of its lives.

A deployer that is killed leaves its Terraform behind. What comes next must not pull away what that one is making.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

GRACE_SECONDS = 120.0  # a Terraform that is stopped ends what it has begun, and an instance takes its time
PAUSE_SECONDS = 0.2


def start(command: Sequence[str], *, mark: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own; it inherits a lock on `mark`, in which its process id is written."""
    with mark.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        process = subprocess.Popen(command, pass_fds=[file.fileno()], start_new_session=True, **options)
        file.write(str(process.pid))
    return process


def settle(mark: Path, on_wait: Callable[[], None], *, grace_seconds: float = GRACE_SECONDS) -> None:
    """Return once nobody holds `mark`: stop who does as Ctrl-C would, and kill it after `grace_seconds`.

    The lock keeps the process id from meaning another process: it is held by the session that has that id.
    """
    try:
        file = mark.open()
    except FileNotFoundError:
        return
    with file:
        if _is_free(file):
            return
        on_wait()
        session = int(file.read() or 0)
        deadline = time.monotonic() + grace_seconds
        if session and not _stop(session):
            deadline = 0.0  # Terraform itself is gone; its providers alone save nothing
        while not _is_free(file):
            if session and time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(session, signal.SIGKILL)
            time.sleep(PAUSE_SECONDS)


def _is_free(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _stop(process: int) -> bool:
    try:
        os.kill(process, signal.SIGINT)
    except ProcessLookupError:
        return False
    return True
