"""The log as a stream of frames, and the news of the job in between."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
import time
from pathlib import Path
from typing import BinaryIO

from .status import TERMINAL, describe
from .store import Json

TICK_SECONDS = 0.05
HEARTBEAT_SECONDS = 2.0
COMPARED_BYTES = 1 << 16
PIECE_BYTES = 1 << 16


def follow(directory: Path, offset: int) -> None:
    """Stream the log from byte `offset` until the job has ended and all of it is sent.

    The first frame says where the stream begins (before `offset` where the log is shorter) and what stands just before,
    so that the client can tell whether its copy is the beginning of this log.
    """
    log = open_log(directory)
    position = min(offset, os.fstat(log.fileno()).st_size) if log else 0
    send_json({**describe(directory), "position": position, "sha256": hash_before(log, position)})
    said = time.monotonic()
    while True:
        status = describe(directory)  # before reading: what was written before the end is then read after it
        log = log or open_log(directory)
        while log:
            piece = log.read(PIECE_BYTES)
            if not piece:
                break
            send(b"L", piece)
            said = time.monotonic()
        if status["state"] in TERMINAL:
            send_json({**describe(directory), "final": True})
            return
        if time.monotonic() - said > HEARTBEAT_SECONDS:
            send_json(status)
            said = time.monotonic()
        time.sleep(TICK_SECONDS)


def open_log(directory: Path) -> BinaryIO | None:
    """Return the log, None while the job has none."""
    try:
        return (directory / "log").open("rb")
    except FileNotFoundError:
        return None


def hash_before(log: BinaryIO | None, position: int) -> str:
    """Return the SHA-256 of what stands just before `position`, and leave the log there."""
    if log is None:
        return hashlib.sha256().hexdigest()
    begin = max(0, position - COMPARED_BYTES)
    log.seek(begin)
    return hashlib.sha256(log.read(position - begin)).hexdigest()


def send_json(value: Json) -> None:
    """Send news of the job, or why there are none."""
    send(b"J", json.dumps(value).encode())


def send(kind: bytes, payload: bytes) -> None:
    """Send one frame, at once."""
    sys.stdout.buffer.write(struct.pack(">cI", kind, len(payload)) + payload)
    sys.stdout.buffer.flush()
