"""The frames that agents/files.py speaks, on this side."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

from deployer.errors import RemoteError
from deployer.remote.agent import LOGIN_SHELL_HINT, prepare
from deployer.remote.ssh import Connection

PIECE_BYTES = 1 << 18
BUFFER_BYTES = 1 << 17
SILENCE_SECONDS = 120.0


class Frames:
    """A conversation with the files agent, open as long as its `with` block."""

    def __init__(self, connection: Connection, verb: str) -> None:
        self.bytes_sent = 0
        self._host = connection.host
        self._stream = connection.open(prepare(connection, "files", verb), silence_seconds=SILENCE_SECONDS)
        self._buffer = bytearray()

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:  # let the agent end in peace: it holds the lock of its folder until then
                self._stream.drain()
        finally:
            self._stream.close()

    def write_json(self, value: Any) -> None:
        """Send JSON, and all that was kept back before it for company."""
        self._write(b"J", zlib.compress(json.dumps(value).encode(), 6))

    def write_piece(self, piece: bytes) -> None:
        """Send a piece of a file, compressed where that helps."""
        packed = zlib.compress(piece, 1)
        if len(packed) < len(piece):
            self._write(b"Z", packed)
        else:
            self._write(b"D", piece)

    def flush(self) -> None:
        """Send what was kept back. Raises RemoteError with the agent's reason when it has stopped reading."""
        data, self._buffer = bytes(self._buffer), bytearray()
        try:
            self._stream.write(data)
        except BrokenPipeError as error:
            self.read_json()  # raises what the agent said last
            raise RemoteError(f"{self._host} stopped reading in the middle.") from error
        self.bytes_sent += len(data)

    def read(self) -> tuple[bytes, bytes]:
        """Return kind and payload of the next frame. Raises RemoteError when it is the agent's last word, an error."""
        head = self._stream.read_exactly(5)
        kind, size = struct.unpack(">cI", head)
        if kind not in (b"J", b"D", b"Z"):
            raise RemoteError(f"{self._host} says {head!r} where a file or an answer was due.", hint=LOGIN_SHELL_HINT)
        payload = self._stream.read_exactly(size)
        if kind == b"Z":
            return b"D", zlib.decompress(payload)
        if kind == b"J":
            payload = zlib.decompress(payload)
            self._raise_error(json.loads(payload))
        return kind, payload

    def read_json(self) -> Any:
        """Return the next frame, which must be JSON."""
        kind, payload = self.read()
        if kind != b"J":
            raise RemoteError(f"{self._host} sent a piece of a file where an answer was due.")
        return json.loads(payload)

    def _write(self, kind: bytes, payload: bytes) -> None:
        self._buffer += struct.pack(">cI", kind, len(payload)) + payload
        if len(self._buffer) >= BUFFER_BYTES:
            self.flush()

    def _raise_error(self, value: Any) -> None:
        if isinstance(value, dict) and "error" in value:
            where = f"{value['path']} on {self._host}" if value["path"] else str(self._host)
            hint = "Free some space there (`deployer ssh -- df -h`) and run the command again; what arrived is kept."
            raise RemoteError(f"{where}: {value['error']}.", hint=hint if "full" in value["error"] else "")
