"""The log of a job on a real host, followed through whatever breaks on the way."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployer.errors import HostUnreachable, JobError
from deployer.remote.job import Jobs, JobSpec, JobState
from deployer.remote.ssh import Host

from .conftest import RemoteHost, follow, run_python, wait_for


def print_lines(count: int, pause: float = 0.001) -> JobSpec:
    """Return a job that prints numbered lines, some time between them."""
    script = f"import time\nfor i in range({count}): print(i, 'x' * (i % 90)); time.sleep({pause})"
    return JobSpec(argv=run_python(script))


def test_follow_keeps_carriage_returns_and_broken_characters(jobs: Jobs, tmp_path: Path) -> None:
    jobs.start("j-1", JobSpec(argv=("printf", r"50%%\r100%%\r\n\377\000ok")))

    _, shown = follow(jobs, "j-1", tmp_path)

    assert shown == b"50%\r100%\r\n\xff\x00ok"
    assert (tmp_path / "log").read_bytes() == shown


def test_follow_resumes_after_broken_connections(jobs: Jobs, remote: RemoteHost, tmp_path: Path) -> None:
    jobs.start("j-1", print_lines(3000))
    reasons: list[str] = []
    pieces: list[bytes] = []
    breaks = iter([500, 20_000, 60_000])
    next_break = next(breaks)

    def break_connections(piece: bytes) -> None:
        nonlocal next_break
        pieces.append(piece)
        if sum(map(len, pieces)) > next_break:
            next_break = next(breaks, 1 << 40)
            remote.kill_sessions()

    status = jobs.follow("j-1", tmp_path / "log", break_connections, on_reconnect=reasons.append)

    log = (remote.jobs / "j-1" / "log").read_bytes()
    assert status.state is JobState.SUCCEEDED
    assert len(log.splitlines()) == 3000
    assert (tmp_path / "log").read_bytes() == log
    assert b"".join(pieces) == log
    assert len(reasons) >= 3


FOLLOWER = """
import sys
from pathlib import Path
from deployer.remote.job import Jobs
from deployer.remote.ssh import Host

host = Host(**{**eval(sys.argv[1]), "identity_file": Path(sys.argv[2]), "known_hosts": Path(sys.argv[3])})
Jobs(host).follow("j-1", Path(sys.argv[4]), lambda piece: None)
"""


def start_follower(host: Host, mirror: Path) -> subprocess.Popen[bytes]:
    plain = {key: value for key, value in vars(host).items() if isinstance(value, str | int)}
    command = [sys.executable, "-c", FOLLOWER, repr(plain), str(host.identity_file), str(host.known_hosts), str(mirror)]
    return subprocess.Popen(command)


def test_follow_resumes_after_the_client_was_killed(jobs: Jobs, remote: RemoteHost, tmp_path: Path) -> None:
    jobs.start("j-1", print_lines(3000))
    mirror = tmp_path / "log"
    for _ in range(3):
        before = mirror.stat().st_size if mirror.exists() else 0
        client = start_follower(remote.host, mirror)
        wait_for(lambda before=before: mirror.exists() and mirror.stat().st_size > before + 1000)
        client.kill()
        client.wait()
    assert jobs.status("j-1").state is JobState.RUNNING

    status, _ = follow(jobs, "j-1", tmp_path)

    assert status.state is JobState.SUCCEEDED
    assert mirror.read_bytes() == (remote.jobs / "j-1" / "log").read_bytes()


def test_follow_lets_two_readers_share_a_mirror(jobs: Jobs, remote: RemoteHost, tmp_path: Path) -> None:
    jobs.start("j-1", print_lines(500))

    with Jobs(remote.host) as others, ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda reader: follow(reader, "j-1", tmp_path), [jobs, others]))

    assert [status.state for status, _ in results] == [JobState.SUCCEEDED] * 2
    assert (tmp_path / "log").read_bytes() == (remote.jobs / "j-1" / "log").read_bytes()


def test_follow_that_is_stopped_leaves_the_job_alone(jobs: Jobs, tmp_path: Path) -> None:
    def stop(_: bytes) -> None:
        raise KeyboardInterrupt

    jobs.start("j-1", print_lines(300))

    with pytest.raises(KeyboardInterrupt):
        jobs.follow("j-1", tmp_path / "log", stop)

    assert jobs.status("j-1").state is JobState.RUNNING
    assert follow(jobs, "j-1", tmp_path)[0].state is JobState.SUCCEEDED
    assert len((tmp_path / "log").read_bytes().splitlines()) == 300


def test_follow_gives_up_on_a_host_that_is_gone_and_the_job_goes_on(
    jobs: Jobs, remote: RemoteHost, tmp_path: Path
) -> None:
    jobs.start("j-1", print_lines(1000))

    with pytest.raises(HostUnreachable, match="has not answered") as caught:
        jobs.follow("j-1", tmp_path / "log", lambda _: remote.stop(), give_up_seconds=0.3)

    assert "deployer logs -f j-1" in caught.value.hint
    remote.start()
    status, _ = follow(jobs, "j-1", tmp_path)
    assert status.state is JobState.SUCCEEDED
    assert (tmp_path / "log").read_bytes() == (remote.jobs / "j-1" / "log").read_bytes()


@pytest.mark.parametrize("mirror", [b"another log", b"once\nand more"])
def test_follow_refuses_a_mirror_of_something_else(jobs: Jobs, tmp_path: Path, mirror: bytes) -> None:
    jobs.start("j-1", JobSpec(argv=("sh", "-c", "echo once; exec sleep 60")))
    wait_for(lambda: jobs.status("j-1").log_bytes)
    (tmp_path / "log").write_bytes(mirror)

    with pytest.raises(JobError, match="is not the beginning of the log of job j-1") as caught:
        follow(jobs, "j-1", tmp_path)

    assert caught.value.hint.startswith("mv '")
    assert (tmp_path / "log").read_bytes() == mirror


def test_follow_keeps_what_a_host_forgot_in_a_power_cut(jobs: Jobs, remote: RemoteHost, tmp_path: Path) -> None:
    jobs.start("j-1", JobSpec(argv=("sh", "-c", "echo one; echo two")))
    follow(jobs, "j-1", tmp_path)
    os.truncate(remote.jobs / "j-1" / "log", 4)

    status, shown = follow(jobs, "j-1", tmp_path)

    assert (status.state, shown) == (JobState.SUCCEEDED, b"")
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
