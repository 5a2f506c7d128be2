"""What EC2 says of this region: zones, instance types, where they are offered, what runs, what carries our tag."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deployer.aws.session import Session, aws_errors
from deployer.errors import AwsError

# Terraform's default_tags put it on everything that a deployment owns; teardown counts on it.
DEPLOYMENT_TAG = "deployer:deployment"

EXISTING_STATES = ("pending", "running", "stopping", "stopped", "shutting-down")

# EC2 refuses a filter with more values.
FILTER_VALUES_MAX = 200


@dataclass(frozen=True)
class Zone:
    """An availability zone: `name` may mean another building in another account, `id` never does."""

    name: str
    id: str


@dataclass(frozen=True, kw_only=True)
class InstanceType:
    """The hardware of an instance type; `gpus` is 0 for a fraction of one (g6f), which still has a `gpu_name`."""

    name: str
    vcpus: int
    memory_mib: int
    gpus: int = 0
    gpu_name: str = ""
    gpu_manufacturer: str = ""
    gpu_memory_mib: int = 0
    architecture: str = "x86_64"
    usage_classes: frozenset[str] = frozenset({"on-demand", "spot"})
    # EC2's words ("Up to 25 Gigabit"), and what it sustains.
    network: str = ""
    network_gbps: float = 0.0

    @property
    def has_gpu(self) -> bool:
        """A whole GPU or a fraction of one, of any manufacturer."""
        return bool(self.gpu_name)


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One machine; `deployment` is the value of our tag, empty for a machine that is not ours."""

    id: str
    instance_type: str
    availability_zone: str
    state: str
    vcpus: int
    public_ip: str = ""
    private_ip: str = ""
    is_spot: bool = False
    launched_at: datetime | None = None
    image_id: str = ""
    deployment: str = ""


@dataclass(frozen=True)
class Resource:
    """Anything in EC2 that carries a tag; `kind` is EC2's word, e.g. "internet-gateway"."""

    kind: str
    id: str
    name: str = ""


def regions(session: Session) -> dict[str, bool]:
    """Return every region of the partition, and whether this account may use it."""
    with aws_errors("ec2:DescribeRegions", region=session.region):
        answer = session.client("ec2").describe_regions(AllRegions=True)
    return {item["RegionName"]: item.get("OptInStatus") != "not-opted-in" for item in answer["Regions"]}


def zones(session: Session) -> tuple[Zone, ...]:
    """Return the region's availability zones that take instances, by name; no Local or Wavelength Zones."""
    with aws_errors("ec2:DescribeAvailabilityZones", region=session.region):
        answer = session.client("ec2").describe_availability_zones()
    found = [
        Zone(name=item["ZoneName"], id=item["ZoneId"])
        for item in answer["AvailabilityZones"]
        if item.get("ZoneType", "availability-zone") == "availability-zone"
        and item.get("State", "available") == "available"
    ]
    return tuple(sorted(found, key=lambda zone: zone.name))


def find_zone(zones: Iterable[Zone], text: str) -> Zone | None:
    """Return the zone of that name or that id; None where this account has none such."""
    return next((zone for zone in zones if text in {zone.name, zone.id}), None)


def instance_types(session: Session, names: Iterable[str]) -> dict[str, InstanceType]:
    """Return the hardware of each type; a name that AWS does not know is simply absent."""
    wanted = sorted(set(names))
    return {item.name: item for item in _describe_types(session, wanted)} if wanted else {}


