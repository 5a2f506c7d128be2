"""The whole loop on real parts: Terraform, moto over HTTP, SSH hosts, PyTorch. The tests go in order."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest
from local_shell import Shell, wait_until

ARTIFACTS = {"model.pt", "metrics.json", "metrics.jsonl", "predictions.csv", "report.html", "log"}


def jobs(shell: Shell) -> dict[str, str]:
    return {item["job"]: item["state"] for item in shell("status", "--json").json()["jobs"]}


def runs(shell: Shell) -> list[Path]:
    return sorted(path for path in (shell.folder / "runs").iterdir() if path.is_dir())


def aws(shell: Shell, service: str) -> Any:
    """Return plain boto3 on the shell's local cloud."""
    environment = shell("local", "env", "--json").json()["environment"]
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )


def put_images_on_s3(shell: Shell, bucket: str, region: str) -> None:
    s3 = aws(shell, "s3")
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, **place)
    for path in [shell.folder / "targets.csv", *(shell.folder / "images").iterdir()]:
        s3.put_object(Bucket=bucket, Key=f"2026/{path.name}", Body=path.read_bytes())


def test_check_answers_before_anything_is_made(shell: Shell) -> None:
    answer = shell("check", "--json").json()

    assert answer["can_launch"] is True
    assert {item["check"] for item in answer["findings"]} >= {
        "credentials", "region", "offering", "quota", "image",
    }  # fmt: skip
    assert answer["candidates"][0]["instance_type"] == "g4dn.xlarge"
    assert not shell.deployment().joinpath("deployment.json").exists()


def test_train_before_up_says_what_to_type(shell: Shell) -> None:
    answer = shell("train", expect=1)

    assert "'fish' is not deployed" in answer.stderr
    assert "deployer up" in answer.stderr


def test_dry_run_shows_the_plan_and_makes_nothing(shell: Shell) -> None:
    answer = shell("up", "--dry-run", "--json").json()

    made = {item["address"] for item in answer["changes"] if item["action"] == "create"}
    assert "module.gpu_instance.aws_instance.node[0]" in made
    assert answer["cost"]["total"] == pytest.approx(0.54, abs=0.05)
    assert "Nothing" not in shell("down", "--yes").stderr


def test_up_goes_to_the_next_zone_when_the_first_has_no_capacity(shell: Shell) -> None:
    shell(
        "local", "fault", "add", "--action", "RunInstances", "--code", "InsufficientInstanceCapacity",
        "--zone", "us-east-1a",
    )  # fmt: skip
    shell("local", "fault", "add", "--action", "RunInstances", "--code", "RequestLimitExceeded", "--times", "3")

    answer = shell("up", "--yes")

    assert "g4dn.xlarge in us-east-1a: InsufficientInstanceCapacity. Trying g4dn.xlarge in us-east-1b" in answer.text
    assert "AWS answers RequestLimitExceeded" in answer.text
    assert "fish is ready" in answer.stdout
    assert "$0.5" in answer.stdout
    shell("local", "fault", "clear")


def test_up_twice_changes_nothing(shell: Shell) -> None:
    before = json.loads(shell.deployment().joinpath("deployment.json").read_text())

    answer = shell("up", "--yes", "--json").json()

    assert answer["changed"] == 0
    assert answer["nodes"] == before["nodes"]
    assert answer["created"] == before["created"]


def test_up_leaves_deadline_and_disk_of_a_running_machine_alone(shell: Shell) -> None:
    before = json.loads(shell.deployment().joinpath("deployment.json").read_text())
    later = Shell(shell.folder, DEPLOYER_MAX_HOURS="20", DEPLOYER_ROOT_VOLUME_GB="900")

    answer = later("up", "--yes", "--json")

    assert (answer.json()["changed"], answer.json()["max_hours"]) == (0, before["max_hours"])
    assert "still ends by itself after 8 h, not 20" in answer.stderr


def test_second_up_at_the_same_time_is_refused(shell: Shell) -> None:
    first = shell.start("up", "--yes")
    wait_until(lambda: "deployer up" in (shell.deployment() / "lock").read_text())

    answer = shell("up", "--yes", expect=1)

    assert "is working on deployment 'fish'" in answer.stderr
    assert str(first.pid) in answer.stderr
    first.communicate()


def test_train_brings_the_results_home(shell: Shell) -> None:
    answer = shell("train", "--", "--epochs", "2", "--image-size", "32")

    (run,) = runs(shell)
    assert {item.name for item in run.iterdir()} >= ARTIFACTS
    assert "epoch 2/2" in answer.stdout
    assert (run / "log").read_text() in answer.stdout
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test"]["count"] > 0
    assert set(metrics["validation"]["labels"]) == {"empty", "fish"}


