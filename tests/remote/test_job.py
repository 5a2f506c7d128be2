"""Jobs on a real host: started detached, followed through broken connections, cancelled, lost."""

from __future__ import annotations

import json
import os
import re
import signal
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from deployer.errors import JobError, NotDeployed
from deployer.remote.job import Jobs, JobSpec, JobState, new_job_id
from deployer.remote.ssh import Connection

from .conftest import RemoteHost, follow, is_running, run_python, small_disk, wait_for

SLEEP = JobSpec(argv=("sleep", "60"))


def test_job_runs_in_its_directory_with_its_environment(remote: RemoteHost, jobs: Jobs, tmp_path: Path) -> None:
    script = (
        "import os\n"
        "names = ('DEPLOYER_JOB', 'DEPLOYER_JOB_DIR', 'PYTHONUNBUFFERED', 'MINE', 'HOME_PATH')\n"
        "print(os.getcwd(), *(os.environ.get(name) for name in names))\n"
        "open(os.environ['DEPLOYER_JOB_DIR'] + '/artifacts/ünï code', 'w').close()"
    )
    (remote.home / "work").mkdir()
    environment = {"MINE": "ä b", "HOME_PATH": "~/lib"}

    started = jobs.start("j-1", JobSpec(argv=run_python(script), cwd="~/work", environment=environment))
    status, shown = follow(jobs, "j-1", tmp_path)

    directory = remote.home / ".deployer/jobs/j-1"
    expected = f"{remote.home}/work j-1 {directory} 1 ä b {remote.home}/lib\n"
    assert shown.decode() == expected
    assert started.state in (JobState.RUNNING, JobState.SUCCEEDED)
    assert (status.state, status.returncode, status.log_bytes) == (JobState.SUCCEEDED, 0, len(shown))
    assert status.started is not None
    assert status.ended is not None
    assert status.started <= status.ended
    assert [path.name for path in (directory / "artifacts").iterdir()] == ["ünï code"]
    assert json.loads((directory / "spec.json").read_text())["cwd"] == "~/work"


@pytest.mark.parametrize(
    ("argv", "state", "returncode", "reason"),
    [
        (("sh", "-c", "exit 0"), JobState.SUCCEEDED, 0, ""),
        (("sh", "-c", "exit 7"), JobState.FAILED, 7, ""),
        (("sh", "-c", "kill -9 $$"), JobState.FAILED, 137, "killed by SIGKILL (out of memory?)"),
        (("sh", "-c", "kill -SEGV $$"), JobState.FAILED, 139, "killed by SIGSEGV"),
        (("no-such-program",), JobState.FAILED, 127, "no-such-program: no such program on this host."),
        (("/etc",), JobState.FAILED, 126, "/etc cannot be started: Permission denied."),
    ],
)
def test_job_ends_as_its_program_does(
    jobs: Jobs, tmp_path: Path, argv: tuple[str, ...], state: JobState, returncode: int, reason: str
) -> None:
    jobs.start("j-1", JobSpec(argv=argv))

    status, _ = follow(jobs, "j-1", tmp_path)

    assert (status.state, status.returncode, status.reason) == (state, returncode, reason)
    assert jobs.status("j-1") == status


def test_job_says_in_its_log_why_it_could_not_start(jobs: Jobs, tmp_path: Path) -> None:
    jobs.start("j-1", JobSpec(argv=("true",), cwd="~/nowhere"))

    status, shown = follow(jobs, "j-1", tmp_path)

    assert shown == b"deployer: the folder ~/nowhere does not exist on this host.\n"
    assert status.returncode == 127


def test_start_is_idempotent(jobs: Jobs, tmp_path: Path) -> None:
    spec = JobSpec(argv=("sh", "-c", "echo once"))
    jobs.start("j-1", spec)
    follow(jobs, "j-1", tmp_path)

    again = jobs.start("j-1", spec)

    assert again.state is JobState.SUCCEEDED
    assert follow(jobs, "j-1", tmp_path / "again")[1] == b"once\n"


