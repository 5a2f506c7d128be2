"""Which place is tried, and what is left after a refusal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from facts_examples import G4DN, G_QUOTA, IMAGE, config, denied, facts, instance

from deployer import placement
from deployer.aws.prices import Price
from deployer.placement import Candidate


def places(candidates: list[Candidate]) -> list[str]:
    return [f"{item.instance_type} {item.availability_zone}" for item in candidates]


ALL = ["g4dn.xlarge us-east-1a", "g4dn.xlarge us-east-1b", "g5.xlarge us-east-1b", "g5.xlarge us-east-1c"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ALL),
        ({"config": config(instance_type=("g5.xlarge", "g4dn.xlarge"))}, [*ALL[2:], *ALL[:2]]),
        ({"config": config(availability_zone="us-east-1b")}, ["g4dn.xlarge us-east-1b", "g5.xlarge us-east-1b"]),
        ({"config": config(availability_zone="us-east-1c")}, ["g5.xlarge us-east-1c"]),
        ({"zones": denied("ec2:DescribeAvailabilityZones")}, ALL),
        ({"images": {"g4dn.xlarge": IMAGE, "g5.xlarge": denied("ec2:DescribeImages")}}, ALL[:2]),
        ({"quotas": {"g4dn.xlarge": replace(G_QUOTA, value=0.0), "g5.xlarge": G_QUOTA}}, ALL[2:]),
        ({"identity": denied("sts:GetCallerIdentity")}, []),
    ],
)
def test_candidates_follow_the_types_then_the_zones(values: dict[str, Any], expected: list[str]) -> None:
    assert places(placement.candidates(facts(**values))) == expected


def test_candidates_try_every_zone_where_the_offerings_are_unknown() -> None:
    seen = facts(config=config(instance_type=("g4dn.xlarge",)), offerings=denied("ec2:DescribeInstanceTypeOfferings"))

    assert [item.availability_zone for item in placement.candidates(seen)] == ["us-east-1a", "us-east-1b", "us-east-1c"]


def test_candidates_begin_where_the_deployment_runs() -> None:
    seen = facts(instances=(instance(instance_type="g5.xlarge", availability_zone="us-east-1c"),))

    assert places(placement.candidates(seen)) == [ALL[3], *ALL[:3]]


def test_candidates_are_not_moved_by_somebody_elses_machine() -> None:
    seen = facts(instances=(instance(instance_type="g5.xlarge", deployment="other"),))

    assert places(placement.candidates(seen)) == ALL


def test_candidates_carry_zone_id_image_and_price() -> None:
    first, *_ = placement.candidates(facts())

    assert (first.zone_id, first.image) == ("use1-az4", IMAGE)
    assert (first.usd_per_hour, first.price_source) == (0.526, "table, 2026-07-20")


def test_candidates_on_the_spot_market_have_the_price_of_their_zone() -> None:
    spot = {
        ("g4dn.xlarge", "us-east-1a"): Price(usd_per_hour=0.21, source="spot", as_of="2026-11-21"),
        ("g4dn.xlarge", "us-east-1b"): Price(usd_per_hour=0.19, source="spot", as_of="2026-11-21"),
    }

    found = placement.candidates(facts(config=config(spot=True), spot_prices=spot))

    assert [item.usd_per_hour for item in found] == [0.21, 0.19, None, None]


def test_candidates_without_a_spot_price_do_not_borrow_the_other_one() -> None:
    found = placement.candidates(facts(config=config(spot=True), spot_prices=denied("ec2:DescribeSpotPriceHistory")))

    assert {item.usd_per_hour for item in found} == {None}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("InsufficientInstanceCapacity", ALL[1:]),
        ("InsufficientHostCapacity", ALL[1:]),
        ("Unsupported", ALL[1:]),
        ("InsufficientFreeAddressesInSubnet", ALL[1:]),
        # Both are of the G family: the quota is one.
        ("VcpuLimitExceeded", []),
        ("MaxSpotInstanceCountExceeded", []),
        ("UnauthorizedOperation", []),
        ("RequestLimitExceeded", []),
        ("PendingVerification", []),
        ("", []),
    ],
)
def test_remaining_drops_what_the_error_excludes(code: str, expected: list[str]) -> None:
    found = placement.candidates(facts())

    assert places(placement.remaining(found, found[0], code)) == expected


def test_remaining_keeps_other_quota_families() -> None:
    found = placement.candidates(facts())
    other = replace(found[0], instance_type="p5.4xlarge")

    assert placement.remaining([*found, other], found[0], "VcpuLimitExceeded") == [other]


@pytest.mark.parametrize(("configured", "expected"), [(0, 115), (75, 75), (500, 500)])
def test_root_volume_gb_leaves_room_to_work(configured: int, expected: int) -> None:
    assert placement.root_volume_gb(config(root_volume_gb=configured), IMAGE) == expected


def test_candidates_of_a_type_unknown_to_aws_are_none() -> None:
    seen = facts(config=config(instance_type=("g4dn.xlrge",)), types={"g4dn.xlarge": G4DN})

    assert placement.candidates(seen) == []