def offerings(session: Session, names: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the zones of this region that offer each type: offered, which is not the same as in stock."""
    found: dict[str, set[str]] = {name: set() for name in names}
    with aws_errors("ec2:DescribeInstanceTypeOfferings", region=session.region):
        for item in session.pages(
            "ec2",
            "describe_instance_type_offerings",
            "InstanceTypeOfferings",
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": sorted(found)}],
        ):
            if item["InstanceType"] in found:
                found[item["InstanceType"]].add(item["Location"])
    return {name: frozenset(locations) for name, locations in found.items()}


def instances(
    session: Session, deployment: str | None = None, states: Sequence[str] = EXISTING_STATES
) -> list[Instance]:
    """Return the region's instances in one of `states`: all of them, or those of one deployment."""
    filters = [{"Name": "instance-state-name", "Values": list(states)}]
    if deployment is not None:
        filters.append({"Name": f"tag:{DEPLOYMENT_TAG}", "Values": [deployment]})
    with aws_errors("ec2:DescribeInstances", region=session.region):
        reservations = list(session.pages("ec2", "describe_instances", "Reservations", Filters=filters))
    found = [item for reservation in reservations for item in reservation["Instances"]]
    vcpus = _vcpus_by_type(session, found)
    return [_instance(item, vcpus) for item in found]


def console_output(session: Session, instance_id: str, latest: bool = True) -> str:
    """Return what the machine has printed on its console so far; empty while it has printed nothing.

    `latest` asks for the live text, which only Nitro machines have; others give what EC2 kept from the boot.
    """
    options: dict[str, Any] = {"Latest": True} if latest else {}
    try:
        with aws_errors("ec2:GetConsoleOutput", region=session.region):
            answer = session.client("ec2").get_console_output(InstanceId=instance_id, **options)
    except AwsError as error:
        if latest and error.code == "UnsupportedOperation":
            return console_output(session, instance_id, latest=False)
        raise
    return str(answer.get("Output", ""))


def tagged(session: Session, deployment: str) -> list[Resource]:
    """Return everything in EC2 that carries the deployment's tag, what was just deleted perhaps included."""
    with aws_errors("ec2:DescribeTags", region=session.region):
        ours = list(
            session.pages(
                "ec2",
                "describe_tags",
                "Tags",
                Filters=[
                    {"Name": "key", "Values": [DEPLOYMENT_TAG]},
                    {"Name": "value", "Values": [deployment]},
                ],
            )
        )
        names = _names(session, [item["ResourceId"] for item in ours])
    return [
        Resource(kind=item["ResourceType"], id=item["ResourceId"], name=names.get(item["ResourceId"], ""))
        for item in ours
    ]


def key_pairs(session: Session, name: str) -> list[Resource]:
    """Return the key pair of this name, where there is one."""
    with aws_errors("ec2:DescribeKeyPairs", region=session.region):
        answer = session.client("ec2").describe_key_pairs(Filters=[{"Name": "key-name", "Values": [name]}])
    return [Resource(kind="key-pair", id=item["KeyPairId"], name=item["KeyName"]) for item in answer["KeyPairs"]]


def tags_of(item: dict[str, Any]) -> dict[str, str]:
    """Return the tags of anything that EC2 describes."""
    return {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}


def _describe_types(session: Session, names: Sequence[str]) -> list[InstanceType]:
    # A filter, since one name that the region does not know fails a call that asks for names.
    filters = [{"Name": "instance-type", "Values": list(names)}]
    with aws_errors("ec2:DescribeInstanceTypes", region=session.region):
        return [
            _instance_type(item)
            for item in session.pages("ec2", "describe_instance_types", "InstanceTypes", Filters=filters)
        ]


def _instance_type(item: dict[str, Any]) -> InstanceType:
    gpus = item.get("GpuInfo", {}).get("Gpus", [])
    network = item.get("NetworkInfo", {})
    first = gpus[0] if gpus else {}
    architectures = item.get("ProcessorInfo", {}).get("SupportedArchitectures", ["x86_64"])
    return InstanceType(
        name=item["InstanceType"],
        vcpus=item["VCpuInfo"]["DefaultVCpus"],
        memory_mib=item["MemoryInfo"]["SizeInMiB"],
        gpus=sum(gpu.get("Count", 0) for gpu in gpus),
        gpu_name=first.get("Name", ""),
        gpu_manufacturer=first.get("Manufacturer", ""),
        gpu_memory_mib=first.get("MemoryInfo", {}).get("SizeInMiB", 0),
        # t2 and m3 list i386 first; no image of ours is 32-bit.
        architecture=next((name for name in architectures if name != "i386"), "x86_64"),
        usage_classes=frozenset(item.get("SupportedUsageClasses", ["on-demand", "spot"])),
        network=network.get("NetworkPerformance", ""),
        network_gbps=sum(card.get("BaselineBandwidthInGbps", 0.0) for card in network.get("NetworkCards", [])),
    )


def _vcpus_by_type(session: Session, items: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Return the vCPUs of the types whose instances do not tell their own."""
    silent = {item["InstanceType"] for item in items if "CoreCount" not in item.get("CpuOptions", {})}
    return {name: known.vcpus for name, known in instance_types(session, silent).items()}


def _instance(item: dict[str, Any], vcpus: dict[str, int]) -> Instance:
    tags = tags_of(item)
    cores = item.get("CpuOptions", {})
    return Instance(
        id=item["InstanceId"],
        instance_type=item["InstanceType"],
        availability_zone=item["Placement"]["AvailabilityZone"],
        state=item["State"]["Name"],
        vcpus=(
            cores["CoreCount"] * cores.get("ThreadsPerCore", 1)
            if "CoreCount" in cores
            else vcpus.get(item["InstanceType"], 0)
        ),
        public_ip=item.get("PublicIpAddress", ""),
        private_ip=item.get("PrivateIpAddress", ""),
        is_spot=item.get("InstanceLifecycle") == "spot",
        launched_at=item.get("LaunchTime"),
        image_id=item.get("ImageId", ""),
        deployment=tags.get(DEPLOYMENT_TAG, ""),
    )


def _names(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """Return the Name tag of those resources that have one."""
    found = {}
    for start in range(0, len(ids), FILTER_VALUES_MAX):
        filters = [
            {"Name": "key", "Values": ["Name"]},
            {"Name": "resource-id", "Values": list(ids[start : start + FILTER_VALUES_MAX])},
        ]
        for item in session.pages("ec2", "describe_tags", "Tags", Filters=filters):
            found[item["ResourceId"]] = item["Value"]
    return found
