"""What a deployment costs: prices × hours. USD, before tax; traffic to the internet and S3 are not in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from deployer.placement import Candidate

# EBS gp3, us-east-1: aws.amazon.com/ebs/pricing, read 2026-11. 125 MiB/s are included; the rest of the throughput that
# terraform/modules/gpu_instance asks for bills by itself.
GP3_USD_PER_GB_MONTH = 0.08
GP3_USD_PER_MIBPS_MONTH = 0.04
DISK_MIBPS = 250
DISK_MIBPS_INCLUDED = 125
HOURS_PER_MONTH = 730

# Every public IPv4 address in use, all regions: AWS announcement, in force since 2024-02-01.
PUBLIC_IPV4_USD_PER_HOUR = 0.005

# The environment of terraform/modules/cloud9: a t3.small on demand in us-east-1 (Price List of 2026-07-20), its public
# address, and Cloud9's own 10 GB disk, gp2 at $0.10 (aws.amazon.com/cloud9/pricing, read 2026-11).
CLOUD9_INSTANCE_USD_PER_HOUR = 0.0208
CLOUD9_DISK_USD_PER_HOUR = 10 * 0.10 / HOURS_PER_MONTH
CLOUD9_IDLE_MINUTES = 30

DISK_SOURCE = "gp3 $0.08 per GB, $0.04 per MiB/s beyond 125, a month (us-east-1, 2026-11)"
PUBLIC_IP_SOURCE = "public IPv4 $0.005 per hour (2024-02-01)"
CLOUD9_SOURCE = f"t3.small, its address and 10 GB (us-east-1, 2026-07); stops after {CLOUD9_IDLE_MINUTES} idle minutes"


class Line(NamedTuple):
    """One thing that bills: USD per hour, None where AWS's price is unknown."""

    what: str
    usd_per_hour: float | None
    source: str


@dataclass(frozen=True, kw_only=True)
class Cost:
    """USD per hour of all nodes together; `per_max_hours` is the most until the machines end themselves.

    None where AWS's price for the instance is unknown. The price of spot moves: the most counts what it can rise to.
    A Cloud9 environment is counted as if it never idled; its disk bills until `down`.
    """

    instance: float | None
    disk: float
    public_ip: float
    cloud9: float = 0.0
    total: float | None
    max_hours: float
    per_max_hours: float | None
    lines: tuple[Line, ...]
    sources: tuple[str, ...]

    @property
    def reservation(self) -> str:
        """Return what is to be said beside `per_max_hours`: why it is more than price × hours, and what comes after."""
        if self.total is None or self.per_max_hours is None:
            return ""
        rises = " if spot rises to its limit" if self.per_max_hours > self.total * self.max_hours * 1.000001 else ""
        return rises + (", Cloud9 afterwards aside" if self.cloud9 else "")


def hourly(
    candidate: Candidate, *, nodes: int, root_volume_gb: int, max_hours: float, has_cloud9: bool = False
) -> Cost:
    """Return what `nodes` machines of a candidate cost per hour, and for `max_hours`."""
    instance = None if candidate.usd_per_hour is None else nodes * candidate.usd_per_hour
    throughput = (DISK_MIBPS - DISK_MIBPS_INCLUDED) * GP3_USD_PER_MIBPS_MONTH
    disk = nodes * (root_volume_gb * GP3_USD_PER_GB_MONTH + throughput) / HOURS_PER_MONTH
    public_ip = nodes * PUBLIC_IPV4_USD_PER_HOUR
    cloud9 = CLOUD9_INSTANCE_USD_PER_HOUR + PUBLIC_IPV4_USD_PER_HOUR + CLOUD9_DISK_USD_PER_HOUR if has_cloud9 else 0.0
    count = f"{nodes} × " if nodes > 1 else ""
    lines = (
        Line(f"{count}{candidate.instance_type}", instance, candidate.price_source),
        Line(f"{count}disk of {root_volume_gb} GB", disk, DISK_SOURCE),
        Line(f"{count}public address", public_ip, PUBLIC_IP_SOURCE),
        *([Line("Cloud9 environment", cloud9, CLOUD9_SOURCE)] if has_cloud9 else []),
    )
    rest = disk + public_ip + cloud9
    total = None if instance is None else instance + rest
    at_most = candidate.usd_per_hour_at_most
    first = (f"{candidate.instance_type}: {candidate.price_source}",) if candidate.price_source else ()
    return Cost(
        instance=instance,
        disk=disk,
        public_ip=public_ip,
        cloud9=cloud9,
        total=total,
        max_hours=max_hours,
        per_max_hours=None if total is None or at_most is None else (nodes * at_most + rest) * max_hours,
        lines=lines,
        sources=(*first, *(line.source for line in lines[1:])),
    )
