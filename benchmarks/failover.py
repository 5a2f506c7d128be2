"""How long until a machine runs, where the first k places have none."""

from __future__ import annotations

import json

from measures import LocalCloud, Result, median, say, seconds

EMPTY = (0, 1, 3, 5)
# The issue's own: on the next candidate at most so long after each failure.
GOAL_SECONDS = 10.0
# Two types, so that there are places enough.
TYPES = ("--instance-type", "g4dn.xlarge", "--instance-type", "g5.xlarge")


def measure_failover(cloud: LocalCloud, rounds: int) -> list[Result]:
    """Time `up` from nothing with 0, 1, 3 and 5 empty places before the one that has a machine."""
    places = [
        (item["instance_type"], item["availability_zone"])
        for item in json.loads(cloud.deployer("check", *TYPES, "--json"))["candidates"]
    ]
    samples: dict[int, list[float]] = {count: [] for count in EMPTY}
    for number in range(rounds):
        for count in EMPTY:
            for instance_type, zone in places[:count]:
                cloud.deployer(
                    "local", "fault", "add", "--action", "RunInstances", "--code", "InsufficientInstanceCapacity",
                    "--type", instance_type, "--zone", zone,
                )  # fmt: skip
            samples[count].append(seconds(lambda: cloud.deployer("up", "--yes", *TYPES)))
            cloud.deployer("local", "fault", "clear")
            cloud.deployer("down", "--yes")
            forget_attempts(cloud)
            say(f"round {number + 1} of {rounds}, {count} empty: {samples[count][-1]:.1f} s")
    none = median(samples[0])
    return [
        Result(name="up, nothing empty before it", value=none, goal=None, unit="s", samples={"": samples[0]}),
        *(
            Result(
                name=f"up, each of {count} empty",
                value=(median(samples[count]) - none) / count,
                goal=GOAL_SECONDS,
                unit="s",
                samples={f"{count} empty": samples[count]},
            )
            for count in EMPTY[1:]
        ),
    ]


def forget_attempts(cloud: LocalCloud) -> None:
    """Let the next `up` begin where this one did: for ten minutes it would go round the empty places."""
    for path in (cloud.project / ".deployer").rglob("attempts*.json"):
        path.unlink()
