"""Where a call aims: the zone and the instance type in an EC2 request, so that a fault can be told apart by them."""

from __future__ import annotations

import re
from typing import Any

from moto.core.exceptions import ServiceException
from moto.ec2.models import ec2_backends

from deployer.localcloud.faults import Call
from deployer.localcloud.wire import Request

ACCOUNT = "123456789012"  # moto's default account; throw-away keys belong to no other


def locate(request: Request) -> Call:
    """Return the call that a request makes; zone and type are empty where it has none."""
    zone, instance_type = "", ""
    if request.service == "ec2":
        zone, instance_type = _aim(request)
    return Call(
        service=request.service,
        action=request.action,
        region=request.region,
        zone=zone,
        instance_type=instance_type,
        is_spot=request.parameters.get("InstanceMarketOptions.MarketType") == "spot",
        is_dry_run=request.is_dry_run,
    )


def _aim(request: Request) -> tuple[str, str]:
    parameters = request.parameters
    template = _template(request)
    zone = parameters.get("Placement.AvailabilityZone", "") or parameters.get("AvailabilityZone", "")
    subnet = next((value for key, value in parameters.items() if re.search(r"(^|\.)SubnetId(\.1)?$", key)), "")
    if subnet:
        zone = _subnet_zone(request.region, subnet) or zone
    instance_type = parameters.get("InstanceType", "") or template.get("InstanceType", "")
    identifier = parameters.get("InstanceId.1", "") or parameters.get("InstanceId", "")
    if identifier and request.region in ec2_backends[ACCOUNT]:
        instance = ec2_backends[ACCOUNT][request.region].get_instance_by_id(identifier)
        if instance is not None:
            return instance.availability_zone or "", instance.instance_type
    return zone, instance_type


def _subnet_zone(region: str, subnet: str) -> str:
    try:
        return ec2_backends[ACCOUNT][region].get_subnet(subnet).availability_zone or ""
    except (ServiceException, KeyError):
        return ""


def _template(request: Request) -> dict[str, Any]:
    names = {"LaunchTemplateId", "LaunchTemplateName", "Version"}
    given = {key: request.parameters.get(f"LaunchTemplate.{key}") for key in names}
    asked = {key: value for key, value in given.items() if value}
    if not asked.keys() & {"LaunchTemplateId", "LaunchTemplateName"}:
        return {}
    try:
        data: dict[str, Any] = ec2_backends[ACCOUNT][request.region]._get_template_from_args(asked).data
    except (ServiceException, KeyError):
        return {}
    return data