def test_start_refuses_a_second_job_and_names_the_first(jobs: Jobs) -> None:
    jobs.start("j-1", SLEEP)

    with pytest.raises(JobError, match="already runs job j-1") as caught:
        jobs.start("j-2", SLEEP)

    assert "deployer cancel j-1" in caught.value.hint
    with pytest.raises(NotDeployed):
        jobs.status("j-2")


def test_start_takes_the_next_job_as_soon_as_one_has_ended(jobs: Jobs, tmp_path: Path) -> None:
    for number in range(3):
        jobs.start(f"j-{number}", JobSpec(argv=("true",)))
        assert follow(jobs, f"j-{number}", tmp_path / str(number))[0].state is JobState.SUCCEEDED

    assert [status.job for status in jobs.list()] == ["j-0", "j-1", "j-2"]


def test_start_lets_one_of_eight_at_once_through(remote: RemoteHost) -> None:
    def start(number: int) -> str:
        with Jobs(remote.host) as jobs:
            try:
                return jobs.start(f"j-{number}", SLEEP).state
            except JobError as error:
                return re.sub("j-[0-7]", "j-N", error.hint)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(start, range(8)))

    assert answers.count("RUNNING") == 1
    assert len([answer for answer in answers if "deployer cancel j-N" in answer]) == 7


@pytest.mark.parametrize("job", ["", "../evil", "a b", "-x", ".hidden", "x" * 101])
def test_start_refuses_an_id_that_is_no_name(remote: RemoteHost, jobs: Jobs, job: str) -> None:
    with pytest.raises(JobError, match="cannot be the id of a job"):
        jobs.start(job, SLEEP)

    assert list(remote.jobs.iterdir()) == []


def test_status_of_an_unknown_job_names_the_known(jobs: Jobs, tmp_path: Path) -> None:
    jobs.start("j-1", SLEEP)

    for ask in (jobs.status, jobs.cancel, lambda job: jobs.follow(job, tmp_path / "log", lambda _: None)):
        with pytest.raises(NotDeployed, match="has no job 'j-2'") as caught:
            ask("j-2")
        assert caught.value.hint == "Its last jobs: j-1."


def test_cancel_interrupts_as_ctrl_c_does(jobs: Jobs, tmp_path: Path) -> None:
    script = """
        import sys, time
        print("ready")
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            print("saving a checkpoint")
            sys.exit(42)
        """
    jobs.start("j-1", JobSpec(argv=run_python(textwrap.dedent(script))))
    wait_for(lambda: jobs.status("j-1").log_bytes)

    status = jobs.cancel("j-1")

    assert (status.state, status.returncode) == (JobState.CANCELLED, 42)
    assert follow(jobs, "j-1", tmp_path)[1] == b"ready\nsaving a checkpoint\n"
    assert jobs.cancel("j-1") == status


def test_cancel_kills_what_does_not_listen_and_all_it_started(jobs: Jobs, remote: RemoteHost) -> None:
    script = """
        import os, signal, subprocess, time
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        own = subprocess.Popen(["sleep", "61"])
        away = subprocess.Popen(["sleep", "62"], start_new_session=True)
        print(os.getpid(), own.pid, away.pid)
        time.sleep(60)
        """
    jobs.start("j-1", JobSpec(argv=run_python(textwrap.dedent(script))))
    wait_for(lambda: jobs.status("j-1").log_bytes)
    pids = [int(word) for word in (remote.jobs / "j-1" / "log").read_text().split()]
    assert all(map(is_running, pids))

    status = jobs.cancel("j-1", grace_seconds=0.2)

    assert (status.state, status.returncode) == (JobState.CANCELLED, 137)
    assert not any(map(is_running, pids))


def test_job_leaves_no_process_behind(jobs: Jobs, tmp_path: Path, remote: RemoteHost) -> None:
    jobs.start("j-1", JobSpec(argv=("sh", "-c", "sleep 61 & echo $!")))

    status, shown = follow(jobs, "j-1", tmp_path)

    assert status.state is JobState.SUCCEEDED
    assert not is_running(int(shown))


