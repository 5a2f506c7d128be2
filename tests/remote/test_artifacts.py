"""Results home from a real SSH host; here rather than above, for the host is what the tests need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deployer import artifacts
from deployer.errors import DeployerError, NotDeployed
from deployer.remote.ssh import Connection

JOB = "20261121-021530-abcd"


@pytest.fixture
def job(remote: Any) -> Path:
    """A job that has ended, with two artifacts and a checkpoint."""
    folder: Path = remote.jobs / JOB
    for name, content in {
        "artifacts/model.pt": "weights",
        "artifacts/plots/curve.svg": "<svg/>",
        "checkpoints/last.pt": "checkpoint",
        "log": "epoch 1\nepoch 2\n",
        "exit.json": json.dumps({"returncode": 3, "started": 1.0, "ended": 2.0, "cancelled": False}),
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "runs" / JOB


def listing(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_fetch_brings_artifacts_and_log_into_one_folder(connection: Connection, job: Path, into: Path) -> None:
    seen: list[tuple[int, int]] = []

    files = artifacts.fetch(connection, JOB, into=into, on_progress=lambda done, total: seen.append((done, total)))

    assert {path.relative_to(into).as_posix() for path in files} == {"log", "model.pt", "plots/curve.svg"}
    assert listing(into) == {"log", "model.pt", "plots/curve.svg", "job.json"}
    assert (into / "model.pt").read_text() == "weights"
    assert (into / "log").read_text() == "epoch 1\nepoch 2\n"
    assert seen[-1] == (13, 13)


def test_fetch_brings_checkpoints_where_asked(connection: Connection, job: Path, into: Path) -> None:
    artifacts.fetch(connection, JOB, into=into, checkpoints=True)

    assert (into / "checkpoints" / "last.pt").read_text() == "checkpoint"


def test_fetch_remembers_how_the_job_ended(connection: Connection, job: Path, into: Path) -> None:
    before = artifacts.is_fetched(into)
    artifacts.fetch(connection, JOB, into=into)

    record = artifacts.JobRecord(job=JOB, host="demo-0", returncode=3, fetched=True)
    assert (before, artifacts.is_fetched(into)) == (False, True)
    assert artifacts.read_record(into) == record


def test_fetch_of_a_running_job_is_not_the_last_one(connection: Connection, job: Path, into: Path) -> None:
    end = (job / "exit.json").read_text()
    (job / "exit.json").unlink()
    artifacts.fetch(connection, JOB, into=into)
    while_running = artifacts.is_fetched(into)
    (job / "artifacts" / "metrics.json").write_text("{}")
    with (job / "log").open("a") as log:
        log.write("epoch 3\n")
    (job / "exit.json").write_text(end)

    artifacts.fetch(connection, JOB, into=into)

    assert (while_running, artifacts.is_fetched(into)) == (False, True)
    assert (into / "metrics.json").exists()
    assert (into / "log").read_text() == "epoch 1\nepoch 2\nepoch 3\n"


def test_fetch_goes_on_with_a_log_that_is_half_here(connection: Connection, job: Path, into: Path) -> None:
    into.mkdir(parents=True)
    (into / "log").write_text("epoch 1\nepo")

    artifacts.fetch(connection, JOB, into=into)

    assert (into / "log").read_text() == "epoch 1\nepoch 2\n"


def test_fetch_lets_no_artifact_replace_our_own_files(connection: Connection, job: Path, into: Path) -> None:
    (job / "artifacts" / "job.json").write_text("forged")
    (job / "artifacts" / "log").write_text("forged")

    artifacts.fetch(connection, JOB, into=into)

    assert artifacts.is_fetched(into)
    assert (into / "log").read_text().startswith("epoch 1")


def test_fetch_of_an_unknown_job_says_where_the_jobs_are_listed(connection: Connection, into: Path) -> None:
    with pytest.raises(NotDeployed, match="no job nothing; here on demo-0") as caught:
        artifacts.fetch(connection, "nothing; here", into=into)

    assert "deployer status" in caught.value.hint
    assert not into.exists()


@pytest.mark.parametrize("in_the_way", ["", "log", "plots"])
def test_fetch_that_cannot_write_says_where(connection: Connection, job: Path, into: Path, in_the_way: str) -> None:
    # A file where a folder must be, or the reverse: what even root cannot write to.
    blocked = into / in_the_way
    if in_the_way == "log":
        blocked.mkdir(parents=True)
    else:
        blocked.parent.mkdir(parents=True)
        blocked.write_text("in the way")

    with pytest.raises(DeployerError, match="cannot be written") as caught:
        artifacts.fetch(connection, JOB, into=into)

    assert str(into) in caught.value.message
    assert "run" in caught.value.hint
    assert not artifacts.is_fetched(into)
    assert not list(into.rglob("*.part")) if into.is_dir() else True


def test_fetch_to_a_full_disk_says_so(connection: Connection, job: Path, into: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    into.mkdir(parents=True)
    (into / "log").symlink_to("/dev/full")

    with pytest.raises(DeployerError, match="cannot be written: No space left on device") as caught:
        artifacts.fetch(connection, JOB, into=into)

    assert f"deployer fetch {JOB}" in caught.value.hint
    assert not artifacts.is_fetched(into)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"job": "x"}'])
def test_record_that_is_damaged_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "job.json").write_text(content)

    assert not artifacts.is_fetched(tmp_path)
