"""`deployer check` through the command line, on the local cloud: the board, the choice by hardware, the regions."""

from __future__ import annotations

import time
from typing import Any

import pytest
from local_shell import Shell

from deployer import attempts
from deployer import config as configuration
from deployer.attempts import Attempt


def rows(told: dict[str, Any], instance_type: str) -> list[dict[str, Any]]:
    return [row for row in told["rows"] if row["instance_type"] == instance_type]


def test_check_prints_the_board_and_what_to_type_next(shell: Shell) -> None:
    answer = shell("check")

    for words in ("g4dn.xlarge", "us-east-1a", "use1-az6", "1 × T4", "at most $", "Next: deployer up"):
        assert words in answer.stdout
    assert "Traceback" not in answer.stderr


def test_check_as_json_tells_zone_ids_prices_and_their_sources(shell: Shell) -> None:
    told = shell("check", "--json", "--instance-type", "g4dn.xlarge").json()

    found = rows(told, "g4dn.xlarge")
    assert len({row["zone_id"] for row in found}) == len(found) == 6
    assert {row["offered"] for row in found} == {True, False}
    for row in found:
        assert (row["on_demand_usd"] is None) == (row["offered"] is False)
        assert row["on_demand_usd"] is None or set(row["on_demand_source"]) == {"live", "source", "as_of"}
    assert told["can_launch"] is True
    assert (told["quotas"]["g4dn.xlarge"]["value"], told["quotas"]["g4dn.xlarge"]["used"]) == (64, 0)
    assert told["images"]["g4dn.xlarge"]["catalogue_name"] == "pytorch-2.10-ubuntu-24.04"
    assert told["candidates"][0]["zone_id"] == next(row["zone_id"] for row in found if row["order"] == 1)


def test_check_shows_what_failed_there_lately(shell: Shell) -> None:
    config = configuration.load(folder=shell.folder, environment={"DEPLOYER_CLOUD": "local"})
    place: dict[str, Any] = {
        "region": "us-east-1",
        "zone_id": "use1-az6",
        "instance_type": "g4dn.xlarge",
        "spot": False,
    }
    place |= {"account": "123456789012", "code": "InsufficientInstanceCapacity"}
    attempts.remember(config, Attempt(**place, at=time.time() - 240))

    told = shell("check", "--json").json()
    (row,) = (item for item in rows(told, "g4dn.xlarge") if item["zone_id"] == "use1-az6")
    assert row["recent_failure"]["code"] == "InsufficientInstanceCapacity"
    assert 4 <= row["recent_failure"]["minutes_ago"] < 5
    assert row["order"] != 1

    drawn = shell("check").stdout
    assert "no capacity (InsufficientInstanceCapacity): g4dn.xlarge in us-east-1a 4 min ago" in drawn


def test_check_chooses_types_by_their_hardware(shell: Shell) -> None:
    told = shell("check", "--json", "--gpu-memory", "24", "--gpus", "1", "--max-price", "2").json()

    names = [item["name"] for item in told["types"]]
    assert {"g5.xlarge", "g6.xlarge"} <= set(names)
    assert len(names) <= 8
    assert all(item["gpus"] == 1 and item["gpu_memory_mib"] >= 22888 for item in told["types"])
    assert all(row["on_demand_usd"] <= 2 for row in told["rows"] if row["order"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--gpu-memory", "500"), "No instance type has 500 GiB of GPU memory in one GPU; the most is "),
        (("--gpu-memory", "24", "--max-price", "0.01"), "the cheapest is g6.xlarge"),
        (("--gpus", "3"), "No instance type has 3 GPUs."),
        (("--instance-type", "G4DN.xlarge"), 'did you mean "g4dn.xlarge"?'),
        (("--zone", "eu-west-1a"), 'availability_zone = "eu-west-1a" is not in region "us-east-1"'),
        (("--zone", "use1-az6", "--region", "all"), "--zone use1-az6 is in one region, and several are asked about."),
        (("--region", "us-east-1", "--region", "Virginia"), 'region = "Virginia" in --region must look like'),
        (("--max-price", "-1"), "max_price = -1"),
    ],
)
def test_check_refuses_what_cannot_be_with_exit_code_2(shell: Shell, arguments: tuple[str, ...], said: str) -> None:
    answer = shell("check", *arguments, expect=2)

    assert said in answer.stderr
    assert answer.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--instance-type", "g4.xlarge"), "Did you mean g4dn.xlarge?"),
        (("--instance-type", "p3.2xlarge"), "withdrawn: AWS has not offered that family since 2026-05"),
        (("--instance-type", "p5e.48xlarge"), "It was offered in us-east-2"),
        (("--zone", "us-east-1e"), "is not offered in us-east-1e; it is offered in us-east-1a"),
        (("--max-price", "0.01"), "more than max_price = 0.01"),
        (("--region", "us-east-9"), "There is no region us-east-9."),
    ],
)
def test_check_of_what_nobody_can_launch_is_exit_code_1(shell: Shell, arguments: tuple[str, ...], said: str) -> None:
    answer = shell("check", *arguments, expect=1)

    assert said in answer.stdout
    assert "Nothing can be launched." in answer.stdout


