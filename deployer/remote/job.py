"""Jobs on a host: start one detached, follow its log, cancel it. A job outlives the client, and the client's network.

The host's half is agents/jobs; docs/architecture.md §1 describes the job directory between the two.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from deployer.errors import HostUnreachable, JobError, NotDeployed, RemoteError
from deployer.remote.agent import prepare
from deployer.remote.follow import Follower
from deployer.remote.ssh import Connection, Host

DIRECTORY = "~/.deployer/jobs"


class JobState(StrEnum):
    """Where a job stands; LOST is one whose end nobody saw: its host was rebooted or its supervisor killed."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    PREEMPTED = "PREEMPTED"
    LOST = "LOST"

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended for good."""
        return self not in (JobState.PENDING, JobState.RUNNING)


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What runs on the host, in `cwd`, with `environment` on top of the host's own.

    A leading "~/" in `cwd`, a word of `argv` or a value of `environment` is the home folder on the host. DEPLOYER_JOB,
    DEPLOYER_JOB_DIR and PYTHONUNBUFFERED are set for every job.
    """

    argv: tuple[str, ...]
    cwd: str = "~"
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """How a job is. Times are Unix seconds on the host's clock; a job killed by signal N has returncode 128 + N."""

    job: str
    state: JobState
    returncode: int | None
    started: float | None
    ended: float | None
    log_bytes: int
    reason: str


class Jobs:
    """The jobs of one host. Opens its own connection when first needed, and again when it broke; `with` closes it."""

    def __init__(self, host: Host, *, timeout_seconds: float = 10) -> None:
        self.host = host
        self._connection = Connection(host, timeout_seconds=timeout_seconds)

    def __enter__(self) -> Jobs:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; jobs go on."""
        self._connection.close()

    def start(self, job: str, spec: JobSpec) -> JobStatus:
        """Start `job` detached and return its status; a job of that id that was started before is left as it is.

        Raises JobError when another job runs, or still runs without its supervisor: a host runs one job at a time.
        """
        request = {"argv": list(spec.argv), "cwd": spec.cwd, "env": dict(spec.environment), "submitted": time.time()}
        return _read_status(self._ask("start", job, input=json.dumps(request).encode()))

    def status(self, job: str) -> JobStatus:
        """Return how `job` is. Raises NotDeployed for a job that this host does not know."""
        return _read_status(self._ask("status", job))

    def list(self) -> list[JobStatus]:
        """Return all jobs of the host, oldest id first."""
        return [_read_status(status) for status in self._ask("list")]

    def cancel(self, job: str, *, grace_seconds: float = 30) -> JobStatus:
        """Interrupt `job` (SIGINT), kill what is left after `grace_seconds`, and return its status after the end.

        Works on a job that lost its supervisor, too. A job that has ended is left as it is.
        """
        return _read_status(self._ask("cancel", job, str(grace_seconds)))

    def follow(
        self,
        job: str,
        mirror: Path,
        on_bytes: Callable[[bytes], None],
        *,
        give_up_seconds: float = 300,
        on_reconnect: Callable[[str], None] | None = None,
    ) -> JobStatus:
        """Append the job's log to `mirror` as it is written, hand each new piece to `on_bytes`, and return the end.

        1. The size of `mirror` is where reading goes on, now and after a crash of this program: no byte is lost or
           repeated in it. Two followers of one mirror do not disturb each other.
        2. A connection that drops, or is silent for 15 s, is opened again (`on_reconnect` gets the reason).
        3. Pieces are raw: carriage returns of progress bars are preserved, a character may be cut in two.
        4. The status is returned when the job has ended and all of its log is in `mirror`.
        5. Stopping, by an exception in `on_bytes` or Ctrl-C, never stops the job.

        Raises HostUnreachable after `give_up_seconds` without a word from the host, JobError when `mirror` is not the
        beginning of this job's log.
        """
        follower = Follower(self._connection, job, mirror, on_bytes)
        last_contact = time.monotonic()
        attempt = 0
        while True:
            try:
                self._connection.connect()
                return _read_status(_checked(follower.follow_once(), self.host))
            except HostUnreachable as error:
                self._connection.close()
                if follower.last_contact > last_contact:
                    last_contact, attempt = follower.last_contact, 0
                silent = time.monotonic() - last_contact
                if silent > give_up_seconds:
                    raise HostUnreachable(
                        f"{self.host} has not answered for {silent:.0f} s. {error.message}",
                        hint=f"The job may still run: `deployer logs -f {job}` follows it again.",
                    ) from error
                if on_reconnect:
                    on_reconnect(error.message)
                time.sleep(min(5.0, 0.2 * 2**attempt, give_up_seconds))
                attempt += 1

    def _ask(self, verb: str, *arguments: str, input: bytes = b"") -> Any:  # noqa: A002
        self._connection.connect()
        answer = self._connection.run(prepare(self._connection, "jobs", verb, *arguments), input=input)
        try:
            # Its last line: what a login shell prints on the way in is not the answer.
            return _checked(json.loads(answer.text.rpartition("\n")[2]), self.host)
        except ValueError as error:
            raise RemoteError(f"{self.host} gave an answer that is not JSON: {answer.text[:200]!r}.") from error


def new_job_id(now: datetime) -> str:
    """Return an id that sorts by time, e.g. 20261121-021530-k3f9."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is read as another
    return f"{now:%Y%m%d-%H%M%S}-" + "".join(secrets.choice(letters) for _ in range(4))


def _checked(answer: Any, host: Host) -> Any:
    """Return the agent's answer, or raise what it refused."""
    refused = answer.get("refused") if isinstance(answer, dict) else None
    if not refused:
        return answer
    job = answer["job"]
    if refused == "unknown":
        known = ", ".join(answer["known"][-5:]) or "none"
        raise NotDeployed(f"{host} has no job {job!r}.", hint=f"Its last jobs: {known}.")
    if refused == "busy":
        raise JobError(
            f"{host} already runs job {job}; it runs one at a time.",
            hint=f"`deployer logs -f {job}` follows it, `deployer cancel {job}` stops it.",
        )
    if refused == "system":
        raise JobError(
            f"{host} cannot take job {job}: {answer['reason']}.", hint="Look there with `deployer ssh -- df -h`."
        )
    if refused == "orphan":
        raise JobError(
            f"The program of job {job} still runs on {host}, although its supervisor died.",
            hint=f"`deployer cancel {job}` stops it.",
        )
    raise JobError(f"{job!r} cannot be the id of a job: letters, digits, '.', '_' and '-' only, 100 at most.")


def _read_status(answer: Mapping[str, Any]) -> JobStatus:
    return JobStatus(
        job=answer["job"],
        state=JobState(answer["state"]),
        returncode=answer["returncode"],
        started=answer["started"],
        ended=answer["ended"],
        log_bytes=answer.get("log_bytes", 0),
        reason=answer.get("reason") or "",
    )
