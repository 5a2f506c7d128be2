"""`deployer local` as it is typed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from cloud_machines import Machine

from deployer.commands.local import local
from deployer.errors import DeployerError, LocalCloudError, UsageError
from deployer.localcloud import daemon
from deployer.localcloud.control import ControlClient

Run = Callable[..., Result]


@pytest.fixture
def run(local_cloud: daemon.RunningCloud, control: ControlClient) -> Run:
    """Run a command for the session's local cloud; our own errors are raised, as cli.py expects them."""

    def invoke(*arguments: str, project: Path = local_cloud.project) -> Result:
        return CliRunner().invoke(local, [*arguments, "--project", str(project)], catch_exceptions=False)

    return invoke


def test_start_of_a_running_cloud_prints_the_same(run: Run, local_cloud: daemon.RunningCloud) -> None:
    result = run("start", "--json")

    printed = json.loads(result.stdout)
    assert result.stderr == ""
    assert printed["endpoint"] == printed["environment"]["AWS_ENDPOINT_URL"] == local_cloud.endpoint
    assert printed["pid"] == local_cloud.pid
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", printed["endpoint"])
    assert printed["environment"]["AWS_CONFIG_FILE"] == os.devnull
    assert printed["configuration"] == {
        "ssh_config": str(local_cloud.project / ".deployer/local/ssh_config"),
        "allowed_cidr": "127.0.0.1/32",
        "allow_cpu": True,
    }


def test_start_says_what_it_does_and_stop_ends_it(run: Run, tmp_path: Path) -> None:
    started = run("start", project=tmp_path)
    found = daemon.find(tmp_path)
    stopped = run("stop", project=tmp_path)
    again = run("stop", project=tmp_path)

    assert started.stderr == "Starting the local cloud ...\n"
    assert found is not None
    assert found.endpoint in started.stdout
    assert stopped.stdout == "The local cloud has ended.\n"
    assert again.stdout == "No local cloud was running.\n"
    assert again.exit_code == 0


def test_status_lists_instances_and_faults(run: Run, launch: Callable[..., Machine]) -> None:
    machine = launch(TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "demo-0"}]}])
    run("fault", "add", "--action", "RunInstances", "--code", "InternalError", "--zone", "us-east-1a", "--times", "2")

    facts = json.loads(run("status", "--json").stdout)
    text = run("status").stdout

    listed = {item["instance_id"]: item for item in facts["instances"]}
    assert listed[machine.id]["name"] == "demo-0"
    assert listed[machine.id]["ssh_port"] > 0
    assert f"ssh port {listed[machine.id]['ssh_port']}" in text
    assert "RunInstances fails with InternalError (us-east-1a, 2 more)" in text


def test_status_without_a_cloud_is_exit_code_1(run: Run, tmp_path: Path) -> None:
    result = run("status", "--json", project=tmp_path)

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"running": False}


def test_env_can_be_evaluated_by_a_shell(
    run: Run, local_cloud: daemon.RunningCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")

    script = run("env").stdout + 'echo "$AWS_ENDPOINT_URL ${AWS_PROFILE-none}"'
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout

    assert shown == f"{local_cloud.endpoint} none\n"


def test_fault_is_added_listed_and_cleared(run: Run) -> None:
    added = run("fault", "add", "--action", "PutObject", "--code", "SlowDown", "--latency-ms", "5", "--json")
    listed = run("fault", "list", "--json")
    cleared = run("fault", "clear")

    fault = json.loads(added.stdout)["faults"][0]
    assert (fault["action"], fault["code"], fault["times"]) == ("PutObject", "SlowDown", 0)
    assert json.loads(listed.stdout) == json.loads(added.stdout)
    assert json.loads(listed.stdout)["latency_ms"] == 5
    assert cleared.stdout == "No faults.\n"


@pytest.mark.parametrize(
    "arguments", [[], ["--action", "RunInstances"], ["--code", "InternalError"], ["--latency-ms", "5", "--code", "A"]]
)
def test_fault_without_action_and_code_is_a_usage_error(run: Run, arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="--action and --code") as caught:
        run("fault", "add", *arguments)

    assert caught.value.exit_code == 2


def test_quota_is_set_and_listed(run: Run) -> None:
    said = run("quota", "set", "L-DB2E81BA", "8").stdout
    listed = run("quota", "list", "--json").stdout

    assert said == "Running On-Demand G and VT instances (L-DB2E81BA): 8 in every region.\n"
    values: dict[str, Any] = {item["code"]: item["value"] for item in json.loads(listed)["quotas"]}
    assert (values["L-DB2E81BA"], values["L-417A185B"]) == (8, 64)


def test_quota_is_taken_away_and_listed_without_a_value(run: Run) -> None:
    said = run("quota", "unset", "L-DB2E81BA").stdout
    listed = run("quota", "list", "--region", "us-west-2").stdout.splitlines()

    assert said == "Running On-Demand G and VT instances (L-DB2E81BA): no applied value in every region.\n"
    line = next(line for line in listed if line.startswith("L-DB2E81BA"))
    assert line.split() == ["L-DB2E81BA", "-", "ec2", *["Running", "On-Demand", "G", "and", "VT", "instances"]]


@pytest.mark.parametrize(("decision", "status"), [("approve", "APPROVED"), ("deny", "DENIED")])
def test_request_for_more_is_decided(run: Run, aws: Callable[..., Any], decision: str, status: str) -> None:
    client = aws("service-quotas", region_name="sa-east-1")
    client.request_service_quota_increase(ServiceCode="vpc", QuotaCode="L-F678F1CE", DesiredValue=7)

    said = run("quota", decision, "L-F678F1CE", "--region", "sa-east-1").stdout

    assert said == f"VPCs per Region in sa-east-1: 7 {status}.\n"


def test_fault_of_a_region_is_listed_with_it(run: Run) -> None:
    said = run("fault", "add", "--action", "ec2:*", "--code", "RequestLimitExceeded", "--region", "eu-west-1").stdout

    assert said == "ec2:* fails with RequestLimitExceeded (eu-west-1, always)\n"


def test_fault_in_a_zone_that_does_not_exist_is_refused_with_the_one_meant(run: Run) -> None:
    with pytest.raises(LocalCloudError, match="There is no zone 'us-east-1x'") as caught:
        run("fault", "add", "--action", "RunInstances", "--code", "InternalError", "--zone", "us-east-1x")

    assert "us-east-1" in caught.value.hint


def test_unknown_quota_says_where_the_known_ones_are(run: Run) -> None:
    with pytest.raises(LocalCloudError, match="L-NONE") as caught:
        run("quota", "set", "L-NONE", "8")

    assert caught.value.hint


@pytest.mark.parametrize("command", [["env"], ["fault", "list"], ["quota", "list"], ["fault", "clear"]])
def test_command_without_a_cloud_says_how_to_start_one(run: Run, tmp_path: Path, command: list[str]) -> None:
    with pytest.raises(DeployerError, match="No local cloud is running") as caught:
        run(*command, project=tmp_path)

    assert "deployer local start" in caught.value.hint


def test_every_command_has_help_with_an_example() -> None:
    def leaves(group: click.Group, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        found: list[tuple[str, ...]] = []
        for name, command in group.commands.items():
            if isinstance(command, click.Group):
                found += leaves(command, (*path, name))
            else:
                found.append((*path, name))
        return found

    for path in leaves(local, ()):
        shown = CliRunner().invoke(local, [*path, "--help"]).stdout
        assert "Example" in shown, path
        assert f"deployer local {' '.join(path)}" in shown, path
