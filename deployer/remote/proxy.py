"""A ProxyCommand as a socket: end of file and timeouts work as on any other, which paramiko's own class lacks."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile


class Proxy:
    """A shell command whose standard streams are the far end of `socket`; `close` ends it."""

    def __init__(self, command: str) -> None:
        self.socket, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        with theirs:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._errors,
                start_new_session=True,  # Ctrl-C in the terminal is ours to handle, not the proxy's to die from
            )

    def read_errors(self) -> str:
        """Return the last lines that the command wrote to stderr."""
        self._errors.seek(0)
        return " ".join(self._errors.read().decode(errors="replace").split("\n")[-4:]).strip()

    def close(self) -> None:
        """End the command and everything it started."""
        self.socket.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._errors.close()
