"""What counts against the vCPU quotas beside the machines that run: capacity that is reserved, and spot requests."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.aws.session import Session, aws_errors


@dataclass(frozen=True, kw_only=True)
class CapacityReservation:
    """Machines that are paid for whether they run or not; `available` of `total` do not."""

    instance_type: str
    availability_zone: str
    total: int
    available: int


@dataclass(frozen=True, kw_only=True)
class SpotRequest:
    """One request on the spot market that is open or has its machine; `instance_id` is empty while it waits."""

    id: str
    instance_type: str
    state: str
    instance_id: str = ""


def capacity_reservations(session: Session) -> tuple[CapacityReservation, ...]:
    """Return the capacity reservations in force; no capacity blocks, which have quotas of their own."""
    with aws_errors("ec2:DescribeCapacityReservations", region=session.region):
        filters = [{"Name": "state", "Values": ["active"]}]
        return tuple(
            CapacityReservation(
                instance_type=item["InstanceType"],
                availability_zone=item.get("AvailabilityZone", ""),
                total=item["TotalInstanceCount"],
                available=item["AvailableInstanceCount"],
            )
            for item in session.pages("ec2", "describe_capacity_reservations", "CapacityReservations", Filters=filters)
            if item.get("ReservationType") != "capacity-block"
        )


def spot_requests(session: Session) -> tuple[SpotRequest, ...]:
    """Return the spot requests that wait for a machine or have one."""
    with aws_errors("ec2:DescribeSpotInstanceRequests", region=session.region):
        filters = [{"Name": "state", "Values": ["open", "active"]}]
        return tuple(
            SpotRequest(
                id=item["SpotInstanceRequestId"],
                instance_type=item.get("LaunchSpecification", {}).get("InstanceType", ""),
                state=item["State"],
                instance_id=item.get("InstanceId", ""),
            )
            for item in session.pages("ec2", "describe_spot_instance_requests", "SpotInstanceRequests", Filters=filters)
        )
