"""The process that stays with a job from its start to its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from .processes import kill_members, list_processes, read_boot_id, send_signal
from .store import Json, read_json, write_json

TICK_SECONDS = 0.05
SHUTDOWN_GRACE_SECONDS = 20.0  # a spot instance has two minutes, a systemd service 90 s


def detach(directory: Path, spec: Json, started: int) -> None:
    """Become the supervisor, away from the terminal and the session that started us; never return."""
    os.setsid()
    if os.fork():
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    try:
        supervise(directory, spec, started)
    finally:
        os._exit(0)


def supervise(directory: Path, spec: Json, started: int) -> None:
    """Run the job to its end and write exit.json, the last word."""
    log = os.open(directory / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    # A shell's "&" and nohup leave SIGINT and SIGHUP ignored, and a child inherits that: cancel would then do nothing.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    begin = time.time()
    try:
        process = launch(directory, spec, log)
    except (OSError, ValueError) as error:
        sentence = explain_launch(spec, error)
        with contextlib.suppress(OSError):
            os.write(log, f"deployer: {sentence}\n".encode(errors="backslashreplace"))
        code = 127 if isinstance(error, (FileNotFoundError, NotADirectoryError)) else 126
        ended = {"returncode": code, "started": begin, "ended": begin, "cancelled": False, "reason": sentence}
        write_json(directory / "exit.json", ended)
        return
    shutdowns: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: shutdowns.append(number))
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    leader = list_processes().get(process.pid)
    state = {
        "supervisor": os.getpid(),
        "pid": process.pid,
        "pid_started": leader.started if leader else "",
        "started": begin,
    }
    write_json(directory / "state.json", {**state, "boot_id": read_boot_id()})
    os.close(started)
    stopped = watch(directory, process, shutdowns)
    kill_members(directory)  # a data loader that outlives its parent would keep the GPU
    with contextlib.suppress(OSError):
        os.fsync(log)
    write_json(directory / "exit.json", describe_end(process.returncode, stopped, begin))


def launch(directory: Path, spec: Json, log: int) -> subprocess.Popen[bytes]:
    """Start the job's program in a session of its own; "~/" at the beginning of a value is the home folder."""
    environment = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
    environment.update(PYTHONUNBUFFERED="1", DEPLOYER_JOB=directory.name, DEPLOYER_JOB_DIR=str(directory))
    environment.update({name: expand(value) for name, value in spec.get("env", {}).items()})
    return subprocess.Popen(
        [expand(word) for word in spec["argv"]],
        cwd=expand(spec.get("cwd", "~")),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def watch(directory: Path, process: subprocess.Popen[bytes], shutdowns: list[int]) -> str:
    """Wait for the end of the job, stopping it when asked; return "cancelled", "preempted" or ""."""
    stopped, deadline = "", 0.0
    while process.poll() is None:
        request = None if stopped else read_json(directory / "cancel.json")
        if request is not None:
            stopped, deadline = "cancelled", time.monotonic() + float(request.get("grace_seconds", 30))
            send_signal(directory, signal.SIGINT)
        elif shutdowns and not stopped:
            stopped, deadline = "preempted", time.monotonic() + SHUTDOWN_GRACE_SECONDS
            send_signal(directory, signal.SIGTERM)
        elif stopped and time.monotonic() > deadline:
            kill_members(directory)
        time.sleep(TICK_SECONDS)
    return stopped


def describe_end(code: int, stopped: str, begin: float) -> Json:
    """Return the exit.json of a program that has ended; as for a shell, signal N is exit code 128 + N."""
    ended: Json = {"returncode": code, "started": begin, "ended": time.time(), "cancelled": stopped == "cancelled"}
    if stopped == "preempted":
        ended["preempted"] = True
    if code < 0:
        ended["returncode"] = 128 - code
        name = next((known.name for known in signal.Signals if known == -code), f"signal {-code}")
        if not stopped:
            ended["reason"] = f"killed by {name}" + (" (out of memory?)" if code == -signal.SIGKILL else "")
    return ended


def explain_launch(spec: Json, error: Exception) -> str:
    """Say in one sentence why the job's program could not be started."""
    program, folder = spec["argv"][0], spec.get("cwd", "~")
    if not Path(expand(folder)).is_dir():
        return f"the folder {folder} does not exist on this host."
    if isinstance(error, FileNotFoundError):
        return f"{program}: no such program on this host."
    return f"{program} cannot be started: {getattr(error, 'strerror', None) or error}."


def expand(value: str) -> str:
    """Return `value` with the home folder in place of a leading "~"."""
    return str(Path.home()) + value[1:] if value == "~" or value.startswith("~/") else value
