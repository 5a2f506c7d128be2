"""Which quota a type counts against, and what Service Quotas says of it over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.stub import Stubber

from deployer.aws import ec2, quotas
from deployer.aws.asking import Unknown
from deployer.aws.claims import CapacityReservation, SpotRequest
from deployer.aws.quotas import Quota
from deployer.aws.session import Session
from deployer.errors import AwsError
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


def test_with_usage_counts_what_runs_in_the_family_and_was_bought_alike(
    session: Session, launch: Callable[..., str], cloud: ControlClient
) -> None:
    cloud.set_quota("L-DB2E81BA", 48)
    launch(instance_type="g5.2xlarge")
    launch(instance_type="g4dn.xlarge", deployment="other")
    launch(instance_type="g4dn.xlarge", InstanceMarketOptions={"MarketType": "spot"})
    launch(instance_type="t3.large")
    running = ec2.instances(session)

    on_demand = quotas.with_usage(quotas.read_limit(session, "g6.xlarge", spot=False), running)
    spot = quotas.with_usage(quotas.read_limit(session, "g6.xlarge", spot=True), running)

    assert (on_demand.code, on_demand.value, on_demand.used) == ("L-DB2E81BA", 48.0, 12)
    assert on_demand.name == "Running On-Demand G and VT instances"
    assert (spot.code, spot.value, spot.used) == ("L-3819A6DF", 64.0, 4)


ON_DEMAND = Quota(code="L-DB2E81BA", name="Running On-Demand G and VT instances", region="us-east-1", value=64.0)
SPOT = replace(ON_DEMAND, code="L-3819A6DF", name="All G and VT Spot Instance Requests")
DENIED = Unknown("not allowed.", "ec2:DescribeSomething")


def reservation(**values: Any) -> CapacityReservation:
    facts = {"instance_type": "g5.2xlarge", "availability_zone": "us-east-1a", "total": 3, "available": 2}
    return CapacityReservation(**(facts | values))


def spot_request(**values: Any) -> SpotRequest:
    return SpotRequest(**({"id": "sir-1", "instance_type": "g4dn.xlarge", "state": "open"} | values))


@pytest.mark.parametrize(
    ("quota", "reservations", "requests", "used"),
    [
        # Two of three reserved machines do not run, and count all the same.
        (ON_DEMAND, [reservation()], [], 16),
        (ON_DEMAND, [reservation(available=0), reservation(instance_type="p5.4xlarge")], [], 0),
        (SPOT, [reservation()], [], 0),
        (SPOT, [], [spot_request(), spot_request(instance_type="gr6.4xlarge")], 20),
        # That one has its machine, which counts itself.
        (SPOT, [], [spot_request(state="active", instance_id="i-1")], 0),
        (ON_DEMAND, [], [spot_request()], 0),
    ],
)
def test_with_usage_counts_what_is_reserved_or_waited_for(
    quota: Quota, reservations: list[CapacityReservation], requests: list[SpotRequest], used: int
) -> None:
    assert quotas.with_usage(quota, [], reservations, requests).used == used


@pytest.mark.parametrize(
    ("quota", "parts", "used", "permission"),
    [
        (ON_DEMAND, (DENIED, [], []), None, "ec2:DescribeSomething"),
        (ON_DEMAND, ([], DENIED, []), 0, "ec2:DescribeSomething"),
        (SPOT, ([], [], DENIED), 0, "ec2:DescribeSomething"),
        # What does not count against the quota is not missed either.
        (SPOT, ([], DENIED, []), 0, ""),
        (ON_DEMAND, ([], [], DENIED), 0, ""),
    ],
)
def test_with_usage_names_the_permission_for_what_could_not_be_counted(
    quota: Quota, parts: tuple[Any, Any, Any], used: int | None, permission: str
) -> None:
    found = quotas.with_usage(quota, *parts)

    assert (found.used, found.permission, found.value) == (used, permission, 64.0)


def test_with_usage_counts_cores_that_were_switched_off_as_gone(session: Session, launch: Callable[..., str]) -> None:
    launch(instance_type="g4dn.2xlarge", CpuOptions={"CoreCount": 2, "ThreadsPerCore": 1})

    assert quotas.with_usage(ON_DEMAND, ec2.instances(session)).used == 2


def test_read_limit_that_is_refused_is_unknown_and_not_zero(session: Session, refuse: Callable[..., None]) -> None:
    refuse("GetServiceQuota", code="AccessDeniedException")

    quota = quotas.read_limit(session, "g4dn.xlarge", spot=False)

    assert quota.value is None
    assert quota.permission == "servicequotas:GetServiceQuota"
    assert quota.permission in quota.reason


def test_read_limit_takes_awss_default_where_the_account_has_no_value_of_its_own(session: Session) -> None:
    with Stubber(session.client("service-quotas")) as stub:
        stub.add_client_error("get_service_quota", "NoSuchResourceException")
        stub.add_response("get_aws_default_service_quota", {"Quota": {"Value": 0.0}})

        assert quotas.read_limit(session, "g4dn.xlarge", spot=False).value == 0.0


@pytest.fixture
def p5_spot(cloud: ControlClient) -> Iterator[Callable[[float], None]]:
    """Give the account a quota of its own for P5 on the spot market, as some still have; it goes with the test."""
    yield lambda value: cloud.set_quota("L-C4BD4855", value) and None
    cloud.unset_quota("L-C4BD4855")


def test_read_limit_of_p5_spot_goes_by_the_name_that_the_account_has(
    session: Session, p5_spot: Callable[[float], None]
) -> None:
    p5_spot(192)

    quota = quotas.read_limit(session, "p5.48xlarge", spot=True)

    assert (quota.code, quota.name, quota.value) == ("L-C4BD4855", "All P5 Spot Instance Requests", 192.0)


@pytest.mark.parametrize("may_list", [True, False])
def test_read_limit_of_p5_spot_takes_the_merged_quota_where_there_is_no_other(
    session: Session, refuse: Callable[..., None], may_list: bool
) -> None:
    if not may_list:
        refuse("ListServiceQuotas", code="AccessDeniedException")

    quota = quotas.read_limit(session, "p6-b200.48xlarge", spot=True)

    assert (quota.code, quota.name, quota.value) == ("L-7212CCBC", "All P Spot Instance Requests", 64.0)


def test_read_limit_of_p5_spot_goes_by_the_code_where_names_may_not_be_listed(
    session: Session, p5_spot: Callable[[float], None], refuse: Callable[..., None]
) -> None:
    p5_spot(192)
    refuse("ListServiceQuotas", code="AccessDeniedException")

    assert quotas.read_limit(session, "p5.48xlarge", spot=True).code == "L-C4BD4855"


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


def test_other_quotas_count_networks_and_say_whose_they_are(session: Session, ec2_client: Any) -> None:
    tags = [{"Key": "deployer:deployment", "Value": "fish"}]
    vpc = ec2_client.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": tags}])[
        "Vpc"
    ]["VpcId"]
    try:
        found = quotas.other_quotas(session)
    finally:
        ec2_client.delete_vpc(VpcId=vpc)

    assert set(found) == {"vpc", "internet-gateway"}
    assert (found["vpc"].code, found["vpc"].value, found["vpc"].used) == ("L-F678F1CE", 5.0, 2)
    assert found["vpc"].holders == {"fish"}
    assert (found["internet-gateway"].code, found["internet-gateway"].used) == ("L-A4707A72", 0)


def test_other_quotas_find_the_one_of_an_endpoint_by_its_name(session: Session) -> None:
    quota = quotas.other_quotas(session, "ml.g4dn.xlarge")["endpoint"]

    assert (quota.name, quota.value, quota.used) == ("ml.g4dn.xlarge for endpoint usage", 0.0, 0)
    assert quota.code.startswith("L-")


def test_other_quotas_of_an_endpoint_that_nobody_sells_are_unknown(session: Session) -> None:
    quota = quotas.other_quotas(session, "ml.g4dn.huge")["endpoint"]

    assert (quota.value, quota.code) == (None, "")
    assert "no quota of that name" in quota.reason


@pytest.mark.parametrize(
    ("action", "name", "permission"),
    [
        ("DescribeVpcs", "vpc", "ec2:DescribeVpcs"),
        ("DescribeInternetGateways", "internet-gateway", "ec2:DescribeInternetGateways"),
        ("GetServiceQuota", "vpc", "servicequotas:GetServiceQuota"),
        ("ListServiceQuotas", "endpoint", "servicequotas:ListServiceQuotas"),
        ("ListEndpoints", "endpoint", "sagemaker:ListEndpoints"),
    ],
)
def test_other_quotas_name_the_permission_that_is_missing(
    session: Session, refuse: Callable[..., None], action: str, name: str, permission: str
) -> None:
    refuse(action, code="AccessDeniedException")

    assert quotas.other_quotas(session, "ml.g4dn.xlarge")[name].permission == permission


def test_find_quota_looks_in_every_service(session: Session) -> None:
    assert quotas.find_quota(session, "L-FE5A380F").service == "vpc"
    assert quotas.find_quota(session, "L-417A185B").name == "Running On-Demand P instances"
    with pytest.raises(AwsError, match="L-00000000"):
        quotas.find_quota(session, "L-00000000")
