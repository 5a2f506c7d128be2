"""How many vCPUs of each family the emulated account may run, per region."""

from __future__ import annotations

import difflib
import re
import threading
from dataclasses import dataclass

from deployer.errors import LocalCloudError


@dataclass(frozen=True)
class Quota:
    """One of EC2's vCPU quotas: AWS's documented default, and what this account starts with."""

    code: str
    name: str
    documented: float
    initial: float


_STANDARD = "Standard (A, C, D, H, I, M, R, T, Z)"

# Codes, names and documented defaults: EC2 User Guide, "On-Demand Instance quotas" and "Spot Instance quotas"
# (read 2026-11-20). GPU families start at 64 vCPUs here, so that the first run works; on AWS a new account has 0.
QUOTAS = (
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
)
BY_CODE = {quota.code: quota for quota in QUOTAS}

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
        self._applied: dict[tuple[str, str], float] = {}

    def set(self, code: str, vcpus: float, *, region: str = "") -> Quota:
        """Set a quota, in one region or (empty) in all. Raises LocalCloudError for a code that EC2 does not have."""
        if code not in BY_CODE:
            close = difflib.get_close_matches(code.upper(), BY_CODE, n=1)
            hint = (
                f"Did you mean {close[0]} ({BY_CODE[close[0]].name})?" if close else "See `deployer local quota list`."
            )
            raise LocalCloudError(f"EC2 has no vCPU quota {code!r}.", hint=hint)
        if vcpus < 0:
            raise LocalCloudError(f"A quota of {vcpus:g} vCPUs cannot be.", hint="The smallest is 0.")
        with self._lock:
            if not region:
                for known in [key for key in self._applied if key[1] == code]:
                    del self._applied[known]
            self._applied[region, code] = float(vcpus)
        return BY_CODE[code]

    def value(self, code: str, *, region: str) -> float:
        """Return how many vCPUs a quota allows in a region."""
        with self._lock:
            for place in (region, ""):
                if (place, code) in self._applied:
                    return self._applied[place, code]
        return BY_CODE[code].initial
