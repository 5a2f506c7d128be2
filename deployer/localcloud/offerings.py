"""Which types there are, and which zone offers them: moto's copy of AWS's own lists."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES
from moto.ec2.responses import EC2Response

from deployer.localcloud.patching import adds

PAGE_SIZE = 1000  # DescribeInstanceTypeOfferings, "MaxResults": 5 to 1000


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


def zones_offering(instance_type: str, region: str) -> tuple[str, ...]:
    """Return the zones of a region that offer a type, in order."""
    return _locations("availability-zone", region).get(instance_type, ())


def install() -> None:
    """Answer DescribeInstanceTypeOfferings by page and for patterns; moto knows neither, and reads its whole list."""

    @adds(EC2Response)
    def describe_instance_type_offerings(self: Any) -> ActionResult:
        kind = self._get_param("LocationType") or "region"
        filters = self._filters_from_querystring()
        locations = _locations(kind, self.region)
        found = [
            {"InstanceType": instance_type, "LocationType": kind, "Location": location}
            for instance_type in _matching(filters.get("instance-type", ["*"]), locations)
            for location in _matching(filters.get("location", ["*"]), locations[instance_type])
        ]
        start = int(self._get_param("NextToken") or 0)
        end = start + min(int(self._get_param("MaxResults") or PAGE_SIZE), PAGE_SIZE)
        token = str(end) if end < len(found) else None
        return ActionResult({"InstanceTypeOfferings": found[start:end], "NextToken": token})


@cache
def _locations(kind: str, region: str) -> dict[str, tuple[str, ...]]:
    """Return where each type is offered: zones, ids of zones, or the region itself."""
    found: dict[str, list[str]] = {}
    for item in INSTANCE_TYPE_OFFERINGS.get(kind, {}).get(region, []):
        found.setdefault(item["InstanceType"], []).append(item["Location"])
    return {instance_type: tuple(sorted(listed)) for instance_type, listed in sorted(found.items())}


def _matching(patterns: list[str], names: Iterable[str]) -> list[str]:
    return [name for name in names if any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)]
