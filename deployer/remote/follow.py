"""One reading of a job's log into its mirror on this machine, over one connection."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deployer.errors import JobError, RemoteError
from deployer.remote.agent import LOGIN_SHELL_HINT, prepare
from deployer.remote.ssh import Connection, Stream

SILENCE_SECONDS = 15.0  # the agent says something every two seconds
COMPARED_BYTES = 1 << 16  # as in agents/jobs/follow.py


class Follower:
    """Reads the log of `job` into `mirror`; `last_contact` is when the host was last heard (time.monotonic)."""

    def __init__(self, connection: Connection, job: str, mirror: Path, on_bytes: Callable[[bytes], None]) -> None:
        self.last_contact = 0.0
        self._connection = connection
        self._job = job
        self._mirror = mirror
        self._on_bytes = on_bytes

    def follow_once(self) -> dict[str, Any]:
        """Read until the job has ended; return the agent's answer. Raises HostUnreachable on a broken connection."""
        offset = self._mirror.stat().st_size if self._mirror.exists() else 0
        command = prepare(self._connection, "jobs", "follow", self._job, str(offset))
        with self._connection.open(command, silence_seconds=SILENCE_SECONDS) as stream:
            first = json.loads(self._read_frame(stream)[1])
            if "refused" in first:
                return dict(first)
            self._mirror.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._mirror, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                self._require_beginning(descriptor, offset, first)
                status = self._copy(stream, descriptor, offset)
                stream.drain()
                return status
            finally:
                os.close(descriptor)

    def _copy(self, stream: Stream, descriptor: int, offset: int) -> dict[str, Any]:
        while True:
            kind, payload = self._read_frame(stream)
            if kind == b"L":
                # Written at its place, not appended: another follower of the same mirror writes the same bytes there.
                _write_all(descriptor, payload, offset)
                offset += len(payload)
                self._on_bytes(payload)
            elif json.loads(payload).get("final"):
                return dict(json.loads(payload))

    def _read_frame(self, stream: Stream) -> tuple[bytes, bytes]:
        head = stream.read_exactly(5)
        kind, size = struct.unpack(">cI", head)
        if kind not in (b"J", b"L"):
            raise RemoteError(f"The host says {head!r} where news of the job were due.", hint=LOGIN_SHELL_HINT)
        payload = stream.read_exactly(size)
        self.last_contact = time.monotonic()
        return kind, payload

    def _require_beginning(self, descriptor: int, offset: int, first: dict[str, Any]) -> None:
        """Raise JobError unless the mirror is the beginning of the log.

        A host that lost power may have less of the log than we do; that is no loss once the job has ended.
        """
        position = first["position"]
        begin = max(0, position - COMPARED_BYTES)
        ours = hashlib.sha256(os.pread(descriptor, position - begin, begin)).hexdigest()
        is_shorter = position < offset and first["state"] in ("PENDING", "RUNNING")
        if ours != first["sha256"] or is_shorter:
            raise JobError(
                f"{self._mirror} is not the beginning of the log of job {self._job}.",
                hint=f"mv '{self._mirror}' '{self._mirror}.old', then run the command again.",
            )


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written
