"""Jobs after their start: watch, list, cancel, bring home."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from deployer import artifacts
from deployer.aws import ec2
from deployer.aws.session import Session
from deployer.config import Config
from deployer.deployment import record as records
from deployer.deployment.record import Record
from deployer.deployment.reporter import Reporter
from deployer.errors import HostUnreachable, JobError, NotDeployed
from deployer.remote import ssh
from deployer.remote.host import Host
from deployer.remote.job import Jobs, JobStatus


@dataclass(frozen=True, kw_only=True)
class Status:
    """A deployment now: its instances as AWS has them, its jobs as the host has them."""

    record: Record
    instances: tuple[ec2.Instance, ...]
    jobs: tuple[JobStatus, ...]
    hours: float
    usd_so_far: float | None
    hours_left: float
    problem: str = ""

    @property
    def is_running(self) -> bool:
        """Say whether any of its instances runs."""
        return any(item.state == "running" for item in self.instances)


def status(config: Config, session: Session) -> Status:
    """Ask AWS for the instances and the first node for its jobs."""
    record = records.read(config)
    known = {node.instance_id for node in record.nodes}
    instances = tuple(item for item in ec2.instances(session, config.name) if item.id in known)
    jobs: tuple[JobStatus, ...] = ()
    problem = ""
    if any(item.state == "running" for item in instances):
        try:
            with Jobs(records.host(config, record, record.nodes[0])) as host:
                jobs = tuple(host.list())
        except HostUnreachable as error:
            problem = str(error)
    else:
        problem = (
            "No instance runs any more: it was stopped or terminated from elsewhere, or its max_hours have passed. "
            "`deployer up` launches a new one, `deployer down` removes what is left."
        )
    hours = max(time.time() - record.created, 0) / 3600
    return Status(
        record=record,
        instances=instances,
        jobs=jobs,
        hours=hours,
        usd_so_far=None if record.usd_per_hour is None else hours * record.usd_per_hour,
        hours_left=max(record.max_hours - hours, 0),
        problem=problem,
    )


def choose(jobs: Jobs, wanted: str = "") -> JobStatus:
    """Return the job named, or the latest one. Raises NotDeployed naming what there is."""
    known = sorted(jobs.list(), key=lambda item: item.job)
    if not known:
        raise NotDeployed("No job has been started on this deployment.", hint="Run `deployer train`.")
    if not wanted:
        return known[-1]
    for item in known:
        if item.job == wanted:
            return item
    raise NotDeployed(f"There is no job {wanted!r}; there are: {', '.join(item.job for item in known)}.")


def refuse_if_busy(jobs: Jobs) -> None:
    """Raise JobError where a job runs: its code and images must not change under it."""
    for item in jobs.list():
        if not item.state.is_terminal:
            raise JobError(
                f"{jobs.host} already runs job {item.job}; it runs one at a time.",
                hint=f"`deployer logs -f {item.job}` follows it, `deployer cancel {item.job}` stops it.",
            )


def follow_job(jobs: Jobs, job: str, folder: Path, reporter: Reporter) -> JobStatus | None:
    """Show the job's log until it has ended; None after Ctrl-C, which leaves the job alone."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return jobs.follow(
            job, folder / "log", reporter.output, on_reconnect=lambda reason: reporter.warn(f"Reconnecting: {reason}")
        )
    except KeyboardInterrupt:
        return None


def logs(config: Config, wanted: str, reporter: Reporter, *, follow: bool) -> JobStatus | None:
    """Show a job's log from its beginning, and with `follow` until the job ends; None where Ctrl-C ended the look."""
    with Jobs(_first(config)) as jobs:
        chosen = choose(jobs, wanted)
        mirror = config.runs_directory / chosen.job / "log"
        seen = mirror.read_bytes() if mirror.exists() else b""
        reporter.output(seen)
        if follow or chosen.state.is_terminal:
            return follow_job(jobs, chosen.job, mirror.parent, reporter)
    # From what was shown, not from the mirror's size: another `logs -f` may be writing to it.
    with ssh.Connection(jobs.host) as connection:
        reporter.output(connection.run(f"tail -c +{len(seen) + 1} .deployer/jobs/{chosen.job}/log").stdout)
    return chosen


def fetch(config: Config, wanted: str, reporter: Reporter) -> tuple[JobStatus, Path, tuple[Path, ...]]:
    """Bring the results of a job home; what is here already is not sent again."""
    host = _first(config)
    with Jobs(host) as jobs:
        chosen = choose(jobs, wanted)
    folder = config.runs_directory / chosen.job
    with reporter.step(f"Bringing {chosen.job} home") as step, ssh.Connection(host) as connection:
        files = artifacts.fetch(
            connection, chosen.job, into=folder, on_progress=lambda done, total: step.progress(done, total, "bytes")
        )
    return chosen, folder, tuple(files)


def cancel(config: Config, wanted: str, reporter: Reporter, *, grace_seconds: float) -> JobStatus:
    """Stop a job: SIGINT, so that it can save a checkpoint, then SIGKILL after the grace; return how it ended."""
    with Jobs(_first(config)) as jobs:
        chosen = choose(jobs, wanted)
        if chosen.state.is_terminal:
            return chosen
        with reporter.step(f"Cancelling {chosen.job}"):
            return jobs.cancel(chosen.job, grace_seconds=grace_seconds)


def _first(config: Config) -> Host:
    """Return the node that the jobs run on."""
    record = records.read(config)
    return records.host(config, record, record.nodes[0])
