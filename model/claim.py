"""One training at a time writes to a folder; a second one is refused before it changes anything."""

from __future__ import annotations

import fcntl
import os
import re
import sys
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from model.atomic import save_error
from model.errors import UsageError

# What `replacing` leaves behind when the process is killed while it writes.
_LEFTOVER = re.compile(r"\.(.+)\.\d+\.tmp")


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made where it is missing, until the block or the process ends; raises UsageError.

    The lock is the system's, on the folder itself: it needs no file, and ends with the process however that ends.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise save_error(folder, error) from error
    try:
        if not try_lock(handle):
            raise UsageError(
                f"Another training is writing to {folder}.", hint="Wait for its end, or choose another --output folder."
            )
        yield
    finally:
        os.close(handle)


def remove_leftovers(folder: Path, *, of: Container[str] | None = None) -> None:
    """Remove the half-written files of a process that was killed, of all names or of some.

    Only for who has claimed the folder, or holds a lock that stands for these names.
    """
    with suppress(OSError):
        for path in folder.iterdir():
            leftover = _LEFTOVER.fullmatch(path.name)
            if leftover and (of is None or leftover[1] in of):
                path.unlink()


def try_lock(handle: int) -> bool:
    """Lock an open file or folder until it is closed, and say whether no other process holds it.

    Where the system has no such locks, nobody does.
    """
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True
