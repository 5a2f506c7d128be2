"""Whether what once carried our tag still exists: EC2 goes on reporting the tags of what was just deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from deployer.aws.ec2 import FILTER_VALUES_MAX, Resource
from deployer.aws.session import Session, aws_errors
from deployer.errors import AwsError


@dataclass(frozen=True)
class _Kind:
    """How EC2 is asked for one kind of resource: the call, its answer's list, the filter and the key of the id."""

    operation: str
    items: str
    filter_name: str
    id_key: str
    gone_states: frozenset[str] = frozenset()
    detail_keys: tuple[str, ...] = ()

    @property
    def permission(self) -> str:
        return "ec2:" + "".join(word.capitalize() for word in self.operation.split("_"))


_DELETED = frozenset({"deleting", "deleted"})

# Every kind that terraform/ makes. A machine that shuts down bills no more and cannot come back.
_KINDS = {
    "elastic-ip": _Kind("describe_addresses", "Addresses", "allocation-id", "AllocationId", detail_keys=("PublicIp",)),
    "instance": _Kind(
        "describe_instances",
        "Reservations",
        "instance-id",
        "InstanceId",
        frozenset({"shutting-down", "terminated"}),
        ("InstanceType", "State"),
    ),
    "internet-gateway": _Kind(
        "describe_internet_gateways", "InternetGateways", "internet-gateway-id", "InternetGatewayId"
    ),
    "key-pair": _Kind("describe_key_pairs", "KeyPairs", "key-pair-id", "KeyPairId", detail_keys=("KeyName",)),
    "network-interface": _Kind(
        "describe_network_interfaces", "NetworkInterfaces", "network-interface-id", "NetworkInterfaceId"
    ),
    "route-table": _Kind("describe_route_tables", "RouteTables", "route-table-id", "RouteTableId"),
    "security-group": _Kind("describe_security_groups", "SecurityGroups", "group-id", "GroupId"),
    "security-group-rule": _Kind(
        "describe_security_group_rules", "SecurityGroupRules", "security-group-rule-id", "SecurityGroupRuleId"
    ),
    "spot-instances-request": _Kind(
        "describe_spot_instance_requests",
        "SpotInstanceRequests",
        "spot-instance-request-id",
        "SpotInstanceRequestId",
        frozenset({"cancelled", "closed", "failed"}),
        ("State",),
    ),
    "subnet": _Kind("describe_subnets", "Subnets", "subnet-id", "SubnetId"),
    "volume": _Kind("describe_volumes", "Volumes", "volume-id", "VolumeId", _DELETED, ("Size", "State")),
    "vpc": _Kind("describe_vpcs", "Vpcs", "vpc-id", "VpcId"),
    "vpc-endpoint": _Kind("describe_vpc_endpoints", "VpcEndpoints", "vpc-endpoint-id", "VpcEndpointId", _DELETED),
}


def existing(session: Session, resources: Sequence[Resource]) -> list[tuple[Resource, str]]:
    """Return those resources that still exist, each with what is worth knowing of it, e.g. "running".

    What cannot be confirmed, because the kind is not ours or the call is refused, is taken to exist.
    """
    found: list[tuple[Resource, str]] = []
    for kind, group in groupby(sorted(resources, key=lambda item: item.kind), key=lambda item: item.kind):
        same = list(group)
        if kind not in _KINDS:
            found += [(item, "") for item in same]
            continue
        try:
            alive = _alive(session, _KINDS[kind], [item.id for item in same])
        except AwsError as error:
            found += [(item, f"by its tag; {error.message}") for item in same]
        else:
            found += [(item, alive[item.id]) for item in same if item.id in alive]
    return found


def _alive(session: Session, kind: _Kind, ids: Sequence[str]) -> dict[str, str]:
    """Return the ids that exist, with their details. A filter, unlike a list of ids, allows for those that do not."""
    found: dict[str, str] = {}
    for start in range(0, len(ids), FILTER_VALUES_MAX):
        filters = [{"Name": kind.filter_name, "Values": list(ids[start : start + FILTER_VALUES_MAX])}]
        with aws_errors(kind.permission, region=session.region):
            answer = getattr(session.client("ec2"), kind.operation)(Filters=filters)
        for item in _items(answer, kind):
            # The reference writes a VPC endpoint's states with a capital, EC2 answers in small letters.
            if not kind.gone_states or _state(item).lower() not in kind.gone_states:
                found[item[kind.id_key]] = " ".join(_word(key, item.get(key, "")) for key in kind.detail_keys)
    return found


def _items(answer: dict[str, Any], kind: _Kind) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = answer[kind.items]
    if kind.items == "Reservations":
        return [instance for reservation in items for instance in reservation["Instances"]]
    return items


def _state(item: dict[str, Any]) -> str:
    return _word("State", item.get("State", ""))


def _word(key: str, value: Any) -> str:
    """Return a detail for people: instances wrap their state in a dictionary, and a disk's size is in GiB."""
    if isinstance(value, dict):
        return str(value["Name"])
    return f"{value} GiB" if key == "Size" else str(value)
