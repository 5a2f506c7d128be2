"""Whether EC2 would launch this: the type is offered there, the quota allows it, the disk holds the image.

moto launches anything anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from moto.ec2.exceptions import EC2ClientError

from deployer.localcloud.capacity import reservations
from deployer.localcloud.offerings import cpu_options, exists, vcpus, zones_offering
from deployer.localcloud.quotas import Quotas
from deployer.localcloud.spot import open_requests, price


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What RunInstances asks for and moto does not pass on; `max_price` is in USD per hour."""

    max_price: float | None = None
    cores: int = 0
    threads_per_core: int = 0
    reservation_id: str = ""


asked_now: ContextVar[Asked] = ContextVar("asked_now", default=Asked())  # noqa: B039 - it is frozen


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What RunInstances is to start, templates and interfaces resolved."""

    region: str
    zone: str
    instance_type: str
    count: int
    is_spot: bool
    vcpus_each: int
    max_price: float | None = None
    reservation_id: str = ""


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
    asked = asked_now.get()
    return Launch(
        region=backend.region_name,
        zone=zone or f"{backend.region_name}a",
        instance_type=instance_type,
        count=count,
        is_spot=bool(options.get("instance_market_options")) or options.get("lifecycle") == "spot",
        max_price=asked.max_price,
        vcpus_each=asked.cores * asked.threads_per_core or vcpus(instance_type),
        reservation_id=asked.reservation_id,
    )


def read_start(instance: Any) -> Launch:
    """Return what StartInstances asks for again: a stopped instance counts against no quota."""
    return Launch(
        region=instance.ec2_backend.region_name,
        zone=instance.availability_zone,
        instance_type=instance.instance_type,
        count=1,
        is_spot=instance.lifecycle == "spot",
        vcpus_each=instance_vcpus(instance),
    )


def require_offered(launch: Launch) -> None:
    """Raise EC2's error when the type does not exist, or is not offered in the zone."""
    if not exists(launch.instance_type):
        raise EC2ClientError("InvalidParameterValue", f"Invalid value '{launch.instance_type}' for InstanceType.")
    zones = zones_offering(launch.instance_type, launch.region)
    if launch.zone in zones:
        return
    raise EC2ClientError("Unsupported", unsupported_words(launch.instance_type, launch.zone, zones))


def require_quota(launch: Launch, backend: Any, quotas: Quotas) -> None:
    """Raise EC2's error when the launch, with what counts already, is over the account's quota."""
    code = quotas.code_of(launch.instance_type, is_spot=launch.is_spot, region=launch.region)
    limit = quotas.limit(code, region=launch.region)
    counted = sum(
        number
        for instance_type, is_spot, number in _counted(backend)
        if quotas.code_of(instance_type, is_spot=is_spot, region=launch.region) == code
    )
    if counted + launch.vcpus_each * launch.count <= limit:
        return
    if launch.is_spot:
        raise EC2ClientError("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
    raise EC2ClientError("VcpuLimitExceeded", vcpu_limit_words(limit))


def _counted(backend: Any) -> Iterator[tuple[str, bool, int]]:
    """Yield what counts against quotas: type, whether spot, vCPUs. Reserved counts as used, waiting as running."""
    for instance in backend.all_instances():
        if instance.state in {"pending", "running"}:
            yield instance.instance_type, instance.lifecycle == "spot", instance_vcpus(instance)
    for request in open_requests(backend):
        name = request.launch_specification.instance_type
        yield name, True, vcpus(name)
    for reservation in reservations(backend).values():
        yield reservation.instance_type, False, reservation.unused * vcpus(reservation.instance_type)


def chosen_cpu_options(instance_type: str) -> dict[str, int]:
    """Return the cores and threads that RunInstances asks for, else those of the type."""
    asked = asked_now.get()
    if asked.cores and asked.threads_per_core:
        return {"CoreCount": asked.cores, "ThreadsPerCore": asked.threads_per_core}
    return cpu_options(instance_type)


def instance_vcpus(instance: Any) -> int:
    """Return the vCPUs of an instance, which may have fewer than its type."""
    options = getattr(instance, "cpu_options", None)
    return options["CoreCount"] * options["ThreadsPerCore"] if options else vcpus(instance.instance_type)


def require_price(launch: Launch) -> None:
    """Raise EC2's error when the most that is offered for a spot instance is below the market."""
    market = price(launch.instance_type, launch.zone)
    if launch.max_price is not None and launch.max_price < market:
        raise EC2ClientError("SpotMaxPriceTooLow", price_too_low_words(launch.max_price, market))


def complete_disks(image: Any, mappings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the disks with the image's root among them, of the image's size where none is asked.

    Raises EC2's error when the root is to be smaller than the image.
    """
    if image is None:
        return mappings
    roots = [disk for disk in mappings if disk.get("DeviceName") == image.root_device_name and "Ebs" in disk]
    snapshot = image.block_device_mappings[0]["Ebs"]
    for disk in roots:
        disk["Ebs"]["SnapshotId"] = disk["Ebs"].get("SnapshotId") or snapshot["SnapshotId"]
        size = int(disk["Ebs"].get("VolumeSize") or snapshot["VolumeSize"])
        disk["Ebs"]["VolumeSize"] = size
        if size < snapshot["VolumeSize"]:
            raise EC2ClientError(
                "InvalidBlockDeviceMapping",
                f"Volume of size {size}GB is smaller than snapshot '{snapshot['SnapshotId']}', expect size "
                f">= {snapshot['VolumeSize']}GB",
            )
    return mappings if roots else [*image.block_device_mappings, *mappings]


def unsupported_words(instance_type: str, zone: str, zones: Sequence[str]) -> str:
    """Return what EC2 says when `zone` does not offer the type, and `zones` do."""
    if not zones:
        return (
            "The requested configuration is currently not supported. Please check the documentation for supported "
            "configurations."
        )
    return (
        f"Your requested instance type ({instance_type}) is not supported in your requested Availability Zone "
        f"({zone}). Please retry your request by not specifying an Availability Zone or choosing {', '.join(zones)}."
    )


def vcpu_limit_words(limit: float) -> str:
    """Return what EC2 says when a launch is over the account's vCPU quota."""
    return (
        f"You have requested more vCPU capacity than your current vCPU limit of {limit:.0f} allows for the instance "
        "bucket that the specified instance type belongs to. Please visit "
        "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
    )


def price_too_low_words(offered: float, market: float) -> str:
    """Return what EC2 says when a spot price is below the market."""
    return (
        f"Your Spot request price of {offered:g} is lower than the minimum required Spot request fulfillment price of "
        f"{market:.4f}."
    )
