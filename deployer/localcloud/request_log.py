"""One line for each call to AWS, in requests.log: when, how long, which, how it ended. No bodies, no credentials."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from deployer.localcloud.wire import Request


class RequestLog:
    """The log file; lines of several threads do not mix."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)

    def write(self, began: float, request: Request, status: str, *, is_again: bool = False) -> None:
        """Add the line of a call that began at `began` (Unix seconds); `is_again` when it was answered before."""
        when = datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        milliseconds = (time.time() - began) * 1000
        action = request.action.replace("\n", " ")
        code = status.split(" ")[0] + (" (sent again)" if is_again else "")
        line = f"{when} {milliseconds:8.1f} ms  {request.service} {request.region} {action} {code}\n"
        # A full disk costs a line, not the answer: AWS's clients would repeat the call for half an hour.
        with self._lock, contextlib.suppress(OSError):
            os.write(self._descriptor, line.encode())
