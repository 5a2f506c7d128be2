"""One local cloud per project folder: started once, found again, ended whole.

1. Two starts at once give one local cloud: whoever holds the lock starts it, the other finds it running.
2. A pid file of a process that is gone, or of another program with the same pid, counts as not running.
3. After `stop` nothing is left: no process of any host, no port, no instance, fault or quota.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.errors import LocalCloudError, MissingDependency
from deployer.localcloud.processes import end_host, start_time

START_SECONDS = 90
STOP_SECONDS = 20
PACKAGES = ("asyncssh", "flask", "moto", "yaml")


@dataclass(frozen=True, kw_only=True)
class RunningCloud:
    """A local cloud that runs: its process, where it listens, where its state is."""

    project: Path
    endpoint: str
    pid: int

    @property
    def directory(self) -> Path:
        """Its state: ssh_config, logs, the hosts."""
        return state_directory(self.project)

    def environment(self, *, region: str = "us-east-1") -> dict[str, str]:
        """Return the AWS environment that leads here and nowhere else; the keys are throw-away ones."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "AKIALOCALCLOUD000000",
            "AWS_SECRET_ACCESS_KEY": "local-cloud-no-secret",
            # What the user has for the real AWS must not be mixed in, nor be sent anywhere.
            "AWS_SESSION_TOKEN": "local-cloud-no-session",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def unset(self, present: Mapping[str, str] = os.environ) -> list[str]:
        """Return the variables to remove: a profile or an endpoint of one service would lead elsewhere."""
        return sorted(name for name in present if name.startswith("AWS_") and name not in self.environment())

    def configuration(self) -> dict[str, Any]:
        """Return the keys of deployer.toml that make a deployment fit this cloud."""
        return {"ssh_config": str(self.directory / "ssh_config"), "allowed_cidr": "127.0.0.1/32", "allow_cpu": True}

    def to_json(self) -> dict[str, Any]:
        """Return what `deployer local start --json` prints."""
        return {
            "environment": self.environment(),
            "unset": self.unset(),
            "configuration": self.configuration(),
            "endpoint": self.endpoint,
            "pid": self.pid,
        }


def state_directory(project: Path) -> Path:
    """Return where a project's local cloud keeps its state."""
    return project.resolve() / ".deployer" / "local"


def start(project: Path, *, port: int = 0) -> RunningCloud:
    """Start the project's local cloud, or find it running; `port` 0 takes a free one.

    Raises MissingDependency without the extra, LocalCloudError when the port is taken or the process ends at once.
    """
    _require_packages()
    with _locked(project):
        running = find(project)
        if running is not None:
            if port and not running.endpoint.endswith(f":{port}"):
                raise LocalCloudError(
                    f"The local cloud of {project} runs already, at {running.endpoint}.",
                    hint="`deployer local stop` ends it, with all its instances.",
                )
            return running
        _sweep(project)
        if port:
            _require_free(port)
        return _launch(project, port)


def stop(project: Path) -> bool:
    """End the project's local cloud and remove what it kept, its logs excepted; return whether one was running."""
    if not state_directory(project).exists():
        return False
    with _locked(project):
        running = find(project)
        if running is not None:
            _end(running.pid)
        _sweep(project)
    return running is not None


def find(project: Path) -> RunningCloud | None:
    """Return the project's local cloud when its process is alive."""
    try:
        text = (state_directory(project) / "process.json").read_text(encoding="utf-8")
        record = json.loads(text)
        pid, started, endpoint = int(record["pid"]), str(record["started"]), str(record["endpoint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not started or start_time(pid) != started:
        return None
    return RunningCloud(project=project.resolve(), endpoint=endpoint, pid=pid)


def require(project: Path) -> RunningCloud:
    """Return the project's local cloud. Raises LocalCloudError when none runs."""
    running = find(project)
    if running is None:
        raise LocalCloudError(
            f"No local cloud is running for {project.resolve()}.", hint="Start it: deployer local start"
        )
    return running


def _require_packages() -> None:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependency(
            f"The local cloud needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed.",
            hint="Install the extra: pip install 'deployer[local]'",
        )


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise LocalCloudError(
                f"Port {port} of 127.0.0.1 cannot be used: {error}.",
                hint="Leave --port out to take a free one, or name another.",
            ) from error


@contextlib.contextmanager
def _locked(project: Path) -> Iterator[None]:
    directory = state_directory(project)
    with _disk_errors(directory):
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # `parents` would not pass the mode on
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
        lock = (directory / "lock").open("a", encoding="utf-8")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _disk_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise LocalCloudError(
            f"The local cloud cannot write to {directory}: {reason}.", hint="Free some space, or check who owns it."
        ) from error


def _launch(project: Path, port: int) -> RunningCloud:
    directory = state_directory(project)
    log = directory / "server.log"
    with _disk_errors(directory), log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deployer.localcloud.server", str(directory), str(port)],
            cwd=directory,
            env=_process_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        running = find(project)
        if running is not None and running.pid == process.pid:
            # The process is meant to outlive us; without this Popen warns about it.
            process.returncode = 0
            return running
        if process.poll() is not None:
            raise LocalCloudError(
                f"The local cloud ended while starting (exit code {process.returncode}):\n{_last_lines(log)}",
                hint=f"The whole log is {log}.",
            )
        time.sleep(0.05)
    _end(process.pid)
    process.wait()
    raise LocalCloudError(
        f"The local cloud did not start within {START_SECONDS} seconds:\n{_last_lines(log)}",
        hint=f"The whole log is {log}.",
    )


def _process_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for the process: nothing of AWS, of Terraform or of a deployment in it."""
    foreign = ("AWS_", "DEPLOYER_", "MOTO_", "TF_", "BOTO_", "INITIAL_NO_AUTH")
    kept = {name: value for name, value in environment.items() if not name.startswith(foreign)}
    settings = {
        # moto looks each key up in every partition's IAM, and the first look builds seven of them, in a second.
        "MOTO_ACCOUNT_ID": "123456789012",
        "MOTO_DISABLE_GLOBAL_CORS": "true",
        "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
        "MOTO_ENABLE_AMI_VALIDATION": "true",
        "MOTO_ENABLE_KEYPAIR_VALIDATION": "true",
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
        # moto itself makes boto3 sessions to list the regions; they need no credentials, and must find none.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONUNBUFFERED": "1",
    }
    return kept | settings


def _end(pid: int) -> None:
    started = start_time(pid)
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not started or start_time(pid) != started:
                return
            time.sleep(0.02)


def _sweep(project: Path) -> None:
    """Remove what a local cloud leaves behind, that of one which was killed too."""
    directory = state_directory(project)
    hosts = directory / "hosts"
    if hosts.is_dir():
        for host in hosts.iterdir():
            end_host(host.name)
        shutil.rmtree(hosts, ignore_errors=True)
    shutil.rmtree(directory / "images", ignore_errors=True)
    for name in ("process.json", "process.json.new", "ssh_config", "ssh_config.new"):
        (directory / name).unlink(missing_ok=True)


def _last_lines(log: Path, count: int = 15) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "(no log)"
    return "\n".join(f"    {line}" for line in lines[-count:]) or "(the log is empty)"
