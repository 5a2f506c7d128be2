"""What goes wrong on purpose: which call fails, with which of AWS's errors, where and how often."""

from __future__ import annotations

import re
import threading
from dataclasses import asdict, dataclass, replace
from typing import Any

from deployer.errors import LocalCloudError

# HTTP status of AWS's error codes (EC2 API reference, "Error codes"; read 2026-11-20). Not listed: 400.
# AccessDeniedException and ThrottlingException are of services that speak JSON, which say 400 to all that a caller did.
# No capacity is a server fault on AWS, and the SDKs retry it as one; an emulator that says 400 hides that.
CAPACITY_CODES = frozenset(
    {
        "InsufficientCapacity",
        "InsufficientHostCapacity",
        "InsufficientInstanceCapacity",
        "InsufficientReservedInstanceCapacity",
        "InsufficientVolumeCapacity",
        "ReservationCapacityExceeded",
        "UnfulfillableCapacity",
    }
)
SERVER_CODES = frozenset({"InternalError", "InternalFailure", "InternalServerError", "ServerInternal"})
THROTTLING_CODES = frozenset(
    {
        "EC2ThrottledException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "SlowDown",
        "Unavailable",
    }
)
FORBIDDEN_CODES = frozenset(
    {
        "AccessDenied",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
    }
)


_ACTION = re.compile(r"([a-z0-9-]+:)?(\*|\w+)", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9.]+")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call to AWS, as far as a fault can ask about it."""

    service: str
    action: str
    region: str = ""
    zone: str = ""
    instance_type: str = ""
    is_spot: bool = False
    is_dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Fail `action` with `code`; empty `region`, `zone` and `instance_type` mean any, no `message` AWS's own words.

    `action` is a call of AWS, `*` for all of them, or either behind a service: `ec2:*`, `sts:GetCallerIdentity`.
    `times` calls fail; 0 means every call until the fault is cleared. `status` 0 means the one AWS sends with `code`.
    """

    action: str
    code: str
    region: str = ""
    zone: str = ""
    instance_type: str = ""
    times: int = 0
    message: str = ""
    status: int = 0

    def __post_init__(self) -> None:
        for name, pattern in (("action", _ACTION), ("code", _CODE)):
            value = getattr(self, name)
            if not pattern.fullmatch(value):
                raise LocalCloudError(
                    f"The fault's {name} {value!r} is not a name that AWS uses.",
                    hint="Write it as AWS does: --action RunInstances --code InsufficientInstanceCapacity.",
                )
        if self.times < 0:
            raise LocalCloudError(f"A fault cannot happen {self.times} times.", hint="Leave --times out for always.")
        if self.status and not 400 <= self.status <= 599:
            raise LocalCloudError(f"HTTP status {self.status} is no error.", hint="Use 400 to 599, or leave it out.")

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Fault:
        """Return the fault that was sent as JSON. Raises LocalCloudError for fields that a fault does not have."""
        unknown = sorted(set(values) - set(cls.__dataclass_fields__))
        if unknown:
            raise LocalCloudError(
                f"A fault has no field {', '.join(unknown)}.", hint=f"It has {', '.join(cls.__dataclass_fields__)}."
            )
        if not {"action", "code"} <= set(values):
            raise LocalCloudError("A fault needs an action and a code.", hint="See `deployer local fault add --help`.")
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Return the fault as JSON can carry it."""
        return asdict(self)

    @property
    def aim(self) -> tuple[str, str]:
        """The service (empty: any), written as requests are signed for it, and the call (`*`: any)."""
        service, _, action = self.action.rpartition(":")
        return service.replace("-", ""), action

    def matches(self, call: Call) -> bool:
        """Tell whether the fault is meant for this call. A dry run never asks for capacity."""
        service, action = self.aim
        return (
            action.lower() in {"*", call.action.lower()}
            and service in {"", call.service}
            and self.region in {"", call.region}
            and self.zone in {"", call.zone}
            and self.instance_type in {"", call.instance_type}
            and not (call.is_dry_run and self.code in CAPACITY_CODES)
        )

    def http_status(self) -> int:
        """Return the HTTP status that AWS sends with the code."""
        if self.status:
            return self.status
        if self.code in CAPACITY_CODES | SERVER_CODES:
            return 500
        if self.code in THROTTLING_CODES:
            return 503
        if self.code == "AuthFailure":
            return 401
        return 403 if self.code in FORBIDDEN_CODES else 400


class Faults:
    """The faults in force, and the delay before every answer. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.latency_ms = 0

    def add(self, fault: Fault) -> None:
        """Put a fault in force, behind those which already are."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Forget every fault, and the latency."""
        with self._lock:
            self._faults.clear()
        self.latency_ms = 0

    def listing(self) -> tuple[Fault, ...]:
        """Return the faults in force; `times` is what is left of each."""
        with self._lock:
            return tuple(self._faults)

    def take(self, call: Call) -> Fault | None:
        """Return the first fault meant for this call, and count it; None when the call may go on."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if not fault.matches(call):
                    continue
                if fault.times == 1:
                    del self._faults[index]
                elif fault.times > 1:
                    self._faults[index] = replace(fault, times=fault.times - 1)
                return fault
        return None

    def code_at(self, call: Call, zone: str) -> str:
        """Return the code that the same call would meet in another zone; empty when it would go on."""
        there = replace(call, zone=zone)
        return next((fault.code for fault in self.listing() if fault.matches(there)), "")
