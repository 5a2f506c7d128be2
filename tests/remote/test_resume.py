"""A job that goes on from what an earlier one left, on a real host."""

from __future__ import annotations

from pathlib import Path

from deployer.deployment.train import continue_from
from deployer.remote.job import Jobs, JobSpec, JobState

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
