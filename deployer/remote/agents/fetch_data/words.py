"""What the client reads: one JSON line for each event."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

PROGRESS_SECONDS = 0.5


class Problem(Exception):
    """What the user is told; `kind` is aws, data or disk."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Progress:
    """Says how far it is, at most twice a second."""

    def __init__(self, total_files: int, files: int, total_bytes: int) -> None:
        self.total_files, self.files = total_files, files
        self.total_bytes, self.bytes = total_bytes, 0
        self._said = 0.0
        self._lock = threading.Lock()

    def add(self, files: int, size: int) -> None:
        with self._lock:
            self.files += files
            self.bytes += size
            if time.monotonic() - self._said >= PROGRESS_SECONDS:
                self._said = time.monotonic()
                facts = {"files": self.files, "total_files": self.total_files}
                say("progress", **facts, bytes=self.bytes, total_bytes=self.total_bytes)


def say(event: str, **facts: Any) -> None:
    print(json.dumps({"event": event, **facts}), flush=True)
