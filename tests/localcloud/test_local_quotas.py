"""Quotas: what can be read of them, requests for more, and what they hold back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloud_machines import Machine

from deployer.errors import LocalCloudError
from deployer.localcloud.control import ControlClient

Aws = Callable[..., Any]

ON_DEMAND_G = "L-DB2E81BA"
SPOT_G = "L-3819A6DF"
P5_SPOT = "L-C4BD4855"
VPCS = "L-F678F1CE"
GATEWAYS = "L-A4707A72"
TRAINING = "L-3F53BF0F"


def value(client: Any, code: str, service: str = "ec2") -> float:
    return float(client.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])


def names(client: Any, service: str, **options: Any) -> list[str]:
    pages = client.get_paginator("list_service_quotas").paginate(ServiceCode=service, PaginationConfig=options)
    return [quota["QuotaName"] for page in pages for quota in page["Quotas"]]


@pytest.mark.parametrize(
    ("service", "code", "name", "number"),
    [
        ("vpc", VPCS, "VPCs per Region", 5),
        ("vpc", GATEWAYS, "Internet gateways per Region", 5),
        ("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", 5),
        ("sagemaker", TRAINING, "ml.g4dn.xlarge for training job usage", 0),
    ],
)
def test_quota_beside_vcpus_is_read_by_code_and_by_name(
    aws: Aws, service: str, code: str, name: str, number: float
) -> None:
    client = aws("service-quotas")

    quota = client.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]

    assert (quota["QuotaName"], quota["Value"], quota["ServiceCode"]) == (name, number, service)
    assert name in names(client, service, PageSize=3)


def test_quotas_of_regions_are_apart(aws: Aws, control: ControlClient) -> None:
    control.set_quota(VPCS, 9, region="us-west-2")

    west, east = (
        value(aws("service-quotas", region_name=region), VPCS, "vpc") for region in ("us-west-2", "us-east-1")
    )

    assert (west, east) == (9, 5)


def test_quota_without_an_applied_value_has_only_its_default(aws: Aws, control: ControlClient) -> None:
    client = aws("service-quotas")
    control.unset_quota(ON_DEMAND_G)

    with pytest.raises(ClientError, match="NoSuchResourceException"):
        value(client, ON_DEMAND_G)

    default = client.get_aws_default_service_quota(ServiceCode="ec2", QuotaCode=ON_DEMAND_G)["Quota"]
    assert default["Value"] == 0
    assert default["QuotaName"] not in names(client, "ec2")


def test_account_without_an_applied_value_is_held_to_the_default(
    control: ControlClient, launch: Callable[..., Machine]
) -> None:
    control.unset_quota(ON_DEMAND_G)

    with pytest.raises(ClientError, match="vCPU limit of 0"):
        launch()


def test_legacy_quota_of_p5_spot_is_there_once_it_is_set(aws: Aws, control: ControlClient) -> None:
    client = aws("service-quotas")
    before = names(client, "ec2")
    control.set_quota(P5_SPOT, 8)

    assert "All P5 Spot Instance Requests" not in before
    assert "All P5 Spot Instance Requests" in names(client, "ec2")


@pytest.fixture
def request_more(aws: Aws, control: ControlClient) -> Iterator[Callable[..., dict[str, Any]]]:
    """File a request for more, of a quota and a region that no other test asks for; leave none open."""
    filed: list[tuple[str, str]] = []

    def file(code: str, desired: float, region: str, service: str = "ec2") -> dict[str, Any]:
        client = aws("service-quotas", region_name=region)
        asked = {"ServiceCode": service, "QuotaCode": code, "DesiredValue": desired}
        answer: dict[str, Any] = client.request_service_quota_increase(**asked)["RequestedQuota"]
        filed.append((code, region))
        return answer

    yield file
    for code, region in filed:
        try:
            control.decide_quota(code, is_approved=False, region=region)
        except LocalCloudError:  # the test has decided it
            continue


def test_request_is_pending_until_it_is_approved(
    aws: Aws, control: ControlClient, request_more: Callable[..., dict[str, Any]]
) -> None:
    client = aws("service-quotas", region_name="us-east-2")
    filed = request_more(ON_DEMAND_G, 96, "us-east-2")
    held = value(client, ON_DEMAND_G)

    decided = control.decide_quota(ON_DEMAND_G, is_approved=True, region="us-east-2")["requests"]
    now = client.get_requested_service_quota_change(RequestId=filed["Id"])["RequestedQuota"]

    assert (filed["Status"], held) == ("PENDING", 64)
    assert filed["CaseId"].isdigit()
    assert filed["Created"] <= now["LastUpdated"]
    assert [item["status"] for item in decided] == [now["Status"]] == ["APPROVED"]
    assert value(client, ON_DEMAND_G) == 96
    assert value(aws("service-quotas"), ON_DEMAND_G) == 64


def test_denied_request_changes_nothing_and_another_may_follow(
    aws: Aws, control: ControlClient, request_more: Callable[..., dict[str, Any]]
) -> None:
    client = aws("service-quotas", region_name="eu-west-2")
    request_more(TRAINING, 2, "eu-west-2", "sagemaker")
    control.decide_quota(TRAINING, is_approved=False, region="eu-west-2")
    request_more(TRAINING, 1, "eu-west-2", "sagemaker")

    history = client.list_requested_service_quota_change_history(ServiceCode="sagemaker")["RequestedQuotas"]

    assert [item["Status"] for item in history] == ["DENIED", "PENDING"]
    assert value(client, TRAINING, "sagemaker") == 0


def test_request_that_is_not_more_is_refused(request_more: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(ClientError, match="IllegalArgumentException"):
        request_more(ON_DEMAND_G, 64, "us-east-2")


def test_decision_without_a_request_says_so(control: ControlClient) -> None:
    with pytest.raises(LocalCloudError, match=r"No request for L-0263D0A3 .* is open in eu-west-3"):
        control.decide_quota("L-0263D0A3", is_approved=True, region="eu-west-3")


@pytest.mark.parametrize(
    ("code", "call", "error"),
    [
        (VPCS, lambda ec2: ec2.create_vpc(CidrBlock="10.9.0.0/16"), "VpcLimitExceeded"),
        (GATEWAYS, lambda ec2: ec2.create_internet_gateway(), "InternetGatewayLimitExceeded"),
        ("L-0263D0A3", lambda ec2: ec2.allocate_address(Domain="vpc"), "AddressLimitExceeded"),
    ],
)
def test_network_over_the_quota_is_refused(
    aws: Aws, control: ControlClient, code: str, call: Callable[[Any], Any], error: str
) -> None:
    control.set_quota(code, 0, region="eu-north-1")

    with pytest.raises(ClientError, match=r"The maximum number of .* has been reached") as caught:
        call(aws("ec2", region_name="eu-north-1"))

    assert caught.value.response["Error"]["Code"] == error