def test_train_sends_nothing_that_has_not_changed(shell: Shell) -> None:
    log = shell.folder / ".deployer" / "local" / "requests.log"
    before = log.read_text().count(" PutObject ")

    answer = shell("train", "--detach", "--json", "--", "--epochs", "1", "--image-size", "32").json()
    shell("logs", "-f", answer["job"])
    shell("fetch", answer["job"])
    unchanged = log.read_text().count(" PutObject ")
    os.utime(shell.folder / "images" / "frame 000.jpg")
    (shell.folder / "images" / "frame 001.jpg").write_bytes(
        (shell.folder / "images" / "frame 003.jpg").read_bytes() + b"\0"
    )
    ended = shell("train", "--json", "--", "--epochs", "1", "--image-size", "32")

    assert unchanged == before
    assert ended.json()["state"] == "SUCCEEDED"
    assert "epoch 1/1" in ended.stderr
    assert log.read_text().count(" PutObject ") == before + 2  # one shard, one manifest


def test_train_reads_images_that_are_on_s3_where_they_are(shell: Shell) -> None:
    put_images_on_s3(shell, "reef", "us-east-1")
    there = Shell(shell.folder, DEPLOYER_DATA_PATH="s3://reef/2026", DEPLOYER_DATA_TARGETS="targets.csv")
    log = shell.folder / ".deployer" / "local" / "requests.log"
    before = log.read_text().count(" PutObject ")

    changed = there("up", "--yes", "--json").json()["changed"]
    shell("local", "fault", "add", "--action", "GetObject", "--code", "AccessDenied")
    refused = there("train", expect=1)
    shell("local", "fault", "clear")
    ended = there("train", "--json", "--", "--epochs", "1", "--image-size", "32")

    policy = aws(shell, "iam").get_role_policy(RoleName="deployer-fish-us-east-1", PolicyName="data")["PolicyDocument"]
    assert [item["Resource"] for item in policy["Statement"]] == ["arn:aws:s3:::reef", "arn:aws:s3:::reef/2026/*"]
    assert changed == 1
    assert "cannot be read: AccessDenied" in refused.stderr
    assert "`deployer up` gives the host's role the right to read s3://reef/2026/" in refused.stderr
    assert ended.json()["state"] == "SUCCEEDED"
    assert log.read_text().count(" PutObject ") == before
    assert shell("up", "--yes", "--json").json()["changed"] == 1  # and the right is taken back


def test_images_in_another_region_stand_in_the_way_with_their_price(shell: Shell) -> None:
    put_images_on_s3(shell, "kelp", "eu-west-1")
    there = Shell(shell.folder, DEPLOYER_DATA_PATH="s3://kelp/2026", DEPLOYER_DATA_TARGETS="targets.csv")

    checked = there("check", expect=1)
    trained = there("train", expect=2)

    assert "The images are in eu-west-1" in checked.text
    assert "--region eu-west-1" in checked.text
    assert "It would cost less than $0.01: 49 files" in trained.stderr


def test_ssh_scp_and_rsync_reach_the_host(shell: Shell, tmp_path: Path) -> None:
    config = shell("ssh-config", "--path").stdout.strip()
    note = tmp_path / "a note.txt"
    note.write_text("from home\n")

    subprocess.run(["scp", "-q", "-F", config, note, "fish:note.txt"], check=True)
    subprocess.run(["rsync", "-e", f"ssh -F '{config}'", "fish:note.txt", f"{tmp_path}/back.txt"], check=True)
    answer = shell("ssh", "--", "cat note.txt; exit 7", expect=7)

    assert answer.stdout == "from home\n"
    assert (tmp_path / "back.txt").read_text() == "from home\n"


def test_own_command_runs_in_the_project_with_the_job_directory(shell: Shell) -> None:
    (shell.folder / "own.py").write_text(
        "import os, pathlib, sys, torch\n"
        "out = pathlib.Path(os.environ['DEPLOYER_JOB_DIR']) / 'artifacts'\n"
        "(out / 'result.txt').write_text(' '.join(sys.argv[1:]))\n"
        "print(len(list(pathlib.Path(os.environ['DEPLOYER_DATA_DIR']).rglob('*.jpg'))), 'images')\n"
        "sys.exit(3)\n"
    )
    (shell.folder / ".deployerignore").write_text("secret.txt\n")
    (shell.folder / "secret.txt").write_text("stays at home")
    shell.environment["DEPLOYER_TRAIN_COMMAND"] = "ls; python own.py"

    answer = shell("train", "--", "one", "two words", expect=3)
    del shell.environment["DEPLOYER_TRAIN_COMMAND"]

    assert "48 images" in answer.stdout
    assert "own.py" in answer.stdout
    assert "secret.txt" not in answer.stdout
    assert (runs(shell)[-1] / "result.txt").read_text() == "one two words"


