"""The regions that exist, as boto3 knows them: nothing is asked of AWS."""

from __future__ import annotations

import difflib
from functools import cache

# Each partition's region that every account of it may use, and that knows all the others.
HOMES = {"cn-": "cn-north-1", "us-gov-": "us-gov-west-1"}
HOME = "us-east-1"

# Every account of the commercial partition has these without asking; the others are enabled first.
# docs.aws.amazon.com/accounts, "Enable or disable AWS Regions in your account", 2026-11
DEFAULT_REGIONS = (
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
)


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


def default_regions(region: str) -> tuple[str, ...]:
    """Return `region` and those that every account of its partition has, where AWS does not say which this one has."""
    return tuple(dict.fromkeys([region, *(DEFAULT_REGIONS if home_region(region) in DEFAULT_REGIONS else ())]))
