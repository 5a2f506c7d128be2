"""A job that goes on from what an earlier one left, on a real host."""

from __future__ import annotations

from pathlib import Path

from record_examples import RECORD

from deployer.config import Config, TrainConfig
from deployer.deployment.train import continue_from, job_spec, read_arguments
from deployer.remote.job import Jobs, JobSpec, JobState
from deployer.remote.probe import HostFacts
from deployer.remote.ssh import Connection

from .conftest import RemoteHost, follow

WRITE = (
    'cd "$DEPLOYER_JOB_DIR"; mkdir -p checkpoints; echo 3 > checkpoints/last.pt; '
    "echo 1 > artifacts/metrics.jsonl; exit 143"
)


def test_a_resumed_job_finds_checkpoints_and_artifacts_of_the_earlier_one(
    remote: RemoteHost, jobs: Jobs, tmp_path: Path
) -> None:
    jobs.start("j-1", JobSpec(argv=("sh", "-c", WRITE)))
    follow(jobs, "j-1", tmp_path)
    spec = JobSpec(
        argv=(
            "sh",
            "-c",
            'cd "$DEPLOYER_JOB_DIR"; cat checkpoints/last.pt artifacts/metrics.jsonl; echo "$1"',
            "-",
            "ä b",
        )
    )

    jobs.start("j-2", continue_from(spec, "j-1", "j-2"))
    status, shown = follow(jobs, "j-2", tmp_path)

    assert (status.state, shown.decode()) == (JobState.SUCCEEDED, "3\n1\nä b\n")
    assert (remote.jobs / "j-1" / "checkpoints" / "last.pt").exists()


def test_a_job_without_checkpoint_cannot_be_gone_on_with(remote: RemoteHost, jobs: Jobs, tmp_path: Path) -> None:
    jobs.start("j-1", JobSpec(argv=("false",)))
    follow(jobs, "j-1", tmp_path)

    jobs.start("j-2", continue_from(JobSpec(argv=("echo", "ran")), "j-1", "j-2"))
    status, shown = follow(jobs, "j-2", tmp_path)

    assert (status.state, status.returncode) == (JobState.FAILED, 1)
    assert shown.decode() == "Error: job j-1 left no checkpoint to go on from.\n"


def test_a_resumed_job_has_the_arguments_of_the_earlier_one(
    remote: RemoteHost, connection: Connection, jobs: Jobs, tmp_path: Path
) -> None:
    (remote.home / "project").mkdir()
    config = Config(train=TrainConfig(command="echo"))
    typed = ("--preset", "best", "--group-from", r"(.*)\.mp4 \d+")
    facts = HostFacts(python="/usr/bin/python3")

    jobs.start("j-1", job_spec(config, RECORD, facts, None, "j-1", typed))
    follow(jobs, "j-1", tmp_path)
    read = read_arguments(connection, "j-1")
    again = job_spec(config, RECORD, facts, None, "j-2", read, is_resumed=True)

    assert read == typed
    assert again.argv[-1].endswith(r"echo --resume --preset best --group-from '(.*)\.mp4 \d+'")
    assert read_arguments(connection, "of an earlier deployer") == ()
