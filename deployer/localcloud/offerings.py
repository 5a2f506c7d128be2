"""Which types there are, and which zone offers them: moto's copy of AWS's own lists."""

from __future__ import annotations

from functools import cache

from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES


def exists(instance_type: str) -> bool:
    """Tell whether AWS ever had a type of this name."""
    return instance_type in INSTANCE_TYPES


def vcpus(instance_type: str) -> int:
    """Return the vCPUs of a type."""
    return int(INSTANCE_TYPES[instance_type]["VCpuInfo"]["DefaultVCpus"]) if exists(instance_type) else 1


def cpu_options(instance_type: str) -> dict[str, int]:
    """Return the cores of a type and the threads of each, as an instance describes them."""
    told = INSTANCE_TYPES[instance_type]["VCpuInfo"] if exists(instance_type) else {}
    threads = int(told.get("DefaultThreadsPerCore", 1))
    return {"CoreCount": int(told.get("DefaultCores", vcpus(instance_type) // threads)), "ThreadsPerCore": threads}


@cache  # moto keeps some thousand offerings for each region in a list, and `check` asks about many types at once
def zones_offering(instance_type: str, region: str) -> tuple[str, ...]:
    """Return the zones of a region that offer a type, in order."""
    offerings = INSTANCE_TYPE_OFFERINGS["availability-zone"].get(region, [])
    return tuple(sorted(item["Location"] for item in offerings if item["InstanceType"] == instance_type))
