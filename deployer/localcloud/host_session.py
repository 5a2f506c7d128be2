"""One SSH session on an emulated host: a shell or a command, with a terminal or without, as sshd runs it.

1. The exit status is the command's own, or the signal that ended it.
2. Without a terminal the channel closes when the command has ended and nobody holds its output any more (sshd's rule).
3. When the connection is lost, a terminal hangs up (SIGHUP), and a pipe is closed; what has left the session goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
from asyncio.streams import FlowControlMixin
from collections.abc import Callable
from typing import IO, Any

import asyncssh

from deployer.localcloud.host_files import HostFiles

CHUNK_BYTES = 256 * 1024

# Debian's sshd_config: AcceptEnv LANG LC_*
ACCEPTED_VARIABLES = ("LANG", "LC_")

# The session's leader opens the terminal by its name, which makes it the controlling one; a function run between
# fork and exec could do the same, but not safely in a process with threads.
_TAKE_TERMINAL = 'terminal=$0; exec <>"$terminal" >&0 2>&0; exec "$@"'


async def run_session(process: asyncssh.SSHServerProcess[bytes], files: HostFiles, sessions: set[int]) -> None:
    """Run what the client asked for, and report how it ended; `sessions` holds the leader's pid while it runs."""
    run = _run_in_terminal if process.term_type else _run_in_pipes
    try:
        code = await run(process, files, sessions)
    except OSError as error:
        process.stderr.write(f"{error}\n".encode())
        code = 126
    with contextlib.suppress(OSError, asyncssh.Error):
        if code < 0:
            process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
        else:
            process.exit(code)


async def _run_in_pipes(process: asyncssh.SSHServerProcess[bytes], files: HostFiles, sessions: set[int]) -> int:
    pipe = subprocess.PIPE
    child = _start(_command(process, files), _environment(process, files), files, pipe, pipe, pipe)
    if child.stdin is None or child.stdout is None or child.stderr is None:
        raise OSError("a pipe is missing")  # cannot be: Popen was given three; it tells the type checker
    ended = _watch(child, sessions)
    feeding = asyncio.create_task(_copy_in(process, child, child.stdin, terminal=None))
    whole = asyncio.gather(ended, _copy_out(child.stdout, process.stdout), _copy_out(child.stderr, process.stderr))
    return await _first_end(process, whole, feeding, code=lambda: child.returncode)


async def _run_in_terminal(process: asyncssh.SSHServerProcess[bytes], files: HostFiles, sessions: set[int]) -> int:
    terminal, other_side = pty.openpty()
    try:
        _resize(terminal, process.term_size)
        environment = _environment(process, files) | {
            "SSH_TTY": os.ttyname(other_side),
            "TERM": process.term_type or "",
        }
        command = ["/bin/sh", "-c", _TAKE_TERMINAL, os.ttyname(other_side), *_command(process, files)]
        child = _start(command, environment, files, other_side, other_side, other_side)
    except BaseException:
        os.close(terminal)
        raise
    finally:
        os.close(other_side)
    ended = _watch(child, sessions)
    sink = os.fdopen(os.dup(terminal), "wb", buffering=0)
    feeding = asyncio.create_task(_copy_in(process, child, sink, terminal=terminal))
    source = os.fdopen(terminal, "rb", buffering=0)
    whole = asyncio.ensure_future(_until_terminal_ends(ended, source, process.stdout))
    return await _first_end(process, whole, feeding, code=lambda: child.returncode)


