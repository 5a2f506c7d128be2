"""Which quota a type counts against, and what Service Quotas says of it over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.stub import Stubber

from deployer.aws import quotas
from deployer.aws.session import Session
from deployer.localcloud.control import ControlClient


@pytest.mark.parametrize(
    ("instance_type", "spot", "codes"),
    [
        ("g4dn.xlarge", False, ("L-DB2E81BA",)),
        ("g4dn.xlarge", True, ("L-3819A6DF",)),
        # r6 is Standard, gr6 has a GPU and is not.
        ("gr6.4xlarge", False, ("L-DB2E81BA",)),
        ("gr6f.4xlarge", True, ("L-3819A6DF",)),
        ("g7e.2xlarge", False, ("L-DB2E81BA",)),
        ("vt1.3xlarge", False, ("L-DB2E81BA",)),
        ("p4d.24xlarge", False, ("L-417A185B",)),
        ("p4d.24xlarge", True, ("L-7212CCBC",)),
        ("p5.4xlarge", False, ("L-417A185B",)),
        ("p5.4xlarge", True, ("L-C4BD4855", "L-7212CCBC")),
        ("p6-b200.48xlarge", True, ("L-C4BD4855", "L-7212CCBC")),
        ("trn1.2xlarge", True, ("L-6B0D517C",)),
        ("inf2.xlarge", False, ("L-1945791B",)),
        ("dl1.24xlarge", False, ("L-6E869C2A",)),
        ("m5.large", False, ("L-1216C47A",)),
        ("r6i.large", True, ("L-34B43A08",)),
        ("u-6tb1.metal", True, ()),
    ],
)
def test_quota_codes_follow_the_letters_before_the_digit(
    instance_type: str, spot: bool, codes: tuple[str, ...]
) -> None:
    assert quotas.quota_codes(instance_type, spot) == codes


def test_vcpu_quota_counts_what_runs_in_the_family_and_was_bought_alike(
    session: Session, launch: Callable[..., str], cloud: ControlClient
) -> None:
    cloud.set_quota("L-DB2E81BA", 48)
    launch(instance_type="g5.2xlarge")
    launch(instance_type="g4dn.xlarge", deployment="other")
    launch(instance_type="g4dn.xlarge", InstanceMarketOptions={"MarketType": "spot"})
    launch(instance_type="t3.large")

    on_demand = quotas.vcpu_quota(session, "g6.xlarge", spot=False)
    spot = quotas.vcpu_quota(session, "g6.xlarge", spot=True)

    assert (on_demand.code, on_demand.value, on_demand.used) == ("L-DB2E81BA", 48.0, 12)
    assert on_demand.name == "Running On-Demand G and VT instances"
    assert (spot.code, spot.value, spot.used) == ("L-3819A6DF", 64.0, 4)


def test_vcpu_quota_that_may_not_be_read_is_unknown_and_not_zero(session: Session, refuse: Callable[..., None]) -> None:
    refuse("GetServiceQuota", code="AccessDeniedException")

    quota = quotas.vcpu_quota(session, "g4dn.xlarge", spot=False)

    assert (quota.value, quota.used) == (None, 0)
    assert quota.permission == "servicequotas:GetServiceQuota"
    assert quota.permission in quota.reason


def test_vcpu_quota_tells_when_its_use_may_not_be_read(session: Session, refuse: Callable[..., None]) -> None:
    refuse("DescribeInstances")

    quota = quotas.vcpu_quota(session, "g4dn.xlarge", spot=False)

    assert (quota.value, quota.used, quota.permission) == (64.0, None, "ec2:DescribeInstances")


def test_read_limit_takes_awss_default_where_the_account_has_no_value_of_its_own(session: Session) -> None:
    with Stubber(session.client("service-quotas")) as stub:
        stub.add_client_error("get_service_quota", "NoSuchResourceException")
        stub.add_response("get_aws_default_service_quota", {"Quota": {"Value": 0.0}})

        assert quotas.read_limit(session, "g4dn.xlarge", spot=False).value == 0.0


def test_read_limit_of_p5_spot_falls_back_to_the_merged_quota(session: Session) -> None:
    with Stubber(session.client("service-quotas")) as stub:
        stub.add_client_error(
            "get_service_quota",
            "NoSuchResourceException",
            expected_params={"ServiceCode": "ec2", "QuotaCode": "L-C4BD4855"},
        )
        stub.add_response(
            "get_service_quota",
            {"Quota": {"Value": 192.0}},
            expected_params={"ServiceCode": "ec2", "QuotaCode": "L-7212CCBC"},
        )

        quota = quotas.read_limit(session, "p5.48xlarge", spot=True)

    assert (quota.code, quota.value) == ("L-7212CCBC", 192.0)


def test_read_limit_that_aws_does_not_know_at_all_is_unknown(session: Session) -> None:
    with Stubber(session.client("service-quotas")) as stub:
        stub.add_client_error("get_service_quota", "NoSuchResourceException")
        stub.add_client_error("get_aws_default_service_quota", "NoSuchResourceException")

        quota = quotas.read_limit(session, "g4dn.xlarge", spot=False)

    assert quota.value is None
    assert "L-DB2E81BA" in quota.reason


def test_read_limit_of_a_family_that_is_not_sold_on_the_spot_market_says_so(session: Session) -> None:
    quota = quotas.read_limit(session, "u-6tb1.metal", spot=True)

    assert (quota.value, quota.reason) == (None, "AWS has no spot quota for High Memory instances.")
