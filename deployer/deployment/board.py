"""The board of `check`: facts laid out as type × zone, nothing drawn and nothing asked.

What was not read is None, and `gaps` says why: a figure that nobody gave is never shown.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployer.attempts import Attempt
from deployer.aws.ec2 import InstanceType, Zone
from deployer.aws.hardware import ZONES_DATE, GpuType, hardware_table
from deployer.aws.prices import Price
from deployer.facts import Facts, Unknown
from deployer.placement import Candidate


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One instance type in one zone; `order` is its place among the candidates of `up`, 1 for the next, 0 for none.

    `spot_score` is AWS's, 1 to 10, for all the types asked about together.
    """

    instance_type: str
    zone: str
    zone_id: str
    offered: bool | None
    on_demand: Price | None = None
    spot: Price | None = None
    spot_score: int | None = None
    recent_failure: Attempt | None = None
    minutes_ago: float | None = None
    order: int = 0


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What one instance type is made of; `as_of` is the table's date where EC2 did not tell, else empty.

    `gpus` is 0 for a part of one, and for none; then `gpu` is empty. `network_gbps` is what the network sustains.
    """

    name: str
    gpu: str
    gpus: int
    gpu_memory_mib: int
    vcpus: int
    memory_gib: float
    architecture: str
    network: str
    network_gbps: float
    as_of: str = ""


@dataclass(frozen=True)
class Gap:
    """A column that could not be filled, why, and the IAM action that would help."""

    subject: str
    reason: str
    permission: str = ""


@dataclass(frozen=True, kw_only=True)
class Board:
    """Type × zone of one region, the hardware of the types, and what could not be read."""

    region: str
    offers: tuple[Offer, ...]
    types: tuple[Hardware, ...]
    gaps: tuple[Gap, ...]

    def of_type(self, instance_type: str) -> tuple[Offer, ...]:
        """Return the rows of one type."""
        return tuple(item for item in self.offers if item.instance_type == instance_type)


def make_board(facts: Facts, candidates: Sequence[Candidate], *, now: float | None = None) -> Board:
    """Lay out the facts: types in the user's order, zones by name; `now` is in seconds since the epoch."""
    now = time.time() if now is None else now
    order = {(item.instance_type, item.availability_zone): number for number, item in enumerate(candidates, 1)}
    # A type that exists only elsewhere has its row here, which says so; a name that nobody knows has none.
    known = {item.name for item in hardware_table()}
    known |= set(facts.config.instance_type if isinstance(facts.types, Unknown) else facts.types)
    names = [name for name in facts.config.instance_type if name in known]
    return Board(
        region=facts.config.region,
        offers=tuple(_offer(facts, name, zone, order, now) for name in names for zone in _zones(facts, name)),
        types=_hardware(facts),
        gaps=_gaps(facts),
    )


def _hardware(facts: Facts) -> tuple[Hardware, ...]:
    """Return the hardware as EC2 describes it; where it may not be asked, as the table has it."""
    if isinstance(facts.types, Unknown):
        table = {item.name: _from_table(item) for item in hardware_table()}
    else:
        table = {name: _from_ec2(item) for name, item in facts.types.items()}
    return tuple(table[name] for name in facts.config.instance_type if name in table)


def _from_ec2(item: InstanceType) -> Hardware:
    return Hardware(
        name=item.name,
        gpu=item.gpu_name,
        gpus=item.gpus,
        gpu_memory_mib=item.gpu_memory_mib,
        vcpus=item.vcpus,
        memory_gib=item.memory_mib / 1024,
        architecture=item.architecture,
        network=item.network,
        network_gbps=item.network_gbps,
    )


def _from_table(item: GpuType) -> Hardware:
    return Hardware(
        name=item.name,
        gpu=item.gpu,
        gpus=item.gpus,
        gpu_memory_mib=item.gpu_memory_mib,
        vcpus=item.vcpus,
        memory_gib=item.memory_gib,
        architecture=item.arch,
        network=item.network,
        network_gbps=item.network_gbps,
        as_of=ZONES_DATE,
    )


def _zones(facts: Facts, instance_type: str) -> tuple[Zone, ...]:
    """Return the region's zones; where they could not be read, those that offer the type, without their ids."""
    if not isinstance(facts.zones, Unknown):
        return facts.zones
    offered = {} if isinstance(facts.offerings, Unknown) else facts.offerings
    return tuple(Zone(name=name, id="") for name in sorted(offered.get(instance_type, ())))


def _offer(facts: Facts, instance_type: str, zone: Zone, order: Mapping[tuple[str, str], int], now: float) -> Offer:
    place = (instance_type, zone.name)
    spot = {} if isinstance(facts.spot_prices, Unknown) else facts.spot_prices
    scores = {} if isinstance(facts.spot_scores, Unknown) else facts.spot_scores
    failure = _latest_failure(facts, instance_type, zone)
    offered = None
    if not isinstance(facts.offerings, Unknown):
        offered = zone.name in facts.offerings.get(instance_type, frozenset())
    is_sold = offered is not False
    return Offer(
        instance_type=instance_type,
        zone=zone.name,
        zone_id=zone.id,
        offered=offered,
        on_demand=facts.prices.get(instance_type) if is_sold else None,
        spot=spot.get(place) if is_sold else None,
        spot_score=scores.get(zone.id) if is_sold else None,
        recent_failure=failure,
        minutes_ago=None if failure is None else max(0.0, now - failure.at) / 60,
        order=order.get(place, 0),
    )


def _latest_failure(facts: Facts, instance_type: str, zone: Zone) -> Attempt | None:
    """Return the last refusal of this type here, bought this way: spot and on demand run out apart."""
    here = [
        item
        for item in facts.attempts
        if (item.region, item.instance_type, item.zone_id) == (facts.config.region, instance_type, zone.id)
        and (item.spot, item.account) == (facts.config.spot, facts.account)
    ]
    return max(here, key=lambda item: item.at, default=None)


def _gaps(facts: Facts) -> tuple[Gap, ...]:
    parts = (
        ("offered", facts.offerings),
        ("zone ids", facts.zones),
        ("hardware", facts.types),
        ("live prices on demand", facts.price_list),
        ("spot prices", facts.spot_prices),
        ("spot scores", facts.spot_scores),
    )
    return tuple(Gap(name, part.reason, part.permission) for name, part in parts if isinstance(part, Unknown))
