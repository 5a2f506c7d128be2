"""moto 5.2's defects on the road of this project, each mended with the reason beside it.

What the AWS provider writes it reads back, and what comes back different is drift: a second plan would not be clean.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from moto import backends
from moto.core import responses
from moto.core.responses import ActionResult
from moto.core.utils import method_names_from_class
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES, InstanceType
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.models.tags import TagBackend
from moto.ec2.models.vpcs import VPCEndPoint
from moto.ec2.responses import EC2Response
from moto.ec2.utils import generic_filter
from moto.iam.access_control import IAMPolicyStatement, PermissionResult

from deployer.localcloud.patching import adds, replaces

PAGE_SIZE = 100  # DescribeInstanceTypes, "MaxResults": 5 to 100


def install() -> None:
    """Mend moto."""
    _keep_disk_throughput()
    _keep_groups_of_interfaces()
    _modify_shutdown_behaviour()
    _ignore_unmet_conditions()
    _list_types_by_page()
    _forget_tags_of_the_deleted()
    _find_endpoints_by_id()
    _look_up_once()


def _keep_disk_throughput() -> None:
    # moto drops Ebs.Throughput and reads 0 back.
    @replaces(EC2Response, "_parse_block_device_mapping")
    def parse(original: Any, self: Any) -> Any:
        parsed = original(self)
        for disk, asked in zip(parsed, self._get_param("BlockDeviceMappings", []), strict=True):
            disk["Ebs"]["Throughput"] = asked.get("Ebs", {}).get("Throughput")
        return parsed

    @replaces(EC2Response, "_validate_block_device_mapping")
    def validate(original: Any, mapping: dict[str, Any]) -> None:
        # A disk without a size takes the image's; moto demands a size.
        if "NoDevice" in mapping:
            original(mapping)

    @replaces(InstanceBackend, "run_instances")
    def run_instances(original: Any, self: Any, *arguments: Any, **options: Any) -> Any:
        reservation = original(self, *arguments, **options)
        asked = {disk["DeviceName"]: disk.get("Ebs", {}) for disk in options.get("block_device_mappings") or []}
        for instance in reservation.instances:
            for name, attached in instance.get_block_device_mapping:
                volume = self.get_volume(attached.volume_id)
                wanted = asked.get(name, {})
                if volume.volume_type == "gp3":
                    volume.iops = int(wanted.get("Iops") or 3000)
                    volume.throughput = int(wanted.get("Throughput") or 125)
                elif wanted.get("Iops"):
                    volume.iops = int(wanted["Iops"])
        return reservation


def _keep_groups_of_interfaces() -> None:
    # With a public address asked for, the provider names the groups on the interface; moto does not pass them on.
    @replaces(InstanceBackend, "run_instances")
    def run_instances(original: Any, self: Any, *arguments: Any, **options: Any) -> Any:
        reservation = original(self, *arguments, **options)
        groups = [group for interface in options.get("nics") or [] for group in interface.get("Groups") or []]
        for instance in reservation.instances:
            if not instance.security_groups:
                instance.security_groups = [self.get_security_group_from_id(group) for group in groups]
        return reservation


def _modify_shutdown_behaviour() -> None:
    # An attribute that moto does not know falls through to "set the security groups to none".
    @replaces(EC2Response, "_security_grp_instance_attribute_handler")
    def handle(original: Any, self: Any) -> Any:
        if self._get_param("Groups", []):
            return original(self)
        behaviour = self._get_param("InstanceInitiatedShutdownBehavior.Value")
        if behaviour:
            identifier = self._get_param("InstanceId")
            self.ec2_backend.modify_instance_attribute(identifier, "instance_initiated_shutdown_behavior", behaviour)
        return True


def _ignore_unmet_conditions() -> None:
    # A statement whose condition is not met says nothing; moto takes it for a denial, so a bucket that refuses plain
    # HTTP refuses everything. All requests count as TLS: this server has no other road.
    @replaces(IAMPolicyStatement, "is_action_permitted")
    def is_action_permitted(original: Any, self: Any, *arguments: Any, **options: Any) -> Any:
        conditions = (self._statement.get("Condition") or {}).get("Bool") or {}
        value = conditions.get("aws:SecureTransport")
        values = value if isinstance(value, list) else [value]
        if values and all(str(item).lower() == "false" for item in values):
            return PermissionResult.NEUTRAL
        return original(self, *arguments, **options)


def _list_types_by_page() -> None:
    # moto sends all 1395 types at once, in 15 seconds, the withdrawn ones among them.
    @adds(EC2Response)
    def describe_instance_types(self: Any) -> ActionResult:
        offerings = INSTANCE_TYPE_OFFERINGS["region"].get(self.region, [])
        offered = sorted({item["InstanceType"] for item in offerings} & set(INSTANCE_TYPES))
        asked = self._get_param("InstanceTypes", [])
        unknown = sorted(set(asked) - set(offered))
        if unknown:
            raise EC2ClientError(
                "InvalidInstanceType", f"The following supplied instance types do not exist: [{', '.join(unknown)}]"
            )
        filters = self._filters_from_querystring()
        types = [InstanceType(name) for name in (asked or offered)]
        found = generic_filter(filters, types) if filters else types
        start = int(self._get_param("NextToken") or 0)
        end = start + min(int(self._get_param("MaxResults") or PAGE_SIZE), PAGE_SIZE)
        token = str(end) if end < len(found) else None
        return ActionResult({"InstanceTypes": found[start:end], "NextToken": token})


def _forget_tags_of_the_deleted() -> None:
    # moto keeps the tags of what was deleted, so that a search by tag finds leftovers where there are none.
    @replaces(TagBackend, "describe_tags")
    def describe_tags(original: Any, self: Any, filters: Any = None) -> Any:
        living = _living(self)
        return [tag for tag in original(self, filters) if tag["resource_id"] in living]


def _living(backend: Any) -> set[str]:
    """Return the ids of all that exists in a region: moto keeps its resources in (nested) dictionaries."""
    found: set[str] = set()
    waiting = [value for name, value in vars(backend).items() if name not in {"tags", "reservations"}]
    waiting.extend(instance for instance in backend.all_instances() if instance.state != "terminated")
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(list(value.values()))
        elif getattr(value, "state", "") != "deleted":
            found.add(str(getattr(value, "id", "")))
            waiting.extend([*getattr(value, "ingress_rules", []), *getattr(value, "egress_rules", [])])
    return found


def _find_endpoints_by_id() -> None:
    # moto has no such filter for endpoints; `down` asks with it whether one is left.
    @replaces(VPCEndPoint, "get_filter_value")
    def get_filter_value(original: Any, self: Any, filter_name: str, method_name: str | None = None) -> Any:
        known = {"vpc-endpoint-id": self.id, "vpc-endpoint-state": self.state}
        return known[filter_name] if filter_name in known else original(self, filter_name, method_name)


def _look_up_once() -> None:
    # For each request moto lists its own folder from the disk, under a lock, and all methods of a class. With a
    # hundred calls at once that is most of what each of them waits for.
    services = frozenset(backends.list_of_moto_modules())
    vars(backends)["list_of_moto_modules"] = lambda: services
    vars(responses)["method_names_from_class"] = cache(lambda owner: frozenset(method_names_from_class(owner)))
