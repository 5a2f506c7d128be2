"""What counts against a quota beside running instances, and what the spot market takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloud_machines import Machine, describe

from deployer.localcloud.control import ControlClient
from deployer.localcloud.faults import Fault

Aws = Callable[..., Any]
Launch = Callable[..., Machine]

ON_DEMAND_G, SPOT_G = "L-DB2E81BA", "L-3819A6DF"
RESERVATION = {
    "InstanceType": "g4dn.xlarge",
    "InstancePlatform": "Linux/UNIX",
    "AvailabilityZone": "us-east-1b",
    "InstanceCount": 1,
    "InstanceMatchCriteria": "targeted",
}


@pytest.fixture
def reserve(aws: Aws) -> Iterator[Callable[..., str]]:
    """Make a capacity reservation and return its id; it is cancelled afterwards."""
    ec2 = aws("ec2")
    made: list[str] = []

    def create(**options: Any) -> str:
        answer = ec2.create_capacity_reservation(**(RESERVATION | options))["CapacityReservation"]
        made.append(answer["CapacityReservationId"])
        return made[-1]

    yield create
    for identifier in made:
        ec2.cancel_capacity_reservation(CapacityReservationId=identifier)


def reservation(ec2: Any, identifier: str) -> dict[str, Any]:
    found = ec2.describe_capacity_reservations(CapacityReservationIds=[identifier])["CapacityReservations"]
    assert len(found) == 1
    return dict(found[0])


def test_unused_reservation_counts_against_the_quota(
    control: ControlClient, launch: Launch, reserve: Callable[..., str]
) -> None:
    control.set_quota(ON_DEMAND_G, 8)
    reserve(InstanceCount=2)

    with pytest.raises(ClientError, match="VcpuLimitExceeded"):
        launch()


def test_launch_into_a_reservation_uses_it_up(aws: Aws, control: ControlClient, launch: Launch, reserve: Any) -> None:
    ec2 = aws("ec2")
    control.set_quota(ON_DEMAND_G, 4)
    identifier = reserve()
    before = reservation(ec2, identifier)
    target = {"CapacityReservationTarget": {"CapacityReservationId": identifier}}
    into = {"Placement": {"AvailabilityZone": "us-east-1b"}, "CapacityReservationSpecification": target}

    machine = launch(**into)

    assert describe(ec2, machine.id)["CapacityReservationId"] == identifier
    assert (before["AvailableInstanceCount"], before["TotalInstanceCount"], before["State"]) == (1, 1, "active")
    assert reservation(ec2, identifier)["AvailableInstanceCount"] == 0
    with pytest.raises(ClientError, match="ReservationCapacityExceeded"):
        launch(**into)


def test_cancelled_reservation_holds_nothing(aws: Aws, control: ControlClient, launch: Launch, reserve: Any) -> None:
    ec2 = aws("ec2")
    control.set_quota(ON_DEMAND_G, 4)
    identifier = reserve()
    ec2.cancel_capacity_reservation(CapacityReservationId=identifier)

    assert reservation(ec2, identifier)["State"] == "cancelled"
    active = ec2.describe_capacity_reservations(Filters=[{"Name": "state", "Values": ["active"]}])
    assert active["CapacityReservations"] == []
    assert launch().id


def test_reservation_meets_the_same_want_of_capacity(control: ControlClient, reserve: Callable[..., str]) -> None:
    control.add_fault(Fault(action="CreateCapacityReservation", code="InsufficientInstanceCapacity", zone="us-east-1b"))

    with pytest.raises(ClientError, match=r"g4dn\.xlarge capacity .* \(us-east-1b\)"):
        reserve()


def test_instance_says_how_many_cores_it_has(aws: Aws, control: ControlClient, launch: Launch) -> None:
    control.set_quota(ON_DEMAND_G, 6)
    whole = launch()
    half = launch(CpuOptions={"CoreCount": 1, "ThreadsPerCore": 2})

    options = [describe(aws("ec2"), machine.id)["CpuOptions"] for machine in (whole, half)]

    assert [item["CoreCount"] * item["ThreadsPerCore"] for item in options] == [4, 2]


def test_stopped_instance_starts_only_within_the_quota(aws: Aws, control: ControlClient, launch: Launch) -> None:
    ec2, machine = aws("ec2"), launch()
    ec2.stop_instances(InstanceIds=[machine.id])
    control.set_quota(ON_DEMAND_G, 0)

    with pytest.raises(ClientError, match="VcpuLimitExceeded"):
        ec2.start_instances(InstanceIds=[machine.id])
    control.set_quota(ON_DEMAND_G, 4)

    assert ec2.start_instances(InstanceIds=[machine.id])["StartingInstances"]


def test_spot_price_below_the_market_is_refused_with_the_market(launch: Launch) -> None:
    with pytest.raises(ClientError, match=r"price of 0\.01 is lower than the minimum .* price of 0\.2") as caught:
        launch(InstanceMarketOptions={"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.01"}})

    assert caught.value.response["Error"]["Code"] == "SpotMaxPriceTooLow"
    assert launch(InstanceMarketOptions={"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.5"}}).id


def test_open_spot_request_counts_against_the_spot_quota(aws: Aws, control: ControlClient, launch: Launch) -> None:
    ec2 = aws("ec2")
    control.set_quota(SPOT_G, 4)
    wanted = {"ImageId": "ami-063f381b07ea97834", "InstanceType": "g4dn.xlarge"}
    (request,) = ec2.request_spot_instances(SpotPrice="0.01", LaunchSpecification=wanted)["SpotInstanceRequests"]

    with pytest.raises(ClientError, match="MaxSpotInstanceCountExceeded"):
        launch(InstanceMarketOptions={"MarketType": "spot"})
    ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request["SpotInstanceRequestId"]])

    assert (request["State"], request["Status"]["Code"]) == ("open", "price-too-low")
    assert launch(InstanceMarketOptions={"MarketType": "spot"}).id
