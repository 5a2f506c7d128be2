"""Whole files or none: what a reader finds under a name is complete, and a failed write keeps the old file."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from model.errors import SaveError, name_reason


def write_file(path: Path, content: bytes | memoryview) -> None:
    """Replace `path` by `content` in one step; raises SaveError and leaves the old file on any failure."""
    with replacing(path) as file:
        file.write(content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write that takes the place of `path` at the end; raises SaveError as `write_file` does."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise save_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def append_to_file(path: Path, content: bytes) -> None:
    """Add to the end of a file, or leave it as it was; raises SaveError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what a full disk refuses must not be tried again when the file is closed.
        with path.open("ab", buffering=0) as file:
            size = file.tell()
            try:
                while content:
                    content = content[file.write(content) :]
            except OSError:
                file.truncate(size)
                raise
    except OSError as error:
        raise save_error(path, error) from error


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON (no NaN) for people and programs."""
    write_file(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode(*_ENCODING))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8; what a file name holds beyond Unicode is escaped."""
    write_file(path, text.encode(*_ENCODING))


def save_error(path: Path, error: OSError) -> SaveError:
    """Return what to tell when the system refuses to write `path`."""
    return SaveError(
        f"{path} cannot be written: {name_reason(error)}.",
        hint="Free some space or choose another --output folder; a file that was there before is unchanged.",
    )


_ENCODING = ("utf-8", "backslashreplace")
