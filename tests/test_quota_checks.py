"""What is said of networks, endpoints and of a use that is only partly known; the vCPUs stand in test_preflight.py."""

from __future__ import annotations

from dataclasses import replace

import pytest
from facts_examples import G_QUOTA, config, denied, facts

from deployer import preflight
from deployer.aws.quotas import Quota
from deployer.config import EndpointConfig
from deployer.preflight import Level
from deployer.preflight.quota import check_other_quotas, check_quota

VPCS = Quota(code="L-F678F1CE", name="VPCs per Region", region="us-east-1", service="vpc", value=5.0, used=5)
ENDPOINTS = Quota(
    code="L-545DA39C",
    name="ml.g4dn.xlarge for endpoint usage",
    region="us-east-1",
    service="sagemaker",
    value=0.0,
    used=0,
)


@pytest.mark.parametrize(
    ("quota", "level", "words"),
    [
        (VPCS, Level.ERROR, "needs a new VPC, and 0 of 5 are free in us-east-1 (VPCs per Region, L-F678F1CE)"),
        (replace(VPCS, used=4), None, ""),
        # Its own network is there already, and is used again.
        (replace(VPCS, holders=frozenset({"demo", "other"})), None, ""),
        (replace(VPCS, holders=frozenset({"other"})), Level.ERROR, "0 of 5 are free"),
        (replace(VPCS, value=None, reason="not allowed."), Level.WARNING, "how many us-east-1 allows is unknown"),
        (replace(VPCS, used=None, reason="not allowed."), Level.WARNING, "are in use in us-east-1 is unknown"),
    ],
)
def test_check_other_quotas_wants_room_for_a_network_that_is_not_there_yet(
    quota: Quota, level: Level | None, words: str
) -> None:
    findings = check_other_quotas(facts(other_quotas={"vpc": quota}))

    assert [item.level for item in findings] == ([level] if level else [])
    assert all(words in item.message for item in findings)


def test_check_other_quotas_types_out_the_request_for_more() -> None:
    (finding,) = check_other_quotas(facts(other_quotas={"vpc": VPCS}))

    assert "deployer quota request --code L-F678F1CE --value 6 --region us-east-1" in finding.hint


def test_check_other_quotas_names_the_permission_that_is_missing() -> None:
    quota = replace(VPCS, value=None, reason="not allowed.", permission="servicequotas:GetServiceQuota")

    assert check_other_quotas(facts(other_quotas={"vpc": quota}))[0].hint == "Allow servicequotas:GetServiceQuota."


def test_check_other_quotas_only_warns_of_an_endpoint_which_up_does_not_make() -> None:
    seen = facts(
        config=config(endpoint=EndpointConfig(instance_type="ml.g4dn.xlarge")), other_quotas={"endpoint": ENDPOINTS}
    )

    (finding,) = check_other_quotas(seen)

    assert finding.level is Level.WARNING
    assert "An endpoint on ml.g4dn.xlarge needs 1 instance, and 0 of 0 are free" in finding.message
    assert preflight.can_launch(preflight.check(seen))


def test_check_launches_nothing_without_room_for_the_network() -> None:
    seen = facts(other_quotas={"vpc": VPCS})

    assert not preflight.can_launch(preflight.check(seen))
    assert preflight.launchable_types(seen) == ()


def test_check_quota_says_that_a_use_is_a_lower_bound() -> None:
    quota = replace(G_QUOTA, used=8, reason="not allowed.", permission="ec2:DescribeCapacityReservations")

    (finding,) = check_quota(facts(quotas={"g4dn.xlarge": quota}), "g4dn.xlarge")

    assert (finding.level, finding.hint) == (Level.WARNING, "Allow ec2:DescribeCapacityReservations.")
    assert "at most 56 of 64 are free" in finding.message


def test_check_quota_takes_the_table_where_ec2_may_not_describe_the_type() -> None:
    seen = facts(types=denied("ec2:DescribeInstanceTypes"))

    (finding,) = check_quota(seen, "g4dn.xlarge")

    assert (finding.level, finding.message[:31]) == (Level.OK, "1 × g4dn.xlarge needs 4 vCPUs; ")


def test_check_quota_names_the_permission_where_not_even_the_table_knows_the_type() -> None:
    seen = facts(types=denied("ec2:DescribeInstanceTypes"), quotas={"g9.xlarge": G_QUOTA})

    (finding,) = check_quota(seen, "g9.xlarge")

    assert (finding.level, "ec2:DescribeInstanceTypes" in finding.hint) == (Level.WARNING, True)


def test_check_quota_does_not_advise_a_permission_against_a_policy_of_the_organisation() -> None:
    reason = "A service control policy of the organisation forbids servicequotas:GetServiceQuota in us-east-1."
    quota = replace(G_QUOTA, value=None, reason=reason, permission="servicequotas:GetServiceQuota")

    (finding,) = check_quota(facts(quotas={"g4dn.xlarge": quota}), "g4dn.xlarge")

    assert finding.hint.startswith("No IAM permission helps against that")
