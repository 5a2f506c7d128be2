"""The regions that exist, as boto3 knows them: nothing is asked of AWS."""

from __future__ import annotations

import difflib
from functools import cache

# Each partition's region that every account of it may use, and that knows all the others.
HOMES = {"cn-": "cn-north-1", "us-gov-": "us-gov-west-1"}
HOME = "us-east-1"


@cache
def known_regions() -> tuple[str, ...]:
    """Return every region boto3 knows, of all partitions, without asking AWS."""
    # The list alone, without a boto3 session: a session would stumble over a wrong AWS_PROFILE.
    from botocore.loaders import create_loader

    partitions = create_loader().load_data("endpoints")["partitions"]
    return tuple(sorted(name for partition in partitions for name in partition["regions"]))


def close_regions(region: str) -> tuple[str, ...]:
    """Return real regions whose names look like `region`, the closest first."""
    return tuple(difflib.get_close_matches(region, known_regions(), n=3, cutoff=0.6))


def home_region(region: str) -> str:
    """Return where to ask about a region that does not answer itself: one that every account there may use."""
    return next((home for prefix, home in HOMES.items() if region.startswith(prefix)), HOME)
