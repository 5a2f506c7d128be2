"""Regions as an account sees them: which there are, which are enabled, and what one that is not answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Aws = Callable[..., Any]


def test_all_regions_are_listed_with_their_opt_in_status(aws: Aws) -> None:
    ec2 = aws("ec2")

    every = {item["RegionName"]: item["OptInStatus"] for item in ec2.describe_regions(AllRegions=True)["Regions"]}
    enabled = {item["RegionName"] for item in ec2.describe_regions()["Regions"]}

    assert {every[name] for name in ("ap-east-1", "me-south-1", "af-south-1")} == {"not-opted-in"}
    assert every["us-east-1"] == "opt-in-not-required"
    assert enabled == {name for name, status in every.items() if status != "not-opted-in"}
    assert not any(name.startswith(("cn-", "us-gov-")) for name in every)


def test_regions_are_filtered_by_status_and_by_name(aws: Aws) -> None:
    ec2 = aws("ec2")
    status = [{"Name": "opt-in-status", "Values": ["opt-in-not-required", "opted-in"]}]

    usable = ec2.describe_regions(AllRegions=True, Filters=status)["Regions"]
    named = ec2.describe_regions(RegionNames=["ap-east-1"])["Regions"]

    assert len(usable) == 17
    assert [item["OptInStatus"] for item in named] == ["not-opted-in"]
    with pytest.raises(ClientError, match="Invalid region names"):
        ec2.describe_regions(RegionNames=["us-east-9"])


@pytest.mark.parametrize(
    ("service", "call", "status", "code"),
    [
        ("ec2", lambda client: client.describe_instances(), 401, "AuthFailure"),
        ("sts", lambda client: client.get_caller_identity(), 403, "InvalidClientTokenId"),
        ("cloud9", lambda client: client.list_environments(), 400, "UnrecognizedClientException"),
    ],
)
def test_region_that_is_not_enabled_does_not_know_the_keys(
    aws: Aws, service: str, call: Callable[[Any], Any], status: int, code: str
) -> None:
    with pytest.raises(ClientError) as caught:
        call(aws(service, region_name="ap-east-1"))

    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize("region", ["eu-west-1", "us-west-2", "eu-central-1", "ap-southeast-2"])
def test_offerings_agree_by_name_and_by_id_of_the_zone(aws: Aws, region: str) -> None:
    ec2 = aws("ec2", region_name=region)
    filters = [{"Name": "instance-type", "Values": ["g4dn.xlarge"]}]
    ids = {zone["ZoneName"]: zone["ZoneId"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]}

    def offered(kind: str) -> set[str]:
        answer = ec2.describe_instance_type_offerings(LocationType=kind, Filters=filters)
        return {item["Location"] for item in answer["InstanceTypeOfferings"]}

    by_name = offered("availability-zone")
    assert by_name
    assert {ids[name] for name in by_name} == offered("availability-zone-id")
    assert ec2.describe_spot_price_history(InstanceTypes=["g4dn.xlarge"])["SpotPriceHistory"]


def test_offerings_are_found_by_pattern_and_come_by_page(aws: Aws) -> None:
    ec2 = aws("ec2")
    filters = [{"Name": "instance-type", "Values": ["g4dn.*", "g5.xlarge"]}]

    pages = list(
        ec2.get_paginator("describe_instance_type_offerings").paginate(
            LocationType="availability-zone", Filters=filters, PaginationConfig={"PageSize": 20}
        )
    )

    found = {item["InstanceType"] for page in pages for item in page["InstanceTypeOfferings"]}
    assert len(pages) > 1
    assert {name.partition(".")[0] for name in found} == {"g4dn", "g5"}
    assert {name for name in found if name.startswith("g5")} == {"g5.xlarge"}


def test_scores_of_zones_are_of_the_regions_that_were_named(aws: Aws) -> None:
    types = ["g4dn.xlarge", "g5.xlarge", "g6.xlarge"]
    asked = {"InstanceTypes": types, "TargetCapacity": 1, "RegionNames": ["us-west-2", "eu-west-1"]}
    ec2 = aws("ec2")

    zones = ec2.get_spot_placement_scores(**asked, SingleAvailabilityZone=True)["SpotPlacementScores"]
    regions = ec2.get_spot_placement_scores(**asked)["SpotPlacementScores"]
    again = ec2.get_spot_placement_scores(**asked, SingleAvailabilityZone=True)["SpotPlacementScores"]

    assert {item["AvailabilityZoneId"].partition("-")[0] for item in zones} == {"usw2", "euw1"}
    assert len({item["Score"] for item in zones}) > 1
    assert zones == again
    assert {item["Region"] for item in regions} == {"us-west-2", "eu-west-1"}
    assert all("AvailabilityZoneId" not in item for item in regions)


def test_few_types_and_much_capacity_score_low(aws: Aws) -> None:
    def best(*types: str, capacity: int = 1) -> int:
        asked = {"InstanceTypes": list(types), "TargetCapacity": capacity, "RegionNames": ["us-east-1"]}
        found = aws("ec2").get_spot_placement_scores(**asked, SingleAvailabilityZone=True)["SpotPlacementScores"]
        return max(int(item["Score"]) for item in found)

    assert best("g4dn.xlarge") < best("g4dn.xlarge", "g5.xlarge", "g6.xlarge")
    assert best("g4dn.xlarge", "g5.xlarge", "g6.xlarge", capacity=50) < best("g4dn.xlarge", "g5.xlarge", "g6.xlarge")
