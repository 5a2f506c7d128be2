"""What the person at the log reads: whole lines, flushed at once, so that they arrive in order over SSH.

Of several processes that train together the first one alone speaks; the others only when something befell them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

from model.errors import Interrupted, ModelError, UsageError, name_reason
from model.launch import read_launch

# How many names a warning shows before it says "and N more".
SHOWN_NAMES = 5


def run(main: Callable[[], None]) -> int:
    """Run a program and return its exit code; an error of ours is two lines on stderr, a bug keeps its traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A file name that is not UTF-8, or a terminal that is not, must not end the training.
            stream.reconfigure(errors="backslashreplace")
    code = _run(main)
    try:
        sys.stdout.flush()
    except OSError as error:
        _silence(sys.stdout)
        write(f"Error: What was to be printed cannot be written: {name_reason(error)}.\n", sys.stderr)
        return code or 1
    return code


def _run(main: Callable[[], None]) -> int:
    is_first = read_launch().is_first
    try:
        main()
    except Interrupted as error:
        if is_first:
            write(f"{error.message}\n", sys.stderr)
        return error.exit_code
    except ModelError as error:
        if not is_first and isinstance(error, UsageError):
            return error.exit_code  # all processes were asked the same
        hint = f"Hint: {error.hint}\n" if error.hint else ""
        write(f"Error: {error.message}\n{hint}", sys.stderr)
        return error.exit_code
    return 0


def say(line: str) -> None:
    """Print one line of progress."""
    if read_launch().is_first:
        write(f"{line}\n", sys.stdout)


def warn(line: str) -> None:
    """Print one warning."""
    if read_launch().is_first:
        write(f"Warning: {line}\n", sys.stderr)


def write(text: str, stream: TextIO) -> None:
    """Write and flush; a log on a full disk and a reader that has left (`| head`) cost the words, never the work."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _silence(stream)
    except OSError:
        pass  # tried again with the next line, and once more at the end


def _silence(stream: TextIO) -> None:
    """Let what is still to be written go nowhere; Python would stumble over it once more when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def list_names(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    shown = ", ".join(names[:SHOWN_NAMES])
    more = len(names) - SHOWN_NAMES
    return f"{shown} and {more:,} more" if more > 0 else shown


def count(number: int, noun: str) -> str:
    """Return `1 image`, `900 images`, `2 classes`."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def format_setting(value: object) -> str:
    """Return `yes`, `0.05`, `adamw`, or `none` for what was not given."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value in (None, "") else str(value)


def format_duration(seconds: float) -> str:
    """Return `45s`, `1m20s` or `2h05m`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
