"""Which (instance type, zone) to try next; pure, and the only place that knows which failures leave others a chance."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from deployer.aws import ec2, translation
from deployer.aws.images import MachineImage
from deployer.aws.quotas import quota_group
from deployer.config import Config
from deployer.facts import Facts, Unknown
from deployer.preflight import launchable_types

# This type cannot be had in this zone, now or ever; in another zone, or another type, perhaps.
# AWS's own faults belong here: a launch meets them in one zone far more often than in all of them.
TYPE_IN_ZONE_CODES = (translation.CAPACITY_CODES | translation.SERVER_FAULT_CODES | {"Unsupported"}) - {
    "InsufficientVolumeCapacity"
}

# Nothing fits into this zone, whatever the type: its disks or its addresses have run out.
ZONE_CODES = frozenset({"InsufficientFreeAddressesInSubnet", "InsufficientVolumeCapacity"})

# The account may not run more of this group of families, whatever the zone.
VCPU_QUOTA_CODES = translation.VCPU_QUOTA_CODES

# After these another candidate may do; any other error would meet every one of them.
CANDIDATE_CODES = TYPE_IN_ZONE_CODES | ZONE_CODES | VCPU_QUOTA_CODES

# "... by not specifying an Availability Zone in your request or choosing us-east-1b, us-east-1c."
_HINT = re.compile(r"\bchoosing\s+((?:[a-z]{2}(?:-[a-z]+)+-\d[a-z]\b(?:,?\s+(?:and|or)\s+|,\s*)?)+)")

# Room on the root disk beyond the image's own snapshot: the code, the images, the results.
WORKING_SPACE_GB = 40


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One place to launch; `usd_per_hour` is one instance there, None where no price is known.

    `usd_per_hour_at_most` is what it can rise to: on demand nothing more; as spot up to max_price, and never beyond
    the price on demand.
    """

    instance_type: str
    availability_zone: str
    zone_id: str
    image: MachineImage
    usd_per_hour: float | None = None
    usd_per_hour_at_most: float | None = None
    price_source: str = ""


def candidates(facts: Facts) -> list[Candidate]:
    """Return what may be launched, in the order to try.

    First where this deployment runs: a second `up` must find the machines where they are, not move them. Last what
    was refused in the last ten minutes. In between the types as configured, and the zones of each by price, by spot
    placement score, by name.
    """
    found = [
        candidate
        for name in launchable_types(facts)
        for zone in _zone_names(facts, name)
        if (candidate := _candidate(facts, name, zone)) is not None and _is_affordable(facts.config, candidate)
    ]
    return sorted(found, key=_rank(facts))


def remaining(candidates: Sequence[Candidate], failed: Candidate, code: str, said: str = "") -> list[Candidate]:
    """Return what is still worth trying after AWS refused `failed` with the error `code` and the words `said`.

    Each code excludes exactly what it says: a type in a zone, a zone, or all types that count against a full quota.
    Zones of which AWS says that they have the type come first. Any other error would meet every candidate, so that
    nothing is left.
    """
    if code in TYPE_IN_ZONE_CODES:
        place = (failed.instance_type, failed.availability_zone)
        left = [item for item in candidates if (item.instance_type, item.availability_zone) != place]
        return _hinted_first(left, failed.instance_type, hinted_zones(said))
    if code in ZONE_CODES:
        return [item for item in candidates if item.availability_zone != failed.availability_zone]
    if code in VCPU_QUOTA_CODES:
        group = quota_group(failed.instance_type)
        return [item for item in candidates if quota_group(item.instance_type) != group]
    return []


def hinted_zones(said: str) -> tuple[str, ...]:
    """Return the zones that AWS itself proposes in the words of a refusal; none for "choosing another one"."""
    found = _HINT.search(said)
    return tuple(re.findall(r"[a-z]{2}(?:-[a-z]+)+-\d[a-z]", found[1])) if found else ()


def root_volume_gb(config: Config, image: MachineImage) -> int:
    """Return the size of the root disk in GiB: as configured, else the image's snapshot and room to work.

    An image that was baked has that room in its snapshot.
    """
    return config.root_volume_gb or image.snapshot_gb + (0 if image.project else WORKING_SPACE_GB)


def _zone_names(facts: Facts, instance_type: str) -> list[str]:
    """Return the zones to try; where the offerings are unknown, every zone may be one."""
    zones = [] if isinstance(facts.zones, Unknown) else [zone.name for zone in facts.zones]
    if isinstance(facts.offerings, Unknown):
        possible = set(zones)
    else:
        possible = set(facts.offerings.get(instance_type, frozenset()))
        if zones:
            possible &= set(zones)
    wanted = _wanted_zone(facts)
    if wanted:
        return [wanted] if wanted in possible or not possible else []
    return sorted(possible)


def _wanted_zone(facts: Facts) -> str:
    """Return the name of the configured zone, which may be given by its id; empty for any."""
    wanted = facts.config.availability_zone
    zone = None if isinstance(facts.zones, Unknown) else ec2.find_zone(facts.zones, wanted)
    return zone.name if zone else wanted


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
        usd_per_hour_at_most=_at_most(facts, instance_type),
        price_source=f"{price.source}, {price.as_of}" if price else "",
    )


def _at_most(facts: Facts, instance_type: str) -> float | None:
    on_demand = facts.prices.get(instance_type)
    limits = [on_demand.usd_per_hour] if on_demand else []
    if facts.config.spot and facts.config.max_price:
        limits.append(facts.config.max_price)
    return min(limits, default=None)


def _is_affordable(config: Config, candidate: Candidate) -> bool:
    """Tell whether a candidate may be within max_price; a price that is not known is no reason to leave it out."""
    return not config.max_price or candidate.usd_per_hour is None or candidate.usd_per_hour <= config.max_price


def _rank(facts: Facts) -> Callable[[Candidate], tuple[Any, ...]]:
    """Return the order of candidates, the smallest first."""
    types = {name: number for number, name in enumerate(facts.config.instance_type)}
    occupied = {(item.instance_type, item.availability_zone) for item in facts.existing}
    refused = {
        (item.instance_type, item.zone_id)
        for item in facts.attempts
        if (item.region, item.spot, item.account) == (facts.config.region, facts.config.spot, facts.account)
    }
    scores = {} if isinstance(facts.spot_scores, Unknown) or not facts.config.spot else facts.spot_scores

    def rank(item: Candidate) -> tuple[Any, ...]:
        return (
            (item.instance_type, item.availability_zone) not in occupied,
            (item.instance_type, item.zone_id) in refused,
            types[item.instance_type],
            inf if item.usd_per_hour is None else item.usd_per_hour,
            -scores.get(item.zone_id, 0),
            item.availability_zone,
        )

    return rank


def _hinted_first(left: list[Candidate], instance_type: str, zones: Sequence[str]) -> list[Candidate]:
    """Return `left` with those of the type in front that are in one of `zones`, in AWS's order."""

    def rank(item: Candidate) -> int:
        is_hinted = item.instance_type == instance_type and item.availability_zone in zones
        return zones.index(item.availability_zone) if is_hinted else len(zones)

    return sorted(left, key=rank)
