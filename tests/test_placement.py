"""Which place is tried, and what is left after a refusal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from facts_examples import G4DN, G_QUOTA, IMAGE, config, denied, facts, instance

from deployer import placement
from deployer.attempts import Attempt
from deployer.aws.prices import Price
from deployer.facts import Facts
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

    assert [item.usd_per_hour for item in found] == [0.19, 0.21, None, None]


@pytest.mark.parametrize(
    ("values", "most"),
    [
        ({}, 0.526),
        ({"spot": True}, 0.526),
        ({"spot": True, "max_price": 0.3}, 0.3),
        ({"spot": True, "max_price": 2.0}, 0.526),
    ],
)
def test_candidates_say_what_their_price_can_rise_to(values: dict[str, Any], most: float) -> None:
    [found, *_] = placement.candidates(facts(config=config(**values)))

    assert found.usd_per_hour_at_most == most


def test_candidates_without_a_spot_price_do_not_borrow_the_other_one() -> None:
    found = placement.candidates(facts(config=config(spot=True), spot_prices=denied("ec2:DescribeSpotPriceHistory")))

    assert {item.usd_per_hour for item in found} == {None}


def spot_facts(**values: Any) -> Facts:
    """Return the facts of one spot type in three zones, priced alike unless `values` say otherwise."""
    zones = ("us-east-1a", "us-east-1b", "us-east-1c")
    return facts(
        **(
            {
                "config": config(spot=True, instance_type=("g4dn.xlarge",)),
                "offerings": {"g4dn.xlarge": frozenset(zones)},
                "spot_prices": priced_by_zone(a=0.2, b=0.2, c=0.2),
            }
            | values
        )
    )


def priced(usd_per_hour: float) -> Price:
    return Price(usd_per_hour=usd_per_hour, source="spot", as_of="2026-11-21")


def priced_by_zone(**usd_per_hour: float) -> dict[tuple[str, str], Price]:
    return {("g4dn.xlarge", f"us-east-1{letter}"): priced(usd) for letter, usd in usd_per_hour.items()}


def refused(zone_id: str, **values: Any) -> Attempt:
    return Attempt(
        **(
            {
                "region": "us-east-1",
                "zone_id": zone_id,
                "instance_type": "g4dn.xlarge",
                "spot": False,
                "code": "InsufficientInstanceCapacity",
                "at": 0.0,
                "account": "123456789012",
            }
            | values
        )
    )


@pytest.mark.parametrize(
    ("values", "zones"),
    [
        ({}, "abc"),
        ({"spot_prices": priced_by_zone(b=0.3, c=0.1)}, "cba"),
        # By zone id: use1-az1 is us-east-1c here.
        ({"spot_scores": {"use1-az1": 9, "use1-az6": 7, "use1-az4": 3}}, "cba"),
        ({"spot_scores": {"use1-az1": 9}, "spot_prices": priced_by_zone(b=0.2)}, "bca"),
        ({"spot_scores": denied("ec2:GetSpotPlacementScores")}, "abc"),
        ({"attempts": (refused("use1-az4", spot=True),)}, "bca"),
        ({"attempts": (refused("use1-az4", spot=True),), "spot_prices": priced_by_zone(a=0.1)}, "bca"),
        # Nothing of this: another market, region, account, type.
        ({"attempts": (refused("use1-az4"),)}, "abc"),
        ({"attempts": (refused("use1-az4", spot=True, region="eu-west-1"),)}, "abc"),
        ({"attempts": (refused("use1-az4", spot=True, account="999999999999"),)}, "abc"),
        ({"attempts": (refused("use1-az4", spot=True, instance_type="g5.xlarge"),)}, "abc"),
    ],
)
def test_candidates_try_the_zones_of_a_type_best_first(values: dict[str, Any], zones: str) -> None:
    assert "".join(item.availability_zone[-1] for item in placement.candidates(spot_facts(**values))) == zones


def test_candidates_on_demand_do_not_go_by_the_spot_market() -> None:
    seen = facts(spot_prices={("g4dn.xlarge", "us-east-1b"): priced(0.01)}, spot_scores={"use1-az6": 10, "use1-az4": 1})

    assert places(placement.candidates(seen)) == ALL


def test_candidates_refused_lately_come_after_all_others() -> None:
    seen = facts(attempts=(refused("use1-az4"), refused("use1-az6")))

    assert places(placement.candidates(seen)) == [*ALL[2:], *ALL[:2]]


def test_candidates_begin_where_the_deployment_runs_whatever_was_refused_there() -> None:
    seen = facts(attempts=(refused("use1-az6"),), instances=(instance(),))

    assert places(placement.candidates(seen))[0] == "g4dn.xlarge us-east-1b"


@pytest.mark.parametrize(
    ("zone", "expected"), [("use1-az6", [ALL[1], ALL[2]]), ("use1-az1", [ALL[3]]), ("use1-az9", [])]
)
def test_candidates_take_a_zone_by_its_id(zone: str, expected: list[str]) -> None:
    assert places(placement.candidates(facts(config=config(availability_zone=zone)))) == expected


@pytest.mark.parametrize(("max_price", "expected"), [(0, ALL), (1.0, ALL), (0.526, ALL), (0.5, ALL[2:])])
def test_candidates_cost_no_more_than_is_allowed(max_price: float, expected: list[str]) -> None:
    """The price of g5.xlarge is not known here: that is not a reason to leave it out."""
    assert places(placement.candidates(facts(config=config(max_price=max_price)))) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("InsufficientInstanceCapacity", [ALL[0], ALL[2], ALL[3]]),
        ("InsufficientCapacity", [ALL[0], ALL[2], ALL[3]]),
        ("InsufficientHostCapacity", [ALL[0], ALL[2], ALL[3]]),
        ("InsufficientReservedInstanceCapacity", [ALL[0], ALL[2], ALL[3]]),
        ("ReservationCapacityExceeded", [ALL[0], ALL[2], ALL[3]]),
        ("UnfulfillableCapacity", [ALL[0], ALL[2], ALL[3]]),
        ("Unsupported", [ALL[0], ALL[2], ALL[3]]),
        ("SpotMaxPriceTooLow", [ALL[0], ALL[2], ALL[3]]),
        # The zone itself is full: for every type.
        ("InsufficientFreeAddressesInSubnet", [ALL[0], ALL[3]]),
        ("InsufficientVolumeCapacity", [ALL[0], ALL[3]]),
        # Both types are of the G family: the quota is one, in all zones.
        ("VcpuLimitExceeded", []),
        ("InstanceLimitExceeded", []),
        ("MaxSpotInstanceCountExceeded", []),
        # Not about one candidate.
        ("UnauthorizedOperation", []),
        ("RequestLimitExceeded", []),
        ("PendingVerification", []),
        ("OptInRequired", []),
        ("VpcLimitExceeded", []),
        ("", []),
    ],
)
def test_remaining_drops_what_the_error_excludes(code: str, expected: list[str]) -> None:
    found = placement.candidates(facts())

    assert places(placement.remaining(found, found[1], code)) == expected


@pytest.mark.parametrize(
    ("said", "zones"),
    [
        (
            "We currently do not have sufficient g4dn.xlarge capacity in the Availability Zone you requested "
            "(us-east-1a). Our system will be working on provisioning additional capacity. You can currently get "
            "g4dn.xlarge capacity by not specifying an Availability Zone in your request or "
            "choosing us-east-1b, us-east-1c, us-east-1f.",
            ("us-east-1b", "us-east-1c", "us-east-1f"),
        ),
        (
            "Your requested instance type (g5.xlarge) is not supported in your requested Availability Zone "
            "(us-east-1e). Please retry your request by not specifying an Availability Zone or "
            "choosing us-east-1d, us-east-1a.",
            ("us-east-1d", "us-east-1a"),
        ),
        ("You can currently get g5.xlarge capacity by choosing us-east-1b, us-east-1c", ("us-east-1b", "us-east-1c")),
        ("... or choosing ap-southeast-2b and ap-southeast-2c.", ("ap-southeast-2b", "ap-southeast-2c")),
        ("... or choosing us-gov-west-1a or us-gov-west-1b.", ("us-gov-west-1a", "us-gov-west-1b")),
        ("... or choosing us-east-1b.", ("us-east-1b",)),
        ("... by not specifying an Availability Zone in your request or choosing another one.", ()),
        ("There is no Spot capacity available that matches your request.", ()),
        ("... in us-east-1a. Choosing wisely helps.", ()),
        ("", ()),
    ],
)
def test_hinted_zones_are_those_that_aws_proposes(said: str, zones: tuple[str, ...]) -> None:
    assert placement.hinted_zones(said) == zones


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("or choosing us-east-1c.", "cb"),
        ("or choosing us-east-1c, us-east-1b.", "cb"),
        ("or choosing us-east-1f, us-east-1c.", "cb"),
        # Where it just failed, and a zone that was never one of ours.
        ("or choosing us-east-1a, us-east-1f.", "bc"),
        ("or choosing another one.", "bc"),
    ],
)
@pytest.mark.parametrize("code", ["InsufficientInstanceCapacity", "Unsupported"])
def test_remaining_begins_where_aws_says_that_there_is_some(code: str, said: str, expected: str) -> None:
    seen = facts(
        config=config(instance_type=("g4dn.xlarge",)),
        offerings={"g4dn.xlarge": frozenset({"us-east-1a", "us-east-1b", "us-east-1c"})},
    )
    found = placement.candidates(seen)

    left = placement.remaining(found, found[0], code, said)

    assert "".join(item.availability_zone[-1] for item in left) == expected


def test_remaining_reads_the_hint_for_the_type_that_failed_only() -> None:
    found = placement.candidates(facts())

    left = placement.remaining(found, found[0], "InsufficientInstanceCapacity", "or choosing us-east-1c, us-east-1b.")

    assert places(left) == ALL[1:]


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
