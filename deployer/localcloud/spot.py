"""Spot as RunInstances buys it: the request behind each instance, the price history, the placement scores."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from moto.ec2.models.spot_requests import SpotInstanceRequest
from moto.ec2.responses import EC2Response
from moto.ec2.utils import random_spot_request_id

from deployer.localcloud.offerings import vcpus, zones_offering
from deployer.localcloud.patching import adds, replaces
from deployer.localcloud.pricing import on_demand_price
from deployer.localcloud.regions import ALWAYS_ENABLED, zone_ids

# What spot costs beside on demand: about what it did in us-east-1 (spot price history, 2026-07-20), and not today's.
SHARE_OF_ON_DEMAND = 0.4
OTHER_PRICE_PER_VCPU = 0.02  # USD per hour, for types that the emulated Price List does not have

SCORES_SHOWN = 10  # GetSpotPlacementScores answers the ten best


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


def open_requests(backend: Any) -> list[Any]:
    """Return the requests of a region that wait for an instance; they count against the quota as instances do."""
    return [request for request in list(backend.spot_instance_requests.values()) if request.state == "open"]


def install() -> None:
    """Add the two spot questions that moto cannot answer, and requests that wait for a better price."""
    _let_requests_wait()
    _answer_prices()
    _answer_scores()


def _let_requests_wait() -> None:
    @replaces(SpotInstanceRequest, "launch_instance")
    def launch_instance(original: Any, self: Any) -> Any:
        asked = self.launch_specification
        zone = asked.availability_zone or f"{self.ec2_backend.region_name}a"
        is_too_low = self.price and float(self.price) < price(asked.instance_type, zone)
        return _NoInstance() if is_too_low else original(self)

    @replaces(SpotInstanceRequest, "__init__")
    def begin(original: Any, self: Any, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        if isinstance(self.instance, _NoInstance):
            self.state, self._status_code = "open", "price-too-low"
            self.status_message = f"Your Spot request price of {self.price} is lower than the market."


class _NoInstance:
    """What a waiting request has in the place of an instance."""

    id = None


def _answer_prices() -> None:

    @adds(EC2Response)
    def describe_spot_price_history(self: Any) -> ActionResult:
        filters = self._filters_from_querystring()
        types = self._get_param("InstanceTypes", []) or filters.get("instance-type", [])
        wanted = self._get_param("AvailabilityZone") or filters.get("availability-zone")
        zones = [wanted] if isinstance(wanted, str) else wanted
        products = self._get_param("ProductDescriptions", []) or ["Linux/UNIX"]
        ids = zone_ids(self.region)
        hour = utcnow().replace(minute=0, second=0, microsecond=0)
        history = [
            {
                "AvailabilityZone": zone,
                "AvailabilityZoneId": ids.get(zone),
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


def _answer_scores() -> None:
    @adds(EC2Response)
    def get_spot_placement_scores(self: Any) -> ActionResult:
        types = tuple(self._get_param("InstanceTypes", []))
        capacity = int(self._get_param("TargetCapacity") or 1)
        regions = self._get_param("RegionNames", []) or sorted(ALWAYS_ENABLED)
        if self._get_bool_param("SingleAvailabilityZone", False):
            zones = [zone for region in regions for zone in RegionsAndZonesBackend.zones.get(region, [])]
            scores: list[dict[str, Any]] = [
                {"Region": zone.region_name, "AvailabilityZoneId": zone.zone_id, "Score": score(types, zone, capacity)}
                for zone in zones
                if any(zone.name in zones_offering(name, zone.region_name) for name in types)
            ]
        else:
            scores = [
                {"Region": region, "Score": max(score(types, zone, capacity) for zone in zones)}
                for region in regions
                if (zones := RegionsAndZonesBackend.zones.get(region, []))
            ]
        best = sorted(scores, key=lambda item: (-item["Score"], item["Region"], item.get("AvailabilityZoneId", "")))
        return ActionResult({"SpotPlacementScores": best[:SCORES_SHOWN]})


def score(types: tuple[str, ...], zone: Any, capacity: int) -> int:
    """Return the emulated placement score of a zone, 1 to 10: stable, and different between zones.

    As on AWS fewer than three types score low, and so does a large capacity.
    """
    offered = sum(zone.name in zones_offering(name, zone.region_name) for name in types)
    luck = sha256(f"{zone.zone_id} {sorted(types)}".encode()).digest()[0] % 3
    points = (9 if len(types) > 2 and offered == len(types) else 3 + offered) - luck - capacity // 10
    return max(1, min(10, points)) if offered else 1


def price(instance_type: str, zone: str) -> float:
    """Return the emulated spot price in USD per hour; later zones are a little dearer."""
    on_demand = on_demand_price(instance_type, zone[:-1])
    base = OTHER_PRICE_PER_VCPU * vcpus(instance_type) if on_demand is None else SHARE_OF_ON_DEMAND * on_demand
    return base * (1 + 0.04 * (ord(zone[-1]) - ord("a")))
