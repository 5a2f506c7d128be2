"""Which (instance type, zone) to try next; pure, and the only place that knows which failures leave others a chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployer.aws import translation
from deployer.aws.images import MachineImage
from deployer.aws.quotas import quota_group
from deployer.config import Config
from deployer.facts import Facts, Unknown
from deployer.preflight import launchable_types

# This type cannot be had in this zone, now or ever; in another zone, or another type, perhaps.
ZONE_CODES = translation.CAPACITY_CODES | {"Unsupported", "InsufficientFreeAddressesInSubnet"}

# The account may not run more of this group of families, whatever the zone.
VCPU_QUOTA_CODES = frozenset(
    {"VcpuLimitExceeded", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded", "MaxFleetCountExceeded"}
)

# Room on the root disk beyond the image's own snapshot: the code, the images, the results.
WORKING_SPACE_GB = 40


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One place to launch; `usd_per_hour` is one instance there, None where no price is known."""

    instance_type: str
    availability_zone: str
    zone_id: str
    image: MachineImage
    usd_per_hour: float | None = None
    price_source: str = ""


def candidates(facts: Facts) -> list[Candidate]:
    """Return what may be launched, in the order to try: where this deployment runs, types as configured, zones by name.

    What runs comes first because a second `up` must find the machines where they are, not move them.
    """
    found = [
        candidate
        for name in launchable_types(facts)
        for zone in _zone_names(facts, name)
        if (candidate := _candidate(facts, name, zone)) is not None
    ]
    occupied = {(item.instance_type, item.availability_zone) for item in facts.existing}
    # Sorting is stable: the order within both halves stays.
    return sorted(found, key=lambda item: (item.instance_type, item.availability_zone) not in occupied)


def remaining(candidates: Sequence[Candidate], failed: Candidate, code: str) -> list[Candidate]:
    """Return what is still worth trying after AWS refused `failed` with the error `code`.

    No capacity excludes the type in that zone, a full quota all types that count against it; any other
    error would meet every candidate, so nothing is left.
    """
    if code in ZONE_CODES:
        place = (failed.instance_type, failed.availability_zone)
        return [item for item in candidates if (item.instance_type, item.availability_zone) != place]
    if code in VCPU_QUOTA_CODES:
        group = quota_group(failed.instance_type)
        return [item for item in candidates if quota_group(item.instance_type) != group]
    return []


def root_volume_gb(config: Config, image: MachineImage) -> int:
    """Return the size of the root disk in GiB: as configured, else the image's snapshot and room to work."""
    return config.root_volume_gb or image.snapshot_gb + WORKING_SPACE_GB


def _zone_names(facts: Facts, instance_type: str) -> list[str]:
    """Return the zones to try; where the offerings are unknown, every zone may be one."""
    zones = [] if isinstance(facts.zones, Unknown) else [zone.name for zone in facts.zones]
    if isinstance(facts.offerings, Unknown):
        possible = set(zones)
    else:
        possible = set(facts.offerings.get(instance_type, frozenset()))
        if zones:
            possible &= set(zones)
    wanted = facts.config.availability_zone
    if wanted:
        return [wanted] if wanted in possible or not possible else []
    return sorted(possible)


def _candidate(facts: Facts, instance_type: str, zone: str) -> Candidate | None:
    image = facts.images.get(instance_type)
    if image is None or isinstance(image, Unknown):
        return None
    ids = {} if isinstance(facts.zones, Unknown) else {item.name: item.id for item in facts.zones}
    if facts.config.spot:
        spot = {} if isinstance(facts.spot_prices, Unknown) else facts.spot_prices
        price = spot.get((instance_type, zone))
    else:
        price = facts.prices.get(instance_type)
    return Candidate(
        instance_type=instance_type,
        availability_zone=zone,
        zone_id=ids.get(zone, ""),
        image=image,
        usd_per_hour=price.usd_per_hour if price else None,
        price_source=f"{price.source}, {price.as_of}" if price else "",
    )
