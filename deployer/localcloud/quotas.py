"""How much of each the emulated account may have, per region: vCPUs of each family, networks, endpoints."""

from __future__ import annotations

import difflib
import re
import threading
from dataclasses import dataclass
from hashlib import sha256

from deployer.errors import LocalCloudError


@dataclass(frozen=True)
class Quota:
    """One quota: AWS's documented default, and what this account starts with.

    A legacy quota is there only once it has been set: some accounts still have it, others do not.
    """

    code: str
    name: str
    documented: float
    initial: float
    service: str = "ec2"
    is_legacy: bool = False


_STANDARD = "Standard (A, C, D, H, I, M, R, T, Z)"

# Codes, names and documented defaults: EC2 User Guide, "On-Demand Instance quotas" and "Spot Instance quotas"
# (read 2026-11-20). GPU families start at 64 vCPUs here, so that the first run works; on AWS a new account has 0.
_EC2 = (
    Quota("L-DB2E81BA", "Running On-Demand G and VT instances", 0, 64),
    Quota("L-417A185B", "Running On-Demand P instances", 0, 64),
    Quota("L-1216C47A", f"Running On-Demand {_STANDARD} instances", 5, 64),
    Quota("L-6E869C2A", "Running On-Demand DL instances", 0, 0),
    Quota("L-2C3B7624", "Running On-Demand Trn instances", 0, 0),
    Quota("L-1945791B", "Running On-Demand Inf instances", 0, 0),
    Quota("L-74FC7D96", "Running On-Demand F instances", 0, 0),
    Quota("L-7295265B", "Running On-Demand X instances", 0, 0),
    Quota("L-F7808C92", "Running On-Demand HPC instances", 0, 0),
    Quota("L-43DA4232", "Running On-Demand High Memory instances", 0, 0),
    Quota("L-3819A6DF", "All G and VT Spot Instance Requests", 0, 64),
    Quota("L-7212CCBC", "All P Spot Instance Requests", 0, 64),
    Quota("L-34B43A08", f"All {_STANDARD} Spot Instance Requests", 5, 64),
    Quota("L-85EED4F7", "All DL Spot Instance Requests", 0, 0),
    Quota("L-6B0D517C", "All Trn Spot Instance Requests", 0, 0),
    Quota("L-B5D1601B", "All Inf Spot Instance Requests", 0, 0),
    Quota("L-88CF9481", "All F Spot Instance Requests", 0, 0),
    Quota("L-E3A00192", "All X Spot Instance Requests", 0, 0),
    Quota("L-C4BD4855", "All P5 Spot Instance Requests", 0, 0, is_legacy=True),
    Quota("L-0263D0A3", "EC2-VPC Elastic IPs", 5, 5),
)

# Amazon VPC User Guide, "Amazon VPC quotas" (read 2026-11-20).
_VPC = (
    Quota("L-F678F1CE", "VPCs per Region", 5, 5, "vpc"),
    Quota("L-A4707A72", "Internet gateways per Region", 5, 5, "vpc"),
    Quota("L-FE5A380F", "NAT gateways per Availability Zone", 5, 5, "vpc"),
    Quota("L-407747CB", "Subnets per VPC", 200, 200, "vpc"),
    Quota("L-1B52E74A", "Gateway VPC endpoints per Region", 20, 20, "vpc"),
    Quota("L-E79EC296", "VPC security groups per Region", 2500, 2500, "vpc"),
)

# One quota for each type and each use. AWS's own codes where they are known, else codes of ours: match by name.
_SAGEMAKER_CODES = {
    "ml.g4dn.xlarge for training job usage": "L-3F53BF0F",
    "ml.g5.xlarge for training job usage": "L-B6D80D9C",
}
_SAGEMAKER_TYPES = ("ml.m5.large", "ml.g4dn.xlarge", "ml.g4dn.2xlarge", "ml.g5.xlarge", "ml.g5.2xlarge", "ml.g6.xlarge")
_SAGEMAKER_USES = ("endpoint usage", "training job usage", "spot training job usage")


def _sagemaker(name: str) -> Quota:
    invented = f"L-{sha256(name.encode()).hexdigest()[:8].upper()}"
    return Quota(_SAGEMAKER_CODES.get(name, invented), name, 0, 0, "sagemaker")


