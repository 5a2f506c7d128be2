"""On-demand capacity reservations, which moto does not have: held for one type in one zone, and counted as if used."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.utils import random_resource_id

from deployer.localcloud.regions import zone_ids

EXCEEDED = "The requested reservation does not have sufficient compatible and available capacity for this request."


class Wanted(Protocol):
    """The part of a launch that a reservation looks at."""

    @property
    def zone(self) -> str:
        """The availability zone."""

    @property
    def instance_type(self) -> str:
        """The type."""

    @property
    def count(self) -> int:
        """How many instances."""

    @property
    def is_spot(self) -> bool:
        """Whether they are spot instances, which no reservation serves."""

    @property
    def reservation_id(self) -> str:
        """The reservation that it names; empty for none."""


class Reservation(TaggedEC2Resource):
    """One reservation; an `open` one serves every launch that fits, a `targeted` one only those that name it."""

    def __init__(self, backend: Any, launch: Wanted, *, is_open: bool, end: datetime | None) -> None:
        self.ec2_backend = backend
        self.id = f"cr-{random_resource_id(17)}"
        self.instance_type = launch.instance_type
        self.zone = launch.zone
        self.total = launch.count
        self.is_open = is_open
        self.end = end
        self.state = "active"
        self.created = utcnow()

    @property
    def unused(self) -> int:
        """How many instances it still has room for."""
        running = sum(
            getattr(instance, "capacity_reservation_id", None) == self.id and instance.state in {"pending", "running"}
            for instance in self.ec2_backend.all_instances()
        )
        return max(0, self.total - running) if self.state == "active" else 0

    def get_filter_value(self, filter_name: str, method_name: str | None = None) -> Any:
        """Return what a filter of DescribeCapacityReservations reads."""
        known = {"state": self.state, "instance-type": self.instance_type, "availability-zone": self.zone}
        known["instance-match-criteria"] = self.criteria
        return known[filter_name] if filter_name in known else super().get_filter_value(filter_name, method_name)

    @property
    def criteria(self) -> str:
        """Which launches it serves, in EC2's word."""
        return "open" if self.is_open else "targeted"

    def describe(self) -> dict[str, Any]:
        """Return the reservation as EC2 answers it."""
        region, account = self.ec2_backend.region_name, self.ec2_backend.account_id
        return {
            "CapacityReservationId": self.id,
            "CapacityReservationArn": f"arn:aws:ec2:{region}:{account}:capacity-reservation/{self.id}",
            "OwnerId": account,
            "InstanceType": self.instance_type,
            "InstancePlatform": "Linux/UNIX",
            "AvailabilityZone": self.zone,
            "AvailabilityZoneId": zone_ids(region).get(self.zone, ""),
            "Tenancy": "default",
            "TotalInstanceCount": self.total,
            "AvailableInstanceCount": self.unused,
            "State": self.state,
            "InstanceMatchCriteria": self.criteria,
            "EndDateType": "limited" if self.end else "unlimited",
            "EndDate": self.end,
            "StartDate": self.created,
            "CreateDate": self.created,
            "Tags": self.get_tags(),
        }


def reservations(backend: Any) -> dict[str, Reservation]:
    """Return the reservations of a region, by id."""
    found: dict[str, Reservation] = vars(backend).setdefault("capacity_reservations", {})
    return found


def serving(backend: Any, launch: Wanted) -> Reservation | None:
    """Return the reservation that a launch goes into. Raises EC2's error when the one it names has no room."""
    if launch.reservation_id:
        named = reservations(backend).get(launch.reservation_id)
        if named is None:
            message = f"The capacity reservation '{launch.reservation_id}' does not exist"
            raise EC2ClientError("InvalidCapacityReservationId.NotFound", message)
        if named.unused < launch.count:
            raise EC2ClientError("ReservationCapacityExceeded", EXCEEDED)
        return named
    fitting = (one for one in reservations(backend).values() if one.is_open and not launch.is_spot)
    wanted = (launch.instance_type, launch.zone)
    return next(
        (one for one in fitting if (one.instance_type, one.zone) == wanted and one.unused >= launch.count), None
    )
