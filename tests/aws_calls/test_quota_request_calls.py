"""From a request for more to AWS's answer, over HTTP; what the local cloud never answers comes from a stub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest
from botocore.stub import Stubber

from deployer.aws import quota_requests, quotas
from deployer.aws.quotas import Quota
from deployer.aws.session import Session
from deployer.config import Config
from deployer.deployment import quota as requests
from deployer.deployment.quota import Headroom, Increase
from deployer.errors import AwsError
from deployer.localcloud.control import ControlClient

P_QUOTA = Quota(code="L-417A185B", name="Running On-Demand P instances", region="us-east-1", value=64.0, used=0)


@pytest.fixture
def undecided(cloud: ControlClient) -> Iterator[None]:
    """Deny in the end what a test leaves open, so that the next may ask."""
    yield
    cloud.decide_quota(P_QUOTA.code, is_approved=False)


def test_statuses_are_those_that_aws_documents() -> None:
    model = botocore.session.get_session().get_service_model("service-quotas")

    assert set(quota_requests.STATUSES) == set(model.shape_for("RequestStatus").enum)


def test_read_request_of_an_id_that_nobody_has_is_a_plain_no(session: Session) -> None:
    with pytest.raises(AwsError) as caught:
        quota_requests.read_request(session, "nonsense")

    assert caught.value.message == "There is no request nonsense for a quota in us-east-1."


@pytest.mark.parametrize(
    ("region", "message", "hint"),
    [
        ("eu-wst-1", "There is no region eu-wst-1.", "Did you mean eu-west-1"),
        ("ap-east-1", "ap-east-1 is not enabled for this account.", "aws account enable-region"),
    ],
)
def test_overview_of_a_region_that_cannot_be_used_says_why(
    session: Session, region: str, message: str, hint: str
) -> None:
    with pytest.raises(AwsError) as caught:
        requests.overview(Config(name="demo", region=region), session.elsewhere(region))

    assert caught.value.message == message
    assert hint in caught.value.hint


@pytest.mark.usefixtures("undecided")
def test_file_request_is_in_the_history_and_can_be_read(session: Session) -> None:
    filed = quota_requests.file_request(session, P_QUOTA, 192)

    assert (filed.code, filed.desired, filed.status, filed.is_open) == (P_QUOTA.code, 192.0, "PENDING", True)
    assert quota_requests.list_requests(session)[0] == filed
    assert quota_requests.read_request(session, filed.id) == filed
    with pytest.raises(AwsError) as caught:
        quota_requests.file_request(session, P_QUOTA, 193)
    assert caught.value.code == quota_requests.ALREADY_OPEN


@pytest.mark.usefixtures("undecided")
def test_file_takes_the_request_that_somebody_else_has_opened_meanwhile(session: Session, tmp_path: Path) -> None:
    config = Config(project=tmp_path, name="fish")
    first = quota_requests.file_request(session, P_QUOTA, 192)

    taken = requests.file(config, session, Increase(quota=P_QUOTA, value=200))

    assert taken == first
    assert requests.remembered(config) == first


@pytest.mark.parametrize(("value", "status"), [(192.0, "APPROVED"), (64.0, "CASE_CLOSED")])
def test_standing_of_a_closed_case_goes_by_the_quota(session: Session, value: float, status: str) -> None:
    closed = {
        "Id": "1",
        "ServiceCode": "ec2",
        "QuotaCode": P_QUOTA.code,
        "QuotaName": P_QUOTA.name,
        "DesiredValue": 192.0,
        "Status": "CASE_CLOSED",
    }
    # A stub: nobody at the local cloud opens support cases.
    with Stubber(session.client("service-quotas")) as stub:
        stub.add_response("get_requested_service_quota_change", {"RequestedQuota": closed})
        stub.add_response("get_service_quota", {"Quota": {"QuotaName": P_QUOTA.name, "Value": value}})

        assert requests.standing(session, "1").status == status


@pytest.mark.parametrize(
    ("value", "used", "own", "needed", "free", "is_enough", "enough"),
    [
        (64.0, 8, 0, 16, 56, True, 24),
        (8.0, 8, 4, 8, 4, False, 12),
        # Its own machines count as free.
        (8.0, 8, 8, 8, 8, True, 8),
        (None, 8, 0, 16, None, None, 24),
        (64.0, None, 0, 16, None, None, None),
        (64.0, 8, 0, None, 56, None, None),
    ],
)
def test_headroom_compares_what_is_free_with_what_is_needed(
    value: float | None,
    used: int | None,
    own: int,
    needed: int | None,
    free: int | None,
    is_enough: bool | None,
    enough: int | None,
) -> None:
    quota = Quota(code="L-1", name="Some", region="us-east-1", value=value, used=used)

    row = Headroom(quota=quota, purpose="1 × g4dn.xlarge", needed=needed, own=own)

    assert (row.free, row.is_enough, row.enough) == (free, is_enough, enough)


def test_overview_shows_each_quota_once_the_wanted_way_of_buying_first(session: Session, tmp_path: Path) -> None:
    config = Config(project=tmp_path, instance_type=("p4d.24xlarge", "gr6.4xlarge", "g4dn.xlarge"), spot=True, nodes=2)

    found = requests.overview(config, session)

    assert [(row.quota.code, row.needed, row.is_wanted) for row in found.rows] == [
        ("L-7212CCBC", 192, True),
        ("L-3819A6DF", 32, True),
        ("L-417A185B", 192, False),
        ("L-DB2E81BA", 32, False),
        (quotas.VPC_CODE, 1, True),
        (quotas.GATEWAY_CODE, 1, True),
    ]
