"""Types that somebody meant otherwise, prices over the limit, regions that answer nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from facts_examples import G4DN, config, denied, facts

from deployer import preflight
from deployer.aws.prices import Price
from deployer.aws.translation import translate
from deployer.errors import AccessDenied, AwsError
from deployer.facts import Unknown
from deployer.preflight import Finding, Level
from deployer.preflight.account import check_region
from deployer.preflight.machine import check_instance_type, check_offering
from deployer.preflight.price import check_price


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("g4.xlarge", "There is no instance type g4.xlarge in us-east-1.", "Did you mean g4dn.xlarge?"),
        ("g4dn.xlrge", "There is no instance type g4dn.xlrge", "Did you mean g4dn.xlarge"),
        ("p4.24xlarge", "There is no instance type p4.24xlarge", "Did you mean p4d.24xlarge or p4de.24xlarge?"),
        ("g12.xlarge", "There is no instance type g12.xlarge", ".xlarge or "),
        ("t3.4xlarge", "There is no instance type t3.4xlarge in us-east-1, and the family T has no GPU.", "G and P"),
        ("zz9.plural", "There is no instance type zz9.plural in us-east-1.", "G and P"),
        ("p5e.48xlarge", "p5e.48xlarge is not offered in us-east-1.", "It was offered in us-east-2, us-west-2"),
        ("g3.4xlarge", "g3.4xlarge was withdrawn: AWS has not offered that family since 2024-11.", "g4dn.xlarge"),
        ("p3.2xlarge", "p3.2xlarge was withdrawn: AWS has not offered that family since 2026-05.", "g6e.xlarge"),
    ],
)
def test_check_instance_type_guesses_what_is_meant(name: str, message: str, hint: str) -> None:
    finding = only(check_instance_type(facts(), name))

    assert finding.level is Level.ERROR
    assert message in finding.message
    assert hint in finding.hint


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("t3.micro", "t3.micro has no GPU (4 vCPUs, 16 GiB); the family T is for small, burstable CPU machines."),
        ("m5.large", "the family M is for general work on CPUs."),
        ("trn1.2xlarge", "the family TRN is for Trainium accelerators, which are no GPUs."),
    ],
)
def test_check_instance_type_says_what_a_family_without_gpus_is_for(name: str, words: str) -> None:
    hardware = replace(G4DN, name=name, gpu_name="", gpus=0)

    finding = only(check_instance_type(facts(types={name: hardware}), name))

    assert finding.level is Level.ERROR
    assert words in finding.message
    assert "g4dn.xlarge (T4, 16 GiB)" in finding.hint
    assert "--gpu-memory 24" in finding.hint


def test_check_offering_takes_a_zone_by_its_id() -> None:
    seen = facts(config=config(availability_zone="use1-az4"))

    assert only(check_offering(seen, "g4dn.xlarge")).level is Level.OK
    refused = only(check_offering(seen, "g5.xlarge"))
    assert refused.message == "g5.xlarge is not offered in use1-az4; it is offered in us-east-1b, us-east-1c."


def price(usd: float) -> Price:
    return Price(usd_per_hour=usd, source="AWS Price List (us-east-1)", as_of="2026-11-21")


SPOT = {("g4dn.xlarge", "us-east-1a"): price(0.158), ("g4dn.xlarge", "us-east-1b"): price(0.21)}


@pytest.mark.parametrize(
    ("settings", "level", "words"),
    [
        ({"max_price": 0.6}, None, ""),
        ({"max_price": 0.526}, None, ""),
        ({}, None, ""),
        ({"max_price": 0.5}, Level.ERROR, "costs $0.526 per hour on demand at least, more than max_price = 0.5."),
        ({"max_price": 0.2, "spot": True}, None, ""),
        ({"max_price": 0.1, "spot": True}, Level.ERROR, "costs $0.158 per hour as spot at least"),
        ({"max_price": 0.2, "spot": True, "availability_zone": "us-east-1b"}, Level.ERROR, "costs $0.210"),
        ({"max_price": 0.2, "spot": True, "availability_zone": "use1-az6"}, Level.ERROR, "costs $0.210"),
    ],
)
def test_check_price_compares_with_the_limit(settings: dict[str, Any], level: Level | None, words: str) -> None:
    seen = facts(config=config(**settings), prices={"g4dn.xlarge": price(0.526)}, spot_prices=SPOT)

    found = check_price(seen, "g4dn.xlarge")

    assert [item.level for item in found] == ([level] if level else [])
    assert all(words in item.message for item in found)


def test_check_price_names_a_limit_that_would_do_and_spot_where_it_is_below() -> None:
    seen = facts(config=config(max_price=0.5), prices={"g4dn.xlarge": price(0.526)}, spot_prices=SPOT)

    hint = only(check_price(seen, "g4dn.xlarge")).hint

    assert "--max-price 0.53" in hint
    assert "--spot: $0.158 now" in hint


def test_check_price_that_is_unknown_is_a_warning() -> None:
    seen = facts(config=config(max_price=0.5), prices={})

    assert only(check_price(seen, "g4dn.xlarge")).level is Level.WARNING


def silent(error: AwsError) -> dict[str, Unknown]:
    answer = Unknown(error.message, error.operation if isinstance(error, AccessDenied) else "", error)
    return dict.fromkeys(("zones", "types", "offerings", "instances"), answer)


def test_check_region_tells_a_region_where_ec2_answers_nothing_in_one_line() -> None:
    error = AwsError("AWS in us-east-1 cannot be reached.", hint="Check the network.", code="ConnectTimeoutError")

    findings = preflight.check(facts(**silent(error)))

    assert [item.check for item in findings if item.level is not Level.OK] == ["region"]
    assert findings[-1].message == "EC2 answers nothing in us-east-1: AWS in us-east-1 cannot be reached."
    assert findings[-1].hint == "Check the network."


def test_check_region_tells_a_region_that_the_organisation_forbids_in_one_line() -> None:
    said = (
        "... is not authorized to perform: ec2:DescribeInstanceTypes with an explicit deny in a service control policy"
    )
    answer = {"Error": {"Code": "UnauthorizedOperation", "Message": f"User: arn:aws:iam::1:user/ada {said}"}}
    error = translate(ClientError(answer, "DescribeInstanceTypes"), "ec2:DescribeInstanceTypes", "us-east-1")
    assert isinstance(error, AccessDenied)

    findings = preflight.check(facts(**silent(error)))

    assert [item.check for item in findings if item.level is not Level.OK] == ["region"]
    assert "service control policy" in findings[-1].message
    assert "--region" in findings[-1].hint


def test_check_region_names_each_permission_where_all_are_missing() -> None:
    actions = {
        "zones": "ec2:DescribeAvailabilityZones",
        "types": "ec2:DescribeInstanceTypes",
        "offerings": "ec2:DescribeInstanceTypeOfferings",
    }
    denials = {part: denied(action) for part, action in actions.items()}

    findings = preflight.check(facts(**denials, instances=denied("ec2:DescribeInstances")))

    hints = " ".join(item.hint for item in findings if item.level is Level.WARNING)
    assert all(action in hints for action in actions.values())
    assert preflight.can_launch(findings)


def test_check_region_keeps_asking_where_only_some_answers_are_missing() -> None:
    assert preflight.can_launch(preflight.check(facts(zones=denied("ec2:DescribeAvailabilityZones"))))


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ("cn-north-1", "cn-north-1 belongs to AWS China, and this account does not."),
        ("us-gov-west-1", "us-gov-west-1 belongs to AWS GovCloud"),
        ("us-east-7", "There is no region us-east-7."),
    ],
)
def test_check_region_tells_another_partition_from_a_region_that_does_not_exist(region: str, words: str) -> None:
    (finding,) = check_region(facts(config=config(region=region)))

    assert finding.level is Level.ERROR
    assert words in finding.message
    assert finding.hint


def test_check_offering_does_not_take_a_zone_id_for_a_name_where_the_zones_are_unknown() -> None:
    seen = facts(config=config(availability_zone="use1-az4"), zones=denied("ec2:DescribeAvailabilityZones"))

    finding = only(check_offering(seen, "g4dn.xlarge"))

    assert finding.message.startswith("Which zone use1-az4 is in this account could not be read: ")
    assert finding.hint == "Allow ec2:DescribeAvailabilityZones. Or name the zone, e.g. --zone us-east-1a."
