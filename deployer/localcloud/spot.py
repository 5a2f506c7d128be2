"""Spot as RunInstances buys it: the request behind each instance, the price history, the placement scores."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.models.spot_requests import SpotInstanceRequest
from moto.ec2.responses import EC2Response
from moto.ec2.utils import random_spot_request_id

from deployer.localcloud.launching import vcpus, zones_offering
from deployer.localcloud.patching import adds

# USD per vCPU and hour: about 40 % of the on-demand price in us-east-1 (Price List API, 2026-07-20); a rehearsal needs
# prices of the right size that differ between zones, not today's.
PRICE_PER_VCPU = {"g4dn": 0.053, "g5": 0.1, "g5g": 0.042, "g6": 0.08, "g6e": 0.19, "p4d": 0.14, "p5": 0.22}
OTHER_PRICE_PER_VCPU = 0.02


class _Adopted(SpotInstanceRequest):
    """A request for an instance that runs already; moto's own class would launch another one."""

    def __init__(self, instance: Any, **values: Any) -> None:
        self._adopted = instance
        super().__init__(**values)

    def launch_instance(self) -> Any:
        return self._adopted


def record_request(backend: Any, instance: Any) -> None:
    """Leave behind the spot request that RunInstances makes; Terraform replaces a spot instance without one."""
    request = _Adopted(
        instance,
        ec2_backend=backend,
        spot_request_id=random_spot_request_id(),
        price="",
        image_id=instance.image_id,
        spot_instance_type="one-time",
        valid_from=None,
        valid_until=None,
        launch_group=None,
        availability_zone_group=None,
        key_name=instance.key_name,
        security_groups=[group.id for group in instance.security_groups],
        user_data=None,
        instance_type=instance.instance_type,
        placement=instance.availability_zone,
        kernel_id=None,
        ramdisk_id=None,
        monitoring_enabled=False,
        subnet_id=instance.subnet_id,
        tags={},
        spot_fleet_id=None,
        instance_interruption_behaviour="terminate",
    )
    backend.spot_instance_requests[request.id] = request
    instance.spot_instance_request_id = request.id
    instance.lifecycle = instance.instance_lifecycle = "spot"


def close_request(instance: Any) -> None:
    """Close the request of an instance that is terminated, as EC2 does with a one-time request."""
    identifier = getattr(instance, "spot_instance_request_id", None)
    request = instance.ec2_backend.spot_instance_requests.get(identifier)
    if request is not None:
        request.state = "closed"
        request._status_code = "instance-terminated-by-user"


def install() -> None:
    """Add the two spot questions that moto cannot answer."""

    @adds(EC2Response)
    def describe_spot_price_history(self: Any) -> ActionResult:
        filters = self._filters_from_querystring()
        types = self._get_param("InstanceTypes", []) or filters.get("instance-type", [])
        wanted = self._get_param("AvailabilityZone") or filters.get("availability-zone")
        zones = [wanted] if isinstance(wanted, str) else wanted
        products = self._get_param("ProductDescriptions", []) or ["Linux/UNIX"]
        hour = utcnow().replace(minute=0, second=0, microsecond=0)
        history = [
            {
                "AvailabilityZone": zone,
                "InstanceType": instance_type,
                "ProductDescription": product,
                "SpotPrice": f"{price(instance_type, zone):.6f}",
                "Timestamp": hour - timedelta(hours=age),
            }
            for age in (0, 6, 12)
            for instance_type in types
            for zone in zones_offering(instance_type, self.region)
            if zones is None or zone in zones
            for product in products
        ]
        return ActionResult({"SpotPriceHistory": history, "NextToken": ""})

    @adds(EC2Response)
    def get_spot_placement_scores(self: Any) -> ActionResult:
        types = self._get_param("InstanceTypes", [])
        regions = self._get_param("RegionNames", []) or [self.region]
        if not self._get_param("SingleAvailabilityZone", False):
            return ActionResult({"SpotPlacementScores": [{"Region": region, "Score": 9} for region in regions]})
        scores = [
            # AWS scores fewer than three types low.
            {
                "Region": self.region,
                "AvailabilityZoneId": zone.zone_id,
                "Score": (9 if len(types) > 2 else 3) - index % 2,
            }
            for index, zone in enumerate(self.ec2_backend.describe_availability_zones())
        ]
        return ActionResult({"SpotPlacementScores": scores})


def price(instance_type: str, zone: str) -> float:
    """Return the emulated spot price in USD per hour; later zones are a little dearer."""
    family = instance_type.partition(".")[0]
    dearer = 1 + 0.04 * (ord(zone[-1]) - ord("a"))
    return PRICE_PER_VCPU.get(family, OTHER_PRICE_PER_VCPU) * vcpus(instance_type) * dearer