def test_check_warns_of_a_type_without_gpu_and_goes_on_with_the_other(shell: Shell) -> None:
    answer = shell("check", "--instance-type", "t3.micro", "--instance-type", "g4dn.xlarge")

    assert "the family T is for small, burstable CPU machines" in answer.stdout
    assert "GPUs are in the families G and P" in answer.stdout


def test_check_compares_regions_and_names_the_nearest(shell: Shell) -> None:
    told = shell("check", "--json", "--region", "us-east-1,eu-west-1", "--region", "us-east-9").json()

    by_region = {item["region"]: item for item in told["regions"]}
    assert set(by_region) == {"us-east-1", "eu-west-1", "us-east-9"}
    assert [by_region[name]["can_launch"] for name in ("us-east-1", "eu-west-1", "us-east-9")] == [True, True, False]
    assert told["nearest"] in {"us-east-1", "eu-west-1"}
    assert by_region["us-east-1"]["seconds_away"] > 0
    assert told["can_launch"] is True


def test_check_of_regions_shows_each_and_what_stands_in_the_way(shell: Shell) -> None:
    answer = shell("--region", "us-east-1,us-east-9", "check")

    assert "Nearest to the data: us-east-1, which answered this machine in" in answer.stdout
    assert "There is no region us-east-9." in answer.stdout
    assert "deployer --region us-east-1 up" in answer.stdout


def test_check_of_regions_goes_on_where_one_of_them_refuses_everything(shell: Shell) -> None:
    deny = "You are not authorized to perform this operation with an explicit deny in a service control policy"
    fault = ("--action", "*", "--region", "eu-west-1", "--code", "UnauthorizedOperation", "--message", deny)
    shell("local", "start")
    shell("local", "fault", "add", *fault)
    try:
        told = shell("check", "--json", "--region", "eu-west-1,us-west-2").json()
        alone = shell("check", "--region", "eu-west-1", expect=1)
    finally:
        shell("local", "fault", "clear")

    assert {item["region"]: item["can_launch"] for item in told["regions"]} == {"us-west-2": True, "eu-west-1": False}
    assert told["nearest_launchable"] == "us-west-2"
    assert "service control policy of the organisation" in alone.stdout


def test_check_of_regions_leaves_a_configured_zone_out_and_says_so(shell: Shell) -> None:
    placed = Shell(shell.folder, DEPLOYER_AVAILABILITY_ZONE="us-east-1a")

    answer = placed("check", "--region", "us-east-1,eu-west-1", "--instance-type", "g5.xlarge")

    assert "availability_zone = us-east-1a is left out" in answer.stderr
    assert "up --instance-type g5.xlarge --zone ''" in answer.stdout


def test_images_are_listed_by_their_whole_id(shell: Shell) -> None:
    for environment in ({}, {"COLUMNS": "80"}):
        listed = Shell(shell.folder, **environment)("ami", "list").stdout.splitlines()
        ids = [word for line in listed for word in line.split() if word.startswith("ami-")]
        assert {len(word) for word in ids} == {len("ami-06986a51a8a7d0647")}
        assert any(line.startswith("base-ubuntu-18.04 ") and "ami-" in line for line in listed)


@pytest.mark.parametrize("columns", [80, 120])
def test_check_fits_the_terminal(shell: Shell, columns: int) -> None:
    narrow = Shell(shell.folder, COLUMNS=str(columns))

    for arguments in (("check", "--spot", "--gpu-memory", "40"), ("check", "--region", "us-east-1,ap-southeast-2")):
        lines = narrow(*arguments).stdout.splitlines()
        # What is to be typed next stays on one line, so that it can be copied.
        assert max(len(line) for line in lines if "Next: " not in line) <= columns
        assert "…" not in "".join(lines)
