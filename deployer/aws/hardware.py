"""The GPU instance types that can be launched, as a dated table: for suggestions, and where AWS tells no price.

The table (gpu_instances.csv) holds every type with an NVIDIA GPU that was offered on 2026-08-01 in us-east-1, us-east-2
or us-west-2: hardware and zones from the EC2 API of that day, USD per hour on demand (Linux, shared tenancy, us-east-1)
from the Price List of 2026-07-20; no price where AWS sells capacity blocks only.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

TABLE_DATE = "2026-07-20"  # of the prices
ZONES_DATE = "2026-08-01"  # of the hardware and the zones
TABLE_REGION = "us-east-1"

# Columns of zone ids, as digits: "1246" under az_use1 is use1-az1, use1-az2, use1-az4 and use1-az6.
ZONE_COLUMNS = {"az_use1": "use1", "az_use2": "use2", "az_usw2": "usw2"}


@dataclass(frozen=True, kw_only=True)
class GpuType:
    """One row of the table; `gpus` is 0 for a fraction of one GPU (g6f), whose memory `gpu_memory_mib` is.

    `gpu_memory_mib` is of each GPU; `network` is EC2's words, `network_gbps` what it sustains; `usd_per_hour` is None
    where there is no on-demand price; `zone_ids` are those of the three regions above.
    """

    name: str
    gpu: str
    gpus: int
    gpu_memory_mib: int
    vcpus: int
    memory_gib: int
    network: str
    network_gbps: float
    nvme_gb: int
    arch: str
    usd_per_hour: float | None
    zone_ids: frozenset[str]


@cache
def hardware_table() -> tuple[GpuType, ...]:
    """Return the table, family by family, the smallest size of each first."""
    text = files("deployer.aws").joinpath("gpu_instances.csv").read_text(encoding="utf-8")
    return tuple(_gpu_type(row) for row in csv.DictReader(text.splitlines()))


def _gpu_type(row: Mapping[str, str]) -> GpuType:
    return GpuType(
        name=row["type"],
        gpu=row["gpu"],
        gpus=int(row["gpus"]),
        gpu_memory_mib=int(row["gpu_mem_mib_each"]),
        vcpus=int(row["vcpus"]),
        memory_gib=int(row["mem_gib"]),
        network=row["net_perf"],
        network_gbps=float(row["net_baseline_gbps"]),
        nvme_gb=int(row["nvme_gb"]),
        arch=row["arch"],
        usd_per_hour=float(row["od_usd_h_use1"]) if row["od_usd_h_use1"] else None,
        zone_ids=frozenset(_zone_ids(row)),
    )


def _zone_ids(row: Mapping[str, str]) -> Iterator[str]:
    for column, prefix in ZONE_COLUMNS.items():
        yield from (f"{prefix}-az{digit}" for digit in row[column] if digit != "-")
