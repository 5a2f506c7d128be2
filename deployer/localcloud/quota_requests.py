"""Requests to increase a quota: filed through the Service Quotas API, decided with `deployer local quota approve`."""

from __future__ import annotations

import random
import threading
import time
import uuid
from dataclasses import dataclass, replace

from deployer.errors import LocalCloudError
from deployer.localcloud.quotas import Quota, Quotas, find


@dataclass(frozen=True, kw_only=True)
class Increase:
    """One request; `created` and `last_updated` are Unix seconds."""

    id: str
    case_id: str
    quota: Quota
    region: str
    desired: float
    status: str
    created: float
    last_updated: float

    @property
    def is_open(self) -> bool:
        """Whether AWS has still to decide."""
        return self.status in {"PENDING", "CASE_OPENED"}


class QuotaRequests:
    """The requests of the account. Safe to use from several threads."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self._lock = threading.Lock()
        self._requests: dict[str, Increase] = {}

    def file(self, quota: Quota, desired: float, *, region: str) -> Increase | None:
        """File a request; None when one for the same quota is still open."""
        now = time.time()
        with self._lock:
            if any(one.is_open and (one.quota, one.region) == (quota, region) for one in self._requests.values()):
                return None
            request = Increase(
                id=uuid.uuid4().hex,
                case_id=str(random.randrange(10**9, 10**10)),  # noqa: S311 - a number to show, no secret
                quota=quota,
                region=region,
                desired=desired,
                status="PENDING",
                created=now,
                last_updated=now,
            )
            self._requests[request.id] = request
        return request

    def find(self, request_id: str, *, region: str) -> Increase | None:
        """Return one request of a region."""
        return next((one for one in self.listing(region=region) if one.id == request_id), None)

    def listing(self, *, region: str) -> tuple[Increase, ...]:
        """Return the requests of a region, the oldest first."""
        with self._lock:
            return tuple(one for one in self._requests.values() if one.region == region)

    def decide(self, code: str, *, is_approved: bool, region: str = "") -> tuple[Increase, ...]:
        """Approve or deny what is open for a quota, in one region or (empty) in all; an approval applies the value.

        Raises LocalCloudError when nothing is open.
        """
        quota = find(code)
        status = "APPROVED" if is_approved else "DENIED"
        with self._lock:
            decided = tuple(
                replace(one, status=status, last_updated=time.time())
                for one in self._requests.values()
                if one.is_open and one.quota == quota and region in {"", one.region}
            )
            self._requests |= {one.id: one for one in decided}
        if not decided:
            where = f" in {region}" if region else ""
            raise LocalCloudError(
                f"No request for {code} ({quota.name}) is open{where}.", hint=f"File one: deployer quota request {code}"
            )
        for one in decided if is_approved else ():
            self._quotas.set(code, one.desired, region=one.region)
        return decided