def test_job_is_lost_when_its_supervisor_dies_and_its_program_is_not_forgotten(jobs: Jobs, remote: RemoteHost) -> None:
    jobs.start("j-1", SLEEP)
    state = remote.read_state("j-1")
    os.kill(state["supervisor"], signal.SIGKILL)
    wait_for(lambda: not is_running(state["supervisor"]))

    status = jobs.status("j-1")
    with pytest.raises(JobError, match=r"still runs on .*, although its supervisor died"):
        jobs.start("j-2", SLEEP)
    cancelled = jobs.cancel("j-1")

    assert status.state is JobState.LOST
    assert status.reason == f"its supervisor died, but the program still runs as process {state['pid']}"
    assert cancelled.state is JobState.CANCELLED
    assert not is_running(state["pid"])
    assert jobs.start("j-2", SLEEP).state is JobState.RUNNING


def test_job_is_lost_when_the_host_was_rebooted(jobs: Jobs, remote: RemoteHost, tmp_path: Path) -> None:
    jobs.start("j-1", SLEEP)
    state = remote.read_state("j-1")
    for pid in (state["supervisor"], state["pid"]):
        os.kill(pid, signal.SIGKILL)
    # What a reboot leaves: nobody runs, and the boot id is another. The test cannot reboot the machine it runs on.
    (remote.jobs / "j-1" / "state.json").write_text(json.dumps({**state, "boot_id": "before"}))
    wait_for(lambda: not is_running(state["supervisor"]))

    status, _ = follow(jobs, "j-1", tmp_path)

    assert (status.state, status.reason) == (JobState.LOST, "the host was rebooted")
    assert jobs.cancel("j-1") == status
    assert jobs.start("j-2", SLEEP).state is JobState.RUNNING


def test_job_is_preempted_when_the_host_shuts_down(jobs: Jobs, remote: RemoteHost, tmp_path: Path) -> None:
    jobs.start("j-1", JobSpec(argv=("sh", "-c", "trap 'echo saved; exit 3' TERM; echo ready; sleep 60 & wait")))
    wait_for(lambda: jobs.status("j-1").log_bytes)

    os.kill(remote.read_state("j-1")["supervisor"], signal.SIGTERM)
    status, shown = follow(jobs, "j-1", tmp_path)

    assert (status.state, status.returncode, shown) == (JobState.PREEMPTED, 3, b"ready\nsaved\n")


def test_job_that_fills_the_disk_can_be_cancelled(jobs: Jobs, remote: RemoteHost, tmp_path: Path) -> None:
    fill = "head -c 9000000 /dev/zero > $DEPLOYER_JOB_DIR/artifacts/big; echo full >> $HOME/told; exec sleep 60"
    with small_disk(remote.home / ".deployer"):
        jobs.start("j-1", JobSpec(argv=("sh", "-c", fill)))
        wait_for(lambda: (remote.home / "told").exists())

        cancelled = jobs.cancel("j-1")
        with pytest.raises(JobError, match="cannot take job j-2: No space left on device"):
            jobs.start("j-2", SLEEP)

        jobs.close()
        remote.stop()
    assert (cancelled.state, cancelled.returncode) == (JobState.CANCELLED, 130)


def test_jobs_open_a_broken_connection_again(jobs: Jobs, remote: RemoteHost) -> None:
    jobs.start("j-1", SLEEP)
    remote.kill_sessions()
    time.sleep(0.1)  # the client notices when its socket says so

    assert jobs.status("j-1").state is JobState.RUNNING


def test_jobs_ignore_what_a_login_shell_prints(remote: RemoteHost, connection: Connection) -> None:
    (remote.home / ".bashrc").write_text("echo welcome\n")

    with Jobs(remote.host) as jobs:
        assert jobs.start("j-1", JobSpec(argv=("true",))).job == "j-1"


def test_new_job_id_sorts_by_time() -> None:
    first = new_job_id(datetime(2026, 11, 21, 2, 15, 30))
    second = new_job_id(datetime(2026, 11, 21, 2, 15, 31))

    assert re.fullmatch(r"20261121-021530-[a-z2-9]{4}", first)
    assert first < second


def test_job_state_knows_what_is_final() -> None:
    assert [state for state in JobState if not state.is_terminal] == [JobState.PENDING, JobState.RUNNING]
