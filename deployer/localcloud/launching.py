"""Whether EC2 would launch this: the type is offered there, the quota allows it, the disk holds the image.

moto launches anything anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES

from deployer.localcloud.quotas import Quotas, quota_code


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What RunInstances is to start, templates and interfaces resolved."""

    region: str
    zone: str
    instance_type: str
    count: int
    is_spot: bool


def read_launch(backend: Any, count: int, options: dict[str, Any]) -> Launch:
    """Return the launch in the keyword arguments of moto's `run_instances`."""
    template: dict[str, Any] = {}
    if options.get("launch_template"):
        template = backend._get_template_from_args(options["launch_template"]).data
    instance_type = options.get("instance_type") or "m1.small"
    if options.get("is_instance_type_default"):
        instance_type = template.get("InstanceType") or instance_type
    interfaces = [*(options.get("nics") or []), *(template.get("NetworkInterfaces") or [])]
    subnet = options.get("subnet_id") or next((item["SubnetId"] for item in interfaces if item.get("SubnetId")), None)
    zone = backend.get_subnet(subnet).availability_zone if subnet else options.get("placement")
    return Launch(
        region=backend.region_name,
        zone=zone or f"{backend.region_name}a",
        instance_type=instance_type,
        count=count,
        is_spot=bool(options.get("instance_market_options")) or options.get("lifecycle") == "spot",
    )


def require_offered(launch: Launch) -> None:
    """Raise EC2's error when the type does not exist, or is not offered in the zone."""
    if launch.instance_type not in INSTANCE_TYPES:
        raise EC2ClientError("InvalidParameterValue", f"Invalid value '{launch.instance_type}' for InstanceType.")
    zones = zones_offering(launch.instance_type, launch.region)
    if launch.zone in zones:
        return
    if not zones:
        raise EC2ClientError(
            "Unsupported",
            "The requested configuration is currently not supported. Please check the documentation for supported "
            "configurations.",
        )
    raise EC2ClientError(
        "Unsupported",
        f"Your requested instance type ({launch.instance_type}) is not supported in your requested Availability Zone "
        f"({launch.zone}). Please retry your request by not specifying an Availability Zone or choosing "
        f"{', '.join(zones)}.",
    )


def require_quota(launch: Launch, backend: Any, quotas: Quotas) -> None:
    """Raise EC2's error when the launch, with what runs already, is over the account's quota."""
    code = quota_code(launch.instance_type, is_spot=launch.is_spot)
    running = sum(
        vcpus(instance.instance_type)
        for instance in backend.all_instances()
        if instance.state in {"pending", "running"}
        and quota_code(instance.instance_type, is_spot=instance.lifecycle == "spot") == code
    )
    limit = quotas.value(code, region=launch.region)
    if running + vcpus(launch.instance_type) * launch.count <= limit:
        return
    if launch.is_spot:
        raise EC2ClientError("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
    raise EC2ClientError(
        "VcpuLimitExceeded",
        f"You have requested more vCPU capacity than your current vCPU limit of {limit:.0f} allows for the instance "
        "bucket that the specified instance type belongs to. Please visit "
        "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
    )


def complete_disks(image: Any, mappings: list[dict[str, Any]]) -> None:
    """Give the root disk the image's size where none is asked; raise EC2's error when it is smaller than that."""
    for disk in mappings:
        if image is None or disk.get("DeviceName") != image.root_device_name or "Ebs" not in disk:
            continue
        snapshot = image.block_device_mappings[0]["Ebs"]
        disk["Ebs"]["SnapshotId"] = disk["Ebs"].get("SnapshotId") or snapshot["SnapshotId"]
        size = int(disk["Ebs"].get("VolumeSize") or snapshot["VolumeSize"])
        disk["Ebs"]["VolumeSize"] = size
        if size < snapshot["VolumeSize"]:
            raise EC2ClientError(
                "InvalidBlockDeviceMapping",
                f"Volume of size {size}GB is smaller than snapshot '{snapshot['SnapshotId']}', expect size "
                f">= {snapshot['VolumeSize']}GB",
            )


def vcpus(instance_type: str) -> int:
    """Return the vCPUs of a type."""
    return int(INSTANCE_TYPES[instance_type]["VCpuInfo"]["DefaultVCpus"]) if instance_type in INSTANCE_TYPES else 1


@cache  # moto keeps some thousand offerings for each region in a list, and `check` asks about many types at once
def zones_offering(instance_type: str, region: str) -> tuple[str, ...]:
    """Return the zones of a region that offer a type, in order."""
    offerings = INSTANCE_TYPE_OFFERINGS["availability-zone"].get(region, [])
    return tuple(sorted(item["Location"] for item in offerings if item["InstanceType"] == instance_type))
