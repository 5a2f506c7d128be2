"""What a deployment costs: prices × hours. USD, before tax; traffic to the internet and S3 are not in it."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.placement import Candidate

# EBS gp3 with its included throughput, us-east-1: aws.amazon.com/ebs/pricing, read 2026-11.
GP3_USD_PER_GB_MONTH = 0.08
HOURS_PER_MONTH = 730

# Every public IPv4 address in use, all regions: AWS announcement, in force since 2024-02-01.
PUBLIC_IPV4_USD_PER_HOUR = 0.005

DISK_SOURCE = "gp3 $0.08 per GB and month (us-east-1, 2026-11)"
PUBLIC_IP_SOURCE = "public IPv4 $0.005 per hour (2024-02-01)"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """USD per hour of all nodes together; `per_max_hours` is the most until the machines end themselves.

    None where AWS's price for the instance is unknown.
    """

    instance: float | None
    disk: float
    public_ip: float
    total: float | None
    max_hours: float
    per_max_hours: float | None
    sources: tuple[str, ...]


def hourly(candidate: Candidate, *, nodes: int, root_volume_gb: int, max_hours: float) -> Cost:
    """Return what `nodes` machines of a candidate cost per hour, and for `max_hours`."""
    disk = nodes * root_volume_gb * GP3_USD_PER_GB_MONTH / HOURS_PER_MONTH
    public_ip = nodes * PUBLIC_IPV4_USD_PER_HOUR
    instance = None if candidate.usd_per_hour is None else nodes * candidate.usd_per_hour
    total = None if instance is None else instance + disk + public_ip
    sources = (f"{candidate.instance_type}: {candidate.price_source}",) if candidate.price_source else ()
    return Cost(
        instance=instance,
        disk=disk,
        public_ip=public_ip,
        total=total,
        max_hours=max_hours,
        per_max_hours=None if total is None else total * max_hours,
        sources=(*sources, DISK_SOURCE, PUBLIC_IP_SOURCE),
    )
