"""The standard streams of one command on a host."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.errors import HostUnreachable, RemoteError

if TYPE_CHECKING:
    import paramiko

BLOCK_BYTES = 1 << 17
STDERR_KEPT_BYTES = 1 << 20
KILLED = -1  # paramiko: the channel closed without an exit status
COMMAND_NOT_FOUND = 127  # POSIX: the shell found no such program


@dataclass(frozen=True)
class Completed:
    """A command that has ended; -1 stands for one that a signal killed."""

    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """The standard output as text, without the white space around it."""
        return self.stdout.decode(errors="replace").strip()


class Stream:
    """A running command: write to it, read from it, then `finish`; leaving `with` closes the channel.

    Standard error is read all the while, so that a chatty command never blocks.
    """

    def __init__(
        self, channel: paramiko.Channel, *, host: str, command: str, silence_seconds: float | None = None
    ) -> None:
        self._channel = channel
        self._host = host
        self._command = command
        self._expired_after: float | None = None
        self._stderr = bytearray()
        self._silence_seconds = silence_seconds
        channel.settimeout(silence_seconds)
        self._reader = threading.Thread(target=self._read_stderr, daemon=True)
        self._reader.start()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel; a command that still runs sees its standard streams end."""
        self._close_channel()
        self._reader.join(timeout=5)

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        """Return what has come, at most `size` bytes; b"" at the end."""
        try:
            return self._channel.recv(size)
        except TimeoutError as error:
            raise HostUnreachable(f"{self._host} has been silent for {self._silence_seconds} s.") from error
        except (OSError, EOFError) as error:  # reading writes too: it tells the host how much more may come
            raise HostUnreachable(f"The connection to {self._host} was lost.") from error

    def read_exactly(self, size: int) -> bytes:
        """Return `size` bytes; raise RemoteError or HostUnreachable when the command ends before."""
        parts, missing = [], size
        while missing:
            part = self.read(min(missing, BLOCK_BYTES))
            if not part:
                if self.finish(check=False).returncode == KILLED:
                    raise HostUnreachable(f"{self._host} ended `{self._shown()}` before it had answered.")
                self.finish()
                raise RemoteError(f"{self._host} stopped in the middle of an answer.")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of standard output as they come, without their line ends."""
        rest = b""
        while block := self.read():
            *whole, rest = (rest + block).split(b"\n")
            yield from whole
        if rest:
            yield rest

    def write(self, data: bytes) -> None:
        """Send `data` to the command; raise BrokenPipeError when it no longer reads."""
        try:
            self._channel.sendall(data)
        except (OSError, EOFError) as error:
            raise BrokenPipeError(f"{self._host} no longer reads.") from error

    def close_input(self) -> None:
        """Let the command see the end of its standard input."""
        try:
            self._channel.shutdown_write()
        except (OSError, EOFError) as error:
            raise BrokenPipeError(f"{self._host} no longer reads.") from error

    def drain(self) -> None:
        """Let the command see the end of its input, and wait for its own end."""
        with contextlib.suppress(BrokenPipeError):
            self.close_input()
        while self.read():
            pass
        self.finish(check=False)

    def communicate(self, data: bytes, *, timeout_seconds: float | None, check: bool = True) -> Completed:
        """Send `data`, read everything, wait for the end."""
        timer = threading.Timer(timeout_seconds, self._expire, [timeout_seconds]) if timeout_seconds else None
        feeder = threading.Thread(target=self._feed, args=[data], daemon=True)
        feeder.start()
        if timer:
            timer.daemon = True
            timer.start()
        try:
            output = b"".join(iter(self.read, b""))
            return self.finish(output, check=check)
        finally:
            if timer:
                timer.cancel()
            self._close_channel()
            feeder.join(timeout=5)

    def finish(self, stdout: bytes = b"", *, check: bool = True) -> Completed:
        """Wait for the end of the command; with `check`, raise RemoteError with its last words when it failed."""
        returncode = self._channel.recv_exit_status()
        self._reader.join(timeout=5)
        transport = self._channel.get_transport()
        if self._expired_after is not None:
            raise RemoteError(f"On {self._host}, `{self._shown()}` did not end within {self._expired_after:g} s.")
        if returncode == KILLED and not transport.is_active():
            raise HostUnreachable(f"The connection to {self._host} was lost.")
        completed = Completed(returncode, stdout, bytes(self._stderr))
        if check and returncode != 0:
            raise RemoteError(self._describe_failure(completed))
        return completed

    def _read_stderr(self) -> None:
        while True:
            try:
                block = self._channel.recv_stderr(BLOCK_BYTES)
            except TimeoutError:
                continue
            except (OSError, EOFError):
                return
            if not block:
                return
            self._stderr += block
            del self._stderr[:-STDERR_KEPT_BYTES]

    def _feed(self, data: bytes) -> None:
        try:
            if data:
                self.write(data)
            self.close_input()
        except BrokenPipeError:
            pass  # as in a shell's pipe: a command need not read its input

    def _expire(self, seconds: float) -> None:
        self._expired_after = seconds
        self._close_channel()

    def _close_channel(self) -> None:
        with contextlib.suppress(OSError, EOFError):  # a connection that is lost is closed
            self._channel.close()

    def _describe_failure(self, completed: Completed) -> str:
        last = [line for line in completed.stderr.decode(errors="replace").splitlines() if line.strip()][-5:]
        said = ": " + "\n".join(last) if last else "."
        how = (
            "was killed by a signal"
            if completed.returncode == KILLED
            else f"ended with exit code {completed.returncode}"
        )
        if completed.returncode == COMMAND_NOT_FOUND and not last:
            how = "was not found"
        return f"On {self._host}, `{self._shown()}` {how}{said}"

    def _shown(self) -> str:
        return self._command if len(self._command) <= 120 else self._command[:117] + "..."
