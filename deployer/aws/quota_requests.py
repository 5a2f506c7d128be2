"""Requests to raise a quota: filed with Service Quotas, decided by AWS, kept in its history for 90 days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployer.aws.quotas import Quota
from deployer.aws.session import Session, aws_errors
from deployer.errors import AwsError

# Service Quotas API reference, RequestedServiceQuotaChange, read 2026-11.
STATUSES = {
    "PENDING": "AWS has the request, and has not looked at it yet; small increases are often granted within minutes",
    "CASE_OPENED": "a person at AWS looks at it, which takes hours to days; they may ask back in the support case",
    "APPROVED": "granted; the new value holds within some minutes",
    "DENIED": "AWS refused it",
    "CASE_CLOSED": "AWS closed the support case without raising the quota",
    "NOT_APPROVED": "AWS did not grant it by itself",
    "INVALID_REQUEST": "AWS cannot make sense of the request",
}
OPEN_STATUSES = frozenset({"PENDING", "CASE_OPENED"})

# What AWS answers where a request for the same quota is still open.
ALREADY_OPEN = "ResourceAlreadyExistsException"


@dataclass(frozen=True, kw_only=True)
class QuotaRequest:
    """One request; `desired` is the new total, `case_id` the support case where AWS has opened one."""

    id: str
    code: str
    name: str
    service: str
    region: str
    desired: float
    status: str
    case_id: str = ""
    created: float = 0.0  # Unix seconds

    @property
    def is_open(self) -> bool:
        """Whether AWS has still to decide."""
        return self.status in OPEN_STATUSES

    @property
    def is_granted(self) -> bool:
        """Whether AWS said yes."""
        return self.status == "APPROVED"


def file_request(session: Session, quota: Quota, value: float) -> QuotaRequest:
    """Ask AWS to raise a quota to a new total. Raises AwsError; its code is ALREADY_OPEN where one is open."""
    with aws_errors("servicequotas:RequestServiceQuotaIncrease", region=session.region):
        answer = session.client("service-quotas").request_service_quota_increase(
            ServiceCode=quota.service, QuotaCode=quota.code, DesiredValue=float(value)
        )
    return _request(session, answer["RequestedQuota"])


def read_request(session: Session, request_id: str) -> QuotaRequest:
    """Return where a request stands. Raises AwsError."""
    try:
        with aws_errors("servicequotas:GetRequestedServiceQuotaChange", region=session.region):
            answer = session.client("service-quotas").get_requested_service_quota_change(RequestId=request_id)
    except AwsError as error:
        if error.code != "NoSuchResourceException":
            raise
        raise AwsError(
            f"There is no request {request_id} for a quota in {session.region}.",
            hint="`deployer quota` shows the requests of a region; pass another with --region.",
            code=error.code,
        ) from error
    return _request(session, answer["RequestedQuota"])


def list_requests(session: Session) -> list[QuotaRequest]:
    """Return the requests of the last 90 days in this region, the newest first."""
    with aws_errors("servicequotas:ListRequestedServiceQuotaChangeHistory", region=session.region):
        operation = "list_requested_service_quota_change_history"
        found = [_request(session, item) for item in session.pages("service-quotas", operation, "RequestedQuotas")]
    return sorted(found, key=lambda item: item.created, reverse=True)


def _request(session: Session, item: dict[str, Any]) -> QuotaRequest:
    created = item.get("Created")
    return QuotaRequest(
        id=item["Id"],
        code=item["QuotaCode"],
        name=item.get("QuotaName", item["QuotaCode"]),
        service=item["ServiceCode"],
        region=session.region,
        desired=float(item["DesiredValue"]),
        status=item["Status"],
        case_id=item.get("CaseId", ""),
        created=created.timestamp() if created else 0.0,
    )