def test_ctrl_c_detaches_logs_reattach_and_cancel_stops(shell: Shell) -> None:
    shell.environment["DEPLOYER_TRAIN_COMMAND"] = "for i in $(seq 600); do echo line $i; sleep 0.2; done"
    known = set(jobs(shell))

    answer = shell.interrupt(
        "train", when=lambda: any("line 3" in path.read_text() for path in shell.folder.glob("runs/*/log")
                                  if path.parent.name not in known)
    )  # fmt: skip
    (job,) = set(jobs(shell)) - known
    busy = shell("train", expect=1)
    again = shell.interrupt("logs", "-f", when=lambda: "line 9" in (shell.folder / f"runs/{job}/log").read_text())
    cancelled = shell("cancel", "--grace", "5")
    del shell.environment["DEPLOYER_TRAIN_COMMAND"]

    assert answer.code == 0
    assert f"deployer cancel {job}" in answer.text
    assert job in busy.stderr
    assert again.code == 0
    assert re.findall(r"line (\d+)\n", again.stdout)[:9] == [str(number) for number in range(1, 10)]
    assert "CANCELLED" in cancelled.text
    assert jobs(shell)[job] == "CANCELLED"


def test_gpu_is_demanded_unless_cpu_is_allowed(shell: Shell) -> None:
    known = set(jobs(shell))

    answer = shell("train", "--", "--epochs", "1", "--image-size", "32", expect=None)
    shell.environment["DEPLOYER_ALLOW_CPU"] = "false"
    refused = shell("train", expect=None)
    del shell.environment["DEPLOYER_ALLOW_CPU"]

    assert answer.code == 0
    assert refused.code == 1
    assert "allow_cpu" in refused.stderr
    assert len(set(jobs(shell)) - known) == 1


def test_two_deployments_live_side_by_side(shell: Shell) -> None:
    answer = shell("--name", "crab", "status", expect=1)

    assert "'crab' is not deployed" in answer.stderr
    assert "fish" in answer.stderr


def test_nothing_of_the_users_account_is_used(shell: Shell) -> None:
    local = shell.folder / ".deployer"

    found = [
        path
        for path in local.rglob("*")
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 5_000_000
        and b"real-user-secret" in path.read_bytes()
    ]  # fmt: skip

    assert found == []


def test_state_is_private(shell: Shell) -> None:
    assert (shell.folder / ".deployer").stat().st_mode & 0o777 == 0o700
    assert shell.deployment().stat().st_mode & 0o777 == 0o700
    assert (shell.deployment() / "id_ed25519").stat().st_mode & 0o777 == 0o600


def test_down_brings_home_what_was_not_fetched_and_keeps_the_bucket_when_asked(shell: Shell) -> None:
    shell.environment["DEPLOYER_TRAIN_COMMAND"] = 'echo precious > "$DEPLOYER_JOB_DIR/artifacts/found.txt"'
    job = shell("train", "--detach", "--json").json()["job"]
    del shell.environment["DEPLOYER_TRAIN_COMMAND"]

    answer = shell("down", "--yes", "--keep-bucket", "--json").json()

    assert (shell.folder / "runs" / job / "found.txt").read_text() == "precious\n"
    assert answer["leftovers"] == []
    assert answer["kept_bucket"].startswith("deployer-fish-")
    assert [item.name for item in shell.deployment().iterdir()] == ["id"]


def test_up_takes_the_kept_bucket_over_and_down_leaves_nothing(shell: Shell) -> None:
    shell("up", "--yes")
    log = shell.folder / ".deployer" / "local" / "requests.log"
    before = log.read_text().count(" PutObject ")

    shell("train", "--", "--epochs", "1", "--image-size", "32")
    answer = shell("down", "--yes")

    assert log.read_text().count(" PutObject ") == before
    assert "nothing is left" in answer.stdout
    assert not shell.deployment().exists()
    assert "There was nothing to destroy; nothing is left" in shell("down", "--yes").stdout


def test_sigterm_is_like_ctrl_c(shell: Shell) -> None:
    answer = shell.interrupt("check", when=lambda: True, number=signal.SIGTERM)

    assert answer.code in {130, -signal.SIGTERM}  # the latter before Python has set its handler