QUOTAS = (
    *_EC2,
    *_VPC,
    *(_sagemaker(f"{instance_type} for {use}") for instance_type in _SAGEMAKER_TYPES for use in _SAGEMAKER_USES),
)
BY_CODE = {quota.code: quota for quota in QUOTAS}
LEGACY_P5_SPOT = "L-C4BD4855"

# Letters before the first digit of a type: (on-demand, spot). All others are Standard.
_FAMILIES = {
    "g": ("L-DB2E81BA", "L-3819A6DF"),
    "gr": ("L-DB2E81BA", "L-3819A6DF"),
    "vt": ("L-DB2E81BA", "L-3819A6DF"),
    "p": ("L-417A185B", "L-7212CCBC"),
    "dl": ("L-6E869C2A", "L-85EED4F7"),
    "trn": ("L-2C3B7624", "L-6B0D517C"),
    "inf": ("L-1945791B", "L-B5D1601B"),
    "f": ("L-74FC7D96", "L-88CF9481"),
    "x": ("L-7295265B", "L-E3A00192"),
    "hpc": ("L-F7808C92", "L-34B43A08"),
    "u": ("L-43DA4232", "L-34B43A08"),
}


def quota_code(instance_type: str, *, is_spot: bool) -> str:
    """Return the code of the quota that an instance of this type counts against."""
    letters = re.match(r"[a-z]*", instance_type)
    family = _FAMILIES.get(letters.group() if letters else "", ("L-1216C47A", "L-34B43A08"))
    return family[is_spot]


class Quotas:
    """The quotas in force. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By (region or "" for all, code); None: the account has no applied value.
        self._applied: dict[tuple[str, str], float | None] = {}

    def set(self, code: str, value: float, *, region: str = "") -> Quota:
        """Set a quota, in one region or (empty) in all. Raises LocalCloudError for a code that is not known here."""
        quota = find(code)
        if value < 0:
            raise LocalCloudError(f"A quota of {value:g} cannot be.", hint="The smallest is 0.")
        self._apply(quota, float(value), region)
        return quota

    def unset(self, code: str, *, region: str = "") -> Quota:
        """Take the applied value away, so that only AWS's default answers. Raises LocalCloudError as `set` does."""
        quota = find(code)
        self._apply(quota, None, region)
        return quota

    def value(self, code: str, *, region: str) -> float | None:
        """Return the applied value in a region; None where the account has none."""
        with self._lock:
            for place in (region, ""):
                if (place, code) in self._applied:
                    return self._applied[place, code]
        return None if BY_CODE[code].is_legacy else BY_CODE[code].initial

    def limit(self, code: str, *, region: str) -> float:
        """Return how much a quota allows in a region."""
        applied = self.value(code, region=region)
        return BY_CODE[code].documented if applied is None else applied

    def exists(self, code: str, *, region: str) -> bool:
        """Tell whether the account knows the quota there: a legacy one only once it has been set."""
        quota = BY_CODE.get(code)
        return quota is not None and (not quota.is_legacy or self.value(code, region=region) is not None)

    def code_of(self, instance_type: str, *, is_spot: bool, region: str) -> str:
        """Return the code of the quota that a launch counts against in a region; P5 spot may have its own."""
        if is_spot and instance_type.startswith("p5") and self.exists(LEGACY_P5_SPOT, region=region):
            return LEGACY_P5_SPOT
        return quota_code(instance_type, is_spot=is_spot)

    def _apply(self, quota: Quota, value: float | None, region: str) -> None:
        with self._lock:
            if not region:
                for known in [key for key in self._applied if key[1] == quota.code]:
                    del self._applied[known]
            self._applied[region, quota.code] = value


def find(code: str) -> Quota:
    """Return the quota with this code. Raises LocalCloudError with the one that was meant."""
    if code not in BY_CODE:
        close = difflib.get_close_matches(code.upper(), BY_CODE, n=1)
        meant = f"Did you mean {close[0]} ({BY_CODE[close[0]].name})?" if close else "See `deployer local quota list`."
        raise LocalCloudError(f"The local cloud has no quota {code!r}.", hint=meant)
    return BY_CODE[code]
