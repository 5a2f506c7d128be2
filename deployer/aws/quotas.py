"""How many vCPUs this account may run: AWS counts them per region, group of families and purchase option.

Codes: EC2 User Guide, "Amazon EC2 instance type quotas", and "Quotas for Spot Instance requests", read 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from deployer.aws import ec2
from deployer.aws.ec2 import Instance
from deployer.aws.session import Session, aws_errors
from deployer.errors import AccessDenied, AwsError

# pending is about to run; stopping, stopped and terminated do not count.
COUNTED_STATES = frozenset({"pending", "running"})

P5_SPOT_LEGACY = "L-C4BD4855"


@dataclass(frozen=True)
class QuotaGroup:
    """Families whose vCPUs AWS adds up; an empty code means that there is no such quota."""

    name: str
    on_demand_name: str
    on_demand_code: str
    spot_name: str = ""
    spot_code: str = ""


def _group(name: str, on_demand_code: str, spot_code: str) -> QuotaGroup:
    return QuotaGroup(
        name, f"Running On-Demand {name} instances", on_demand_code, f"All {name} Spot Instance Requests", spot_code
    )


G_AND_VT = _group("G and VT", "L-DB2E81BA", "L-3819A6DF")
STANDARD = _group("Standard (A, C, D, H, I, M, R, T, Z)", "L-1216C47A", "L-34B43A08")

# By the letters before the first digit: gr6 belongs to G, though r6 alone is Standard.
GROUPS = {
    "g": G_AND_VT,
    "gr": G_AND_VT,
    "vt": G_AND_VT,
    "p": _group("P", "L-417A185B", "L-7212CCBC"),
    "dl": _group("DL", "L-6E869C2A", "L-85EED4F7"),
    "trn": _group("Trn", "L-2C3B7624", "L-6B0D517C"),
    "inf": _group("Inf", "L-1945791B", "L-B5D1601B"),
    "f": _group("F", "L-74FC7D96", "L-88CF9481"),
    "x": _group("X", "L-7295265B", "L-E3A00192"),
    "hpc": QuotaGroup("HPC", "Running On-Demand HPC instances", "L-F7808C92"),
    "u": QuotaGroup("High Memory", "Running On-Demand High Memory instances", "L-43DA4232"),
}


@dataclass(frozen=True, kw_only=True)
class Quota:
    """vCPUs: `value` may run at once, `used` do; None is "could not be read", and `reason` says why.

    `permission` is the IAM action that is missing, empty where it is not that.
    """

    code: str
    name: str
    region: str
    value: float | None = None
    used: int | None = None
    reason: str = ""
    permission: str = ""


def quota_group(instance_type: str) -> QuotaGroup:
    """Return the group whose quota an instance type counts against."""
    letters = re.match(r"[a-z]*", instance_type)
    return GROUPS.get(letters[0] if letters else "", STANDARD)


def quota_codes(instance_type: str, spot: bool) -> tuple[str, ...]:
    """Return the codes that may hold the quota, the first that the account has counts; none where not sold."""
    group = quota_group(instance_type)
    code = group.spot_code if spot else group.on_demand_code
    if spot and re.match(r"p[56]", instance_type):
        # Some accounts still have a quota of its own for P5 and later; AWS has since merged it into P.
        return (P5_SPOT_LEGACY, code)
    return (code,) if code else ()


def vcpu_quota(session: Session, instance_type: str, spot: bool) -> Quota:
    """Return the quota an instance type counts against, and how much of it is in use; never raises AwsError."""
    quota = read_limit(session, instance_type, spot)
    try:
        return with_usage(quota, ec2.instances(session, states=tuple(COUNTED_STATES)))
    except AwsError as error:
        return quota if quota.reason else _unreadable(quota, error)


def read_limit(session: Session, instance_type: str, spot: bool) -> Quota:
    """Return the quota without its use: the account's own value, else AWS's default, else None with the reason."""
    group = quota_group(instance_type)
    quota = Quota(code="", name=group.spot_name if spot else group.on_demand_name, region=session.region)
    codes = quota_codes(instance_type, spot)
    if not codes:
        return replace(quota, reason=f"AWS has no spot quota for {group.name} instances.")
    try:
        for code in codes:
            quota = replace(quota, code=code)
            value = _read(session, "get_service_quota", "servicequotas:GetServiceQuota", code)
            if value is not None:
                return replace(quota, value=value)
        value = _read(session, "get_aws_default_service_quota", "servicequotas:GetAWSDefaultServiceQuota", codes[-1])
    except AwsError as error:
        return _unreadable(quota, error)
    reason = "" if value is not None else f"Service Quotas does not know {quota.code} in {session.region}."
    return replace(quota, value=value, reason=reason)


def with_usage(quota: Quota, instances: Sequence[Instance]) -> Quota:
    """Return the quota with the vCPUs of those `instances` that count against it.

    A lower bound: unused capacity reservations and open spot requests count too, and are not asked for.
    """
    return replace(quota, used=sum(item.vcpus for item in instances if counts_against(quota, item)))


def counts_against(quota: Quota, instance: Instance) -> bool:
    """Tell whether a machine uses up this quota now."""
    return instance.state in COUNTED_STATES and quota.code in quota_codes(instance.instance_type, instance.is_spot)


def _unreadable(quota: Quota, error: AwsError) -> Quota:
    return replace(quota, reason=error.message, permission=error.operation if isinstance(error, AccessDenied) else "")


def _read(session: Session, call: str, permission: str, code: str) -> float | None:
    """Return the value of one quota, None where AWS has none of that code."""
    try:
        with aws_errors(permission, region=session.region):
            client = session.client("service-quotas")
            answer = getattr(client, call)(ServiceCode="ec2", QuotaCode=code)
    except AwsError as error:
        if error.code == "NoSuchResourceException":
            return None
        raise
    return float(answer["Quota"]["Value"])
