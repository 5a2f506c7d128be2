"""EC2's three calls about capacity reservations."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses import EC2Response
from moto.ec2.utils import generic_filter

from deployer.localcloud import launching
from deployer.localcloud.capacity import Reservation, reservations
from deployer.localcloud.launching import Launch
from deployer.localcloud.offerings import vcpus
from deployer.localcloud.patching import adds
from deployer.localcloud.quotas import Quotas
from deployer.localcloud.regions import zone_ids

PAGE_SIZE = 1000  # DescribeCapacityReservations, "MaxResults": 1 to 1000


def install(quotas: Quotas) -> None:
    """Add the calls to moto."""

    @adds(EC2Response)
    def create_capacity_reservation(self: Any) -> ActionResult:
        zone = self._get_param("AvailabilityZone") or _zone_named(self.region, self._get_param("AvailabilityZoneId"))
        launch = Launch(
            region=self.region,
            zone=zone,
            instance_type=self._get_param("InstanceType"),
            count=int(self._get_param("InstanceCount") or 1),
            is_spot=False,
            vcpus_each=vcpus(self._get_param("InstanceType")),
        )
        launching.require_offered(launch)
        launching.require_quota(launch, self.ec2_backend, quotas)
        is_open = (self._get_param("InstanceMatchCriteria") or "open") == "open"
        made = Reservation(self.ec2_backend, launch, is_open=is_open, end=self._get_param("EndDate"))
        made.add_tags(self._parse_tag_specification().get("capacity-reservation", {}))
        reservations(self.ec2_backend)[made.id] = made
        return ActionResult({"CapacityReservation": made.describe()})

    @adds(EC2Response)
    def describe_capacity_reservations(self: Any) -> ActionResult:
        known = reservations(self.ec2_backend)
        asked = self._get_param("CapacityReservationIds", []) or list(known)
        found = generic_filter(self._filters_from_querystring(), [_existing(known, one) for one in asked])
        start = int(self._get_param("NextToken") or 0)
        end = start + min(int(self._get_param("MaxResults") or PAGE_SIZE), PAGE_SIZE)
        token = str(end) if end < len(found) else None
        return ActionResult({"CapacityReservations": [one.describe() for one in found[start:end]], "NextToken": token})

    @adds(EC2Response)
    def cancel_capacity_reservation(self: Any) -> ActionResult:
        _existing(reservations(self.ec2_backend), self._get_param("CapacityReservationId")).state = "cancelled"
        return ActionResult({"Return": True})


def _existing(known: dict[str, Reservation], identifier: str) -> Reservation:
    if identifier not in known:
        message = f"The capacity reservation '{identifier}' does not exist"
        raise EC2ClientError("InvalidCapacityReservationId.NotFound", message)
    return known[identifier]


def _zone_named(region: str, zone_id: str | None) -> str:
    return next((name for name, identifier in zone_ids(region).items() if identifier == zone_id), "")
