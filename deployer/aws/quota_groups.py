"""Which quota an instance type counts against: AWS adds up the vCPUs of groups of families, spot and on demand apart.

Codes: EC2 User Guide, "Amazon EC2 instance type quotas", and "Quotas for Spot Instance requests", read 2026-11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# The name counts: some accounts still have a quota of its own for P5 and later, and AWS has since merged it into P.
P5_SPOT_LEGACY = "L-C4BD4855"
P5_SPOT_LEGACY_NAME = "All P5 Spot Instance Requests"
P_SPOT_NAMES = ("All P Spot Instance Requests", "All P4, P3 and P2 Spot Instance Requests")


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


def quota_group(instance_type: str) -> QuotaGroup:
    """Return the group whose quota an instance type counts against."""
    letters = re.match(r"[a-z]*", instance_type)
    return GROUPS.get(letters[0] if letters else "", STANDARD)


def quota_codes(instance_type: str, spot: bool) -> tuple[str, ...]:
    """Return the codes that may hold the quota, the first that the account has counts; none where not sold."""
    group = quota_group(instance_type)
    code = group.spot_code if spot else group.on_demand_code
    if spot and re.match(r"p[56]", instance_type):
        return (P5_SPOT_LEGACY, code)
    return (code,) if code else ()


def quota_name(instance_type: str, spot: bool) -> str:
    """Return AWS's name of the quota; empty where the family is not sold that way."""
    group = quota_group(instance_type)
    return group.spot_name if spot else group.on_demand_name
