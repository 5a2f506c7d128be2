"""One deployment that AWS refuses again and again: what is tried, what is left behind, what is said. In order."""

from __future__ import annotations

import itertools
import json
import os
import re
from datetime import datetime
from typing import Any

import pytest
from local_shell import Shell, wait_until

# What must not be exceeded between a refusal and the next launch, on a machine that does nothing else.
NEXT_CANDIDATE_SECONDS = 10

EMPTY = "InsufficientInstanceCapacity"
ONE_ZONE = ("--zone", "us-east-1a")


@pytest.fixture
def user(shell: Shell) -> Shell:
    """The user of the folder, with one type that is offered in five zones; no fault is in force."""
    shell("local", "start")
    shell("local", "fault", "clear")
    return Shell(shell.folder, DEPLOYER_INSTANCE_TYPE="g4dn.xlarge", _DEPLOYER_WAIT_PAUSE_SECONDS="0.2")


def refuse(shell: Shell, code: str, **options: object) -> None:
    flags = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    shell("local", "fault", "add", "--action", "RunInstances", "--code", code, *flags)


def launches(shell: Shell) -> list[datetime]:
    """Return when RunInstances was called."""
    log = (shell.folder / ".deployer" / "local" / "requests.log").read_text()
    return [datetime.fromisoformat(line.split()[0]) for line in log.splitlines() if " RunInstances " in line]


def busy_factor() -> float:
    """Return how many times as long a computation takes here, now: what runs, for each processor."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def machines(shell: Shell) -> list[dict[str, Any]]:
    return [item for item in shell("local", "status", "--json").json()["instances"] if item["state"] != "terminated"]


def attempts(shell: Shell) -> list[dict[str, Any]]:
    path = shell.folder / ".deployer" / "attempts-local.json"
    return list(json.loads(path.read_text())) if path.exists() else []


def test_every_zone_is_tried_within_seconds_and_nothing_is_left_behind(user: Shell) -> None:
    refuse(user, EMPTY, zone="us-east-1a", message="You can currently get it by choosing us-east-1d, us-east-1z.")
    refuse(user, EMPTY)

    answer = user("up", "--yes", expect=1)

    tried = re.findall(rf"! g4dn.xlarge in us-east-1(\w): {EMPTY}\.", answer.stderr)
    assert "".join(tried) == "adbcf"
    assert "us-east-1a: InsufficientInstanceCapacity. Trying g4dn.xlarge in us-east-1d." in answer.stderr
    # The provider asks twice, a tenth of a second apart.
    gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(launches(user))]
    assert max(gaps) < NEXT_CANDIDATE_SECONDS * busy_factor(), gaps
    assert sum(gap > 1 for gap in gaps) == 4
    assert machines(user) == []
    assert {(item["zone_id"], item["code"]) for item in attempts(user)} == {
        (f"use1-az{number}", EMPTY) for number in (1, 2, 4, 5, 6)
    }


def test_refusals_say_what_was_tried_and_what_would_help(user: Shell) -> None:
    refuse(user, EMPTY)

    answer = user("up", "--yes", "--instance-type", "g4dn.xlarge", "--instance-type", "g5.xlarge", *ONE_ZONE, expect=1)

    # g5.xlarge first: in that zone the other one was refused a moment ago.
    assert f"Tried: g5.xlarge in us-east-1a: {EMPTY}; g4dn.xlarge in us-east-1a: {EMPTY}." in answer.stderr
    for advice in ("--wait 30m", "Leave --zone out", "add g6.xlarge to instance_type", "--spot", "check --region all"):
        assert advice in answer.stderr
    assert "resources of 'fish' exist, no instance among them" in answer.stderr


def test_quota_excludes_the_family_and_is_not_waited_for(user: Shell) -> None:
    refuse(user, "VcpuLimitExceeded")
    before = len(launches(user))

    answer = user("up", "--yes", "--wait", "1h", expect=1)

    assert len(launches(user)) == before + 1
    assert "VcpuLimitExceeded" in answer.stderr
    assert "Again in" not in answer.stderr


def test_ctrl_c_ends_the_waiting(user: Shell) -> None:
    refuse(user, EMPTY)
    known = len(launches(user))
    patient = Shell(user.folder, DEPLOYER_INSTANCE_TYPE="g4dn.xlarge")
    (user.folder / ".deployer" / "attempts-local.json").unlink()

    answer = patient.interrupt(
        "up", "--yes", "--wait", "30m", *ONE_ZONE, when=lambda: len(launches(user)) > known and bool(attempts(user))
    )

    assert answer.code == 130
    assert "no instance among them" in answer.stderr


def test_three_nodes_land_together_or_not_at_all(user: Shell) -> None:
    # Each node asks twice: of six calls four fail, so that one node at least is refused and one at least is launched.
    refuse(user, EMPTY, zone="us-east-1a", times=4)
    throttled = ("--action", "TerminateInstances", "--code", "RequestLimitExceeded", "--times", "2")
    user("local", "fault", "add", *throttled)

    answer = user("up", "--yes", "--nodes", "3", *ONE_ZONE, expect=1)

    assert re.search(r"Giving back \d machines?: all of them in one zone, or none", answer.stderr)
    assert f"Tried: g4dn.xlarge in us-east-1a: {EMPTY}." in answer.stderr
    assert machines(user) == []


def test_wait_goes_on_until_there_is_one(user: Shell) -> None:
    refuse(user, EMPTY, times=4)  # two rounds: the provider asks twice

    answer = user("up", "--yes", "--wait", "30m", "--json", *ONE_ZONE)

    rounds = re.findall(r"Nothing to be had in 1 place\. Again in \d+ s, for (29|30) min more", answer.stderr)
    assert len(rounds) == 2
    assert [node["availability_zone"] for node in answer.json()["nodes"]] == ["us-east-1a"]
    assert "use1-az6" not in {item["zone_id"] for item in attempts(user)}


def test_up_again_changes_nothing(user: Shell) -> None:
    """What the quick applies have made is what the whole configuration says."""
    answer = user("up", "--yes", "--json")

    assert answer.json()["changed"] == 0
    assert len(machines(user)) == 1
    wait_until(lambda: "running" in {item["state"] for item in machines(user)})
