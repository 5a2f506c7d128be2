"""Cloud9, which AWS closed to new accounts on 2024-07-25: the environments of an account that still has it."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from functools import cache
from typing import Any

from deployer.aws.session import Session, aws_errors

# DescribeEnvironments takes no more ids in one call.
IDS_MAX = 25


class Cloud9Access(enum.Enum):
    """Whether this account can have an environment here; a missing permission is an error, not one of these."""

    OPEN = "open"
    CLOSED = "closed to accounts that did not use it before 2024-07-25"
    NO_SERVICE = "not in this region"


def environments(session: Session, name: str) -> list[str]:
    """Return the ids of the environments of this name; none where the account or the region has no Cloud9."""
    ids = _ids(session) or []
    found = []
    with aws_errors("cloud9:DescribeEnvironments", region=session.region):
        for start in range(0, len(ids), IDS_MAX):
            answer = session.client("cloud9").describe_environments(environmentIds=ids[start : start + IDS_MAX])
            found += [item["id"] for item in answer["environments"] if item["name"] == name]
    return found


def access(session: Session) -> Cloud9Access:
    """Tell whether this account can have an environment in this region.

    Raises AccessDenied, naming the action, where these credentials may not ask: that says nothing of the account.
    """
    if session.region not in _regions():
        return Cloud9Access.NO_SERVICE
    return Cloud9Access.CLOSED if _ids(session) is None else Cloud9Access.OPEN


def _ids(session: Session) -> list[str] | None:
    """Return the ids of all environments; None where the account or the region has no Cloud9."""
    if session.region not in _regions():
        return None
    with aws_errors("cloud9:ListEnvironments", region=session.region):
        return _list(session)


def _list(session: Session) -> list[str] | None:
    from botocore.exceptions import ClientError

    try:
        return list(session.pages("cloud9", "list_environments", "environmentIds"))
    except ClientError as error:
        answer = error.response.get("Error", {})
        if _is_closed(answer.get("Code", ""), answer.get("Message", "")):
            return None
        raise


def _is_closed(code: str, said: str) -> bool:
    """Tell "this account never had Cloud9" from a missing permission, which names the action that is missing."""
    if code not in {"AccessDeniedException", "ForbiddenException"}:
        return False
    return not said or "does not have access to the Cloud9 service" in said


@cache
def _regions() -> frozenset[str]:
    """Return the regions that have the service, as boto3 knows them: elsewhere nothing answers."""
    from botocore.loaders import create_loader

    return frozenset(_endpoints(create_loader().load_data("endpoints")["partitions"]))


def _endpoints(partitions: list[dict[str, Any]]) -> Iterator[str]:
    for partition in partitions:
        yield from partition["services"].get("cloud9", {}).get("endpoints", {})