async def _until_terminal_ends(ended: asyncio.Future[None], source: IO[bytes], sink: Any) -> None:
    reading = asyncio.create_task(_copy_out(source, sink))
    try:
        await ended
        # What the command has written is still to be read; what it left in the background may keep the terminal.
        await asyncio.wait({reading}, timeout=0.5)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _first_end(
    process: asyncssh.SSHServerProcess[bytes],
    whole: asyncio.Future[Any],
    feeding: asyncio.Task[None],
    *,
    code: Callable[[], int | None],
) -> int:
    """Wait until the command is through or the client is gone, and return the exit code."""
    gone = asyncio.ensure_future(process.channel.wait_closed())
    try:
        await asyncio.wait({whole, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (whole, gone, feeding):
            task.cancel()
        await asyncio.gather(whole, gone, feeding, return_exceptions=True)
    return code() or 0


def _command(process: asyncssh.SSHServerProcess[bytes], files: HostFiles) -> list[str]:
    return [files.shell, "-l"] if process.command is None else [files.shell, "-c", process.command]


def _environment(process: asyncssh.SSHServerProcess[bytes], files: HostFiles) -> dict[str, str]:
    sent = {name: value for name, value in process.env.items() if name.startswith(ACCEPTED_VARIABLES)}
    address, port = process.get_extra_info("peername")[:2]
    own_address, own_port = process.get_extra_info("sockname")[:2]
    connection = {
        "SSH_CLIENT": f"{address} {port} {own_port}",
        "SSH_CONNECTION": f"{address} {port} {own_address} {own_port}",
    }
    return files.environment() | sent | connection


def _start(
    command: list[str], environment: dict[str, str], files: HostFiles, stdin: int, stdout: int, stderr: int
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=files.home,
        env=environment,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        bufsize=0,
        start_new_session=True,
    )


def _watch(child: subprocess.Popen[bytes], sessions: set[int]) -> asyncio.Future[None]:
    """Return a future that is done when the child has ended; its pid is in `sessions` until then."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    sessions.add(child.pid)

    def note() -> None:
        sessions.discard(child.pid)
        if not ended.done():
            ended.set_result(None)

    def wait() -> None:
        child.wait()
        with contextlib.suppress(RuntimeError):  # the local cloud has ended, and its loop with it
            loop.call_soon_threadsafe(note)

    threading.Thread(target=wait, name=f"session-{child.pid}", daemon=True).start()
    return ended


async def _copy_out(source: IO[bytes], sink: Any) -> None:
    reader = asyncio.StreamReader(limit=CHUNK_BYTES)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), source
    )
    try:
        while data := await reader.read(CHUNK_BYTES):
            sink.write(data)
            await sink.drain()
    except (OSError, asyncssh.Error):
        # A terminal whose other side is closed says EIO, a client that is gone ConnectionLost: both are the end.
        return
    finally:
        transport.close()


async def _copy_in(
    process: asyncssh.SSHServerProcess[bytes], child: subprocess.Popen[bytes], sink: IO[bytes], *, terminal: int | None
) -> None:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(lambda: FlowControlMixin(loop=loop), sink)
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    try:
        while data := await _next_input(process, child, terminal):
            writer.write(data)
            await writer.drain()
        if terminal is not None:
            writer.write(b"\x04")  # the end of the input is ^D on a terminal; closing it would hang up
            await writer.drain()
    except (OSError, asyncssh.Error):
        return
    finally:
        writer.close()


async def _next_input(
    process: asyncssh.SSHServerProcess[bytes], child: subprocess.Popen[bytes], terminal: int | None
) -> bytes:
    """Return what the client typed next, empty at the end; resizes and signals on the way are carried out."""
    while True:
        try:
            return await process.stdin.read(CHUNK_BYTES)
        except asyncssh.TerminalSizeChanged as change:
            if terminal is not None:
                _resize(terminal, (change.width, change.height, change.pixwidth, change.pixheight))
        except asyncssh.SignalReceived as received:
            number = getattr(signal, f"SIG{received.signal}", None)
            if number is not None and child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, number)
        except asyncssh.BreakReceived:
            continue


def _resize(terminal: int, size: tuple[int, int, int, int]) -> None:
    width, height, pixel_width, pixel_height = size
    packed = struct.pack("HHHH", height or 24, width or 80, pixel_width, pixel_height)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, packed)
