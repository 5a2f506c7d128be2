"""What a fault may be aimed at: calls, regions, zones and types that exist. Another would rehearse nothing."""

from __future__ import annotations

from functools import cache

from moto.ec2.models.instance_types import INSTANCE_TYPES

from deployer.errors import LocalCloudError
from deployer.localcloud.faults import Fault
from deployer.localcloud.regions import did_you_mean, require_region, zone_names

# botocore's names of the services that deployer, or the instances and Terraform on its behalf, may ask.
SERVICES = (
    "ec2",
    "sts",
    "iam",
    "s3",
    "ssm",
    "service-quotas",
    "cloud9",
    "pricing",
    "sagemaker",
    "cloudwatch",
    "logs",
    "resourcegroupstaggingapi",
)


def require_aim(fault: Fault) -> None:
    """Raise LocalCloudError, with what was meant, for a fault that no call could ever meet."""
    _require_action(fault)
    require_region(fault.region)
    zones = zone_names(fault.region)
    if fault.zone and fault.zone not in zones:
        where = f" in {fault.region}" if fault.region else ""
        raise LocalCloudError(f"There is no zone {fault.zone!r}{where}.", hint=did_you_mean(fault.zone, zones))
    if fault.instance_type and fault.instance_type not in INSTANCE_TYPES:
        hint = did_you_mean(fault.instance_type, tuple(INSTANCE_TYPES))
        raise LocalCloudError(f"There is no instance type {fault.instance_type!r}.", hint=hint)


def _require_action(fault: Fault) -> None:
    service, action = fault.aim
    services = {name.replace("-", ""): name for name in SERVICES}
    if service and service not in services:
        raise LocalCloudError(f"There is no service {service!r} here.", hint=did_you_mean(service, tuple(services)))
    if action == "*":
        return
    wanted = [services[service]] if service else SERVICES
    known = tuple(name for each in wanted for name in _operations(each))
    if action.lower() in {name.lower() for name in known}:
        return
    elsewhere = [f"{each}:{action}" for each in SERVICES if action in _operations(each)]
    hint = f"Did you mean {elsewhere[0]}?" if elsewhere else did_you_mean(action, known)
    raise LocalCloudError(f"AWS has no call {fault.action!r}.", hint=hint)


@cache
def _operations(service: str) -> tuple[str, ...]:
    from botocore.loaders import Loader

    return tuple(Loader().load_service_model(service, "service-2")["operations"])
