"""How long until a machine runs, where the first k places have none: so many seconds more for each of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks.local_cloud import LocalCloud, start_cloud
from benchmarks.measures import Arms, Setting, row, seconds

# The first issue's own: on the next candidate at most so long after each failure.
GOAL_SECONDS = 10.0
# Two types, so that there are places enough.
TYPES = ("--instance-type", "g4dn.xlarge", "--instance-type", "g5.xlarge")


@row("failover-1", "up where the first place is empty: seconds more", at_most=GOAL_SECONDS)
def one_empty(setting: Setting) -> Iterator[Arms]:
    yield from compare(setting, empty=1)


@row("failover-3", "up where three places are empty: seconds more for each", at_most=GOAL_SECONDS)
def three_empty(setting: Setting) -> Iterator[Arms]:
    yield from compare(setting, empty=3)


@row("failover-5", "up where five places are empty: seconds more for each", at_most=GOAL_SECONDS)
def five_empty(setting: Setting) -> Iterator[Arms]:
    yield from compare(setting, empty=5)


def compare(setting: Setting, *, empty: int) -> Iterator[Arms]:
    """Time `up` from nothing with empty places and without."""
    with start_cloud(setting.folder) as cloud:
        candidates = json.loads(cloud.deployer("check", *TYPES, "--json"))["candidates"]
        places = [(item["instance_type"], item["availability_zone"]) for item in candidates[:empty]]
        yield Arms("s", {"deployer up": lambda: (time_up(cloud, places) - time_up(cloud, [])) / empty})


def time_up(cloud: LocalCloud, places: list[tuple[str, str]]) -> float:
    """Return the seconds of one `up` with these places empty, and leave nothing of it."""
    action = ("--action", "RunInstances", "--code", "InsufficientInstanceCapacity")
    with cloud.faults(*((*action, "--type", instance_type, "--zone", zone) for instance_type, zone in places)):
        taken = seconds(lambda: cloud.deployer("up", "--yes", *TYPES))
    cloud.deployer("down", "--yes")
    # The next `up` must begin where this one did: for ten minutes it would go round the empty places.
    for path in (cloud.project / ".deployer").rglob("attempts*.json"):
        path.unlink()
    return taken
