"""Regions as an account sees them: all are listed, some are not enabled, and one that is not refuses its keys."""

from __future__ import annotations

import difflib
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.availability_zones_and_regions import Region, RegionsAndZonesBackend
from moto.ec2.responses import EC2Response
from moto.ec2.utils import generic_filter

from deployer.aws.regions import DEFAULT_REGIONS
from deployer.errors import LocalCloudError
from deployer.localcloud.patching import adds
from deployer.localcloud.wire import Answer, Request, error

# Regions that AWS enables for every account (AWS General Reference, "AWS Regions", read 2026-11-20); of the others of
# the partition this account has enabled none.
ALWAYS_ENABLED = frozenset(DEFAULT_REGIONS)
_OTHER_PARTITIONS = ("cn-", "us-gov-")  # accounts of their own, where the partition's own regions are enabled

# S3 and IAM look at the keys elsewhere.
_GLOBAL_SERVICES = frozenset({"iam", "s3"})


def known_regions() -> tuple[str, ...]:
    """Return the names of all regions."""
    return tuple(region.name for region in RegionsAndZonesBackend.regions)


def zone_names(region: str = "") -> tuple[str, ...]:
    """Return the availability zones of one region, or (empty) of all."""
    zones = RegionsAndZonesBackend.zones
    return tuple(zone.name for place, listed in zones.items() if region in {"", place} for zone in listed)


def zone_ids(region: str) -> dict[str, str]:
    """Return the id of each zone of a region, by name."""
    return {zone.name: zone.zone_id for zone in RegionsAndZonesBackend.zones.get(region, [])}


def is_enabled(region: str) -> bool:
    """Tell whether the account may use a region."""
    return region in ALWAYS_ENABLED or region.startswith(_OTHER_PARTITIONS)


def require_region(region: str) -> None:
    """Raise LocalCloudError, with the one that was meant, for a region that does not exist; empty means any."""
    if region and region not in known_regions():
        raise LocalCloudError(f"There is no region {region!r}.", hint=did_you_mean(region, known_regions()))


def did_you_mean(name: str, known: tuple[str, ...]) -> str:
    """Return the question with the names nearest to `name`, or a few that exist."""
    close = difflib.get_close_matches(name, known, n=3)
    return f"Did you mean {' or '.join(close)}?" if close else f"There are {', '.join(known[:5])} and others."


def refuse_disabled(request: Request) -> Answer | None:
    """Return what AWS says to the keys of an account that has not enabled the region; None where it has."""
    if request.service in _GLOBAL_SERVICES or request.region not in known_regions() or is_enabled(request.region):
        return None
    if request.protocol == "ec2":
        message = "AWS was not able to validate the provided access credentials"
        return error(request, status=401, code="AuthFailure", message=message)
    message = "The security token included in the request is invalid."
    if request.protocol == "query":
        return error(request, status=403, code="InvalidClientTokenId", message=message)
    return error(request, status=400, code="UnrecognizedClientException", message=message)


def install() -> None:
    """Let DescribeRegions say what an account has not enabled; moto lists every partition, and ignores all filters."""
    for region in RegionsAndZonesBackend.regions:
        region.opt_in_status = "opt-in-not-required" if is_enabled(region.name) else "not-opted-in"
    for zones in RegionsAndZonesBackend.zones.values():
        for zone in zones:
            vars(zone).update(opt_in_status="opt-in-not-required", group_name=f"{zone.region_name}-zg-1")

    @adds(EC2Response)
    def describe_regions(self: Any) -> ActionResult:
        here = [region for region in RegionsAndZonesBackend.regions if _partition(region) == _prefix(self.region)]
        asked = self._get_param("RegionNames", [])
        unknown = sorted(set(asked) - {region.name for region in here})
        if unknown:
            raise EC2ClientError("InvalidParameterValue", f"Invalid region names provided: [{', '.join(unknown)}]")
        everything = self._get_bool_param("AllRegions", False) or bool(asked)
        shown = [region for region in here if everything or is_enabled(region.name)]
        shown = [region for region in shown if not asked or region.name in asked]
        return ActionResult({"Regions": generic_filter(self._filters_from_querystring(), [_Row(one) for one in shown])})


class _Row:
    """A region as DescribeRegions answers it, and as its filters read it."""

    def __init__(self, region: Region) -> None:
        self.region_name = region.name
        self.endpoint = region.endpoint
        self.opt_in_status = region.opt_in_status

    def get_filter_value(self, name: str, _: str | None = None) -> str:
        return {"opt-in-status": self.opt_in_status, "region-name": self.region_name, "endpoint": self.endpoint}[name]


def _partition(region: Region) -> str:
    return _prefix(region.name)


def _prefix(name: str) -> str:
    return next((prefix for prefix in _OTHER_PARTITIONS if name.startswith(prefix)), "")
