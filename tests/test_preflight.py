"""Every check over literal facts: no AWS, no network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from facts_examples import G4DN, G5, G_QUOTA, IMAGE, config, denied, facts, instance

from deployer import preflight
from deployer.aws.quotas import Quota
from deployer.errors import AwsError, NoCredentials
from deployer.facts import Facts, Unknown
from deployer.preflight import Finding, Level


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_check_accepts_an_account_where_everything_is_fine() -> None:
    findings = preflight.check(facts())

    assert {item.level for item in findings} == {Level.OK}
    assert [item.check for item in findings] == ["credentials", "region"] + 2 * [
        "instance type",
        "offering",
        "quota",
        "image",
    ]
    assert preflight.can_launch(findings)


def test_check_stops_at_credentials_that_aws_does_not_know() -> None:
    error = NoCredentials("No AWS credentials were found on this machine.", hint="Run `aws configure`.")

    findings = preflight.check(facts(identity=Unknown(error.message, error=error)))

    assert [item.check for item in findings if item.level is Level.ERROR] == ["credentials"]
    assert findings[0].hint == "Run `aws configure`."
    assert not any(item.instance_type for item in findings)


@pytest.mark.parametrize(
    ("region", "message", "hint"),
    [
        ("us-east-9", "There is no region us-east-9.", "us-east-1"),
        ("ap-east-1", "ap-east-1 is not enabled for this account.", "enable-region --region-name ap-east-1"),
    ],
)
def test_check_region_refuses_what_does_not_exist_or_is_not_enabled(region: str, message: str, hint: str) -> None:
    finding = only(preflight.check_region(facts(config=config(region=region))))

    assert (finding.level, finding.message) == (Level.ERROR, message)
    assert hint in finding.hint


def test_check_region_refuses_a_zone_that_the_account_does_not_have() -> None:
    findings = preflight.check_region(facts(config=config(availability_zone="us-east-1q")))

    assert [item.level for item in findings] == [Level.OK, Level.ERROR]
    assert "us-east-1q" in findings[1].message
    assert "us-east-1a (use1-az4), us-east-1b (use1-az6)" in findings[1].hint


@pytest.mark.parametrize(
    ("name", "values", "level", "words"),
    [
        ("g4dn.xlarge", {}, Level.OK, "1 × T4 with 16 GiB, 4 vCPUs, 16 GiB"),
        ("g4dn.xlrge", {}, Level.ERROR, "There is no instance type g4dn.xlrge in us-east-1"),
        ("g3.4xlarge", {}, Level.ERROR, "g3.4xlarge was withdrawn: AWS has not offered that family since 2024-11"),
        ("g3s.xlarge", {}, Level.ERROR, "withdrawn"),
        ("g2.2xlarge", {}, Level.ERROR, "withdrawn"),
        ("p2.xlarge", {}, Level.ERROR, "withdrawn"),
        ("p3.2xlarge", {}, Level.ERROR, "withdrawn"),
        (
            "m5.large",
            {"types": {"m5.large": replace(G4DN, name="m5.large", gpu_name="", gpus=0)}},
            Level.ERROR,
            "no GPU",
        ),
        (
            "g4ad.xlarge",
            {"types": {"g4ad.xlarge": replace(G4DN, name="g4ad.xlarge", gpu_name="Radeon", gpu_manufacturer="AMD")}},
            Level.ERROR,
            "AMD Radeon, and the images drive NVIDIA's only",
        ),
        (
            "g6f.large",
            {"types": {"g6f.large": replace(G4DN, name="g6f.large", gpus=0, gpu_name="L4")}},
            Level.OK,
            "a part of one × L4",
        ),
        (
            "p5e.48xlarge",
            {"types": {"p5e.48xlarge": replace(G4DN, name="p5e.48xlarge", usage_classes=frozenset({"spot"}))}},
            Level.ERROR,
            "is not sold as on-demand (only spot)",
        ),
        ("g4dn.xlarge", {"types": denied("ec2:DescribeInstanceTypes")}, Level.WARNING, "could not be read"),
    ],
)
def test_check_instance_type_says_what_is_wrong_with_it(
    name: str, values: dict[str, Any], level: Level, words: str
) -> None:
    finding = only(preflight.check_instance_type(facts(**values), name))

    assert finding.level is level
    assert words in finding.message


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("g4dn.xlrge", "g4dn.xlarge"),
        ("p3.8xlarge", "--instance-type g6e.xlarge"),
        ("g3.4xlarge", "--instance-type g4dn.xlarge"),
    ],
)
def test_check_instance_type_names_one_to_take_instead(name: str, hint: str) -> None:
    assert hint in only(preflight.check_instance_type(facts(), name)).hint


def test_check_instance_type_accepts_a_cpu_type_where_that_is_allowed() -> None:
    cpu_type = replace(G4DN, name="m5.large", gpu_name="", gpus=0)
    seen = facts(config=config(instance_type=("m5.large",), allow_cpu=True), types={"m5.large": cpu_type})

    assert only(preflight.check_instance_type(seen, "m5.large")).level is Level.INFO


def test_check_offering_lists_every_zone_with_its_id() -> None:
    finding = only(preflight.check_offering(facts(), "g4dn.xlarge"))

    assert finding.level is Level.OK
    assert finding.message == "g4dn.xlarge is offered in us-east-1a (use1-az4), us-east-1b (use1-az6)"


def test_check_offering_names_the_zones_that_would_do() -> None:
    finding = only(preflight.check_offering(facts(config=config(availability_zone="us-east-1c")), "g4dn.xlarge"))

    assert finding.level is Level.ERROR
    assert finding.message == "g4dn.xlarge is not offered in us-east-1c; it is offered in us-east-1a, us-east-1b."
    assert finding.hint == 'Set availability_zone = "us-east-1a" in deployer.toml, or pass --zone us-east-1a.'


def test_check_offering_refuses_a_type_that_the_region_does_not_have() -> None:
    finding = only(preflight.check_offering(facts(offerings={"g4dn.xlarge": frozenset()}), "g4dn.xlarge"))

    assert (finding.level, finding.message) == (Level.ERROR, "g4dn.xlarge is not offered in us-east-1.")


@pytest.mark.parametrize(
    ("value", "used", "nodes", "level", "words"),
    [
        (64.0, 0, 1, Level.OK, "1 × g4dn.xlarge needs 4 vCPUs; 64 of 64 are free"),
        (4.0, 0, 1, Level.OK, "4 of 4 are free"),
        (4.0, 4, 1, Level.ERROR, "0 of 4 are free in us-east-1"),
        (0.0, 0, 1, Level.ERROR, "0 of 0 are free"),
        (8.0, 4, 2, Level.ERROR, "2 × g4dn.xlarge needs 8 vCPUs, and 4 of 8 are free"),
        (8.0, 0, 2, Level.OK, "8 of 8 are free"),
        (4.0, 96, 1, Level.ERROR, "and 0 of 4 are free"),
        (None, 0, 1, Level.WARNING, "is unknown"),
        (64.0, None, 1, Level.WARNING, "how many are in use is unknown"),
        (2.0, None, 1, Level.ERROR, "2 of 2 are free"),
    ],
)
def test_check_quota_compares_what_is_needed_with_what_is_free(
    value: float | None, used: int | None, nodes: int, level: Level, words: str
) -> None:
    quota = replace(G_QUOTA, value=value, used=used, reason="" if value and used is not None else "not allowed.")
    seen = facts(config=config(nodes=nodes), quotas={"g4dn.xlarge": quota})

    finding = only(preflight.check_quota(seen, "g4dn.xlarge"))

    assert (finding.level, words in finding.message) == (level, True), finding.message


def test_check_quota_types_out_the_request_for_more() -> None:
    seen = facts(config=config(nodes=3), quotas={"g4dn.xlarge": replace(G_QUOTA, value=16.0, used=8)})

    hint = only(preflight.check_quota(seen, "g4dn.xlarge")).hint

    # What others use and what this deployment needs: the new total, which is what AWS wants to hear.
    assert "deployer quota request --code L-DB2E81BA --value 20 --region us-east-1" in hint


@pytest.mark.parametrize(
    ("own", "level"),
    [
        (instance(), Level.OK),
        (instance(deployment="other"), Level.ERROR),
        (instance(is_spot=True), Level.ERROR),
        (instance(state="stopped"), Level.ERROR),
        (instance(instance_type="p5.4xlarge"), Level.ERROR),
    ],
)
def test_check_quota_does_not_count_the_deployment_against_itself(own: Any, level: Level) -> None:
    seen = facts(quotas={"g4dn.xlarge": replace(G_QUOTA, value=4.0, used=4)}, instances=(own,))

    assert only(preflight.check_quota(seen, "g4dn.xlarge")).level is level


@pytest.mark.parametrize(
    ("name", "image", "settings", "words"),
    [
        ("g4dn.xlarge", replace(IMAGE, architecture="arm64"), {}, "is arm64, and g4dn.xlarge is x86_64"),
        (
            "g5.xlarge",
            replace(IMAGE, supported_families=frozenset({"g4dn"})),
            {},
            "has no driver for g5; it supports g4dn",
        ),
        ("g4dn.xlarge", IMAGE, {"root_volume_gb": 50}, "needs 75 GiB"),
        (
            "g4dn.xlarge",
            Unknown(
                "There is no image ami-1.", error=AwsError("There is no image ami-1.", code="InvalidAMIID.NotFound")
            ),
            {"ami": "ami-1"},
            "There is no image ami-1.",
        ),
        ("g4dn.xlarge", denied("ec2:DescribeImages"), {}, "No image could be found for g4dn.xlarge"),
    ],
)
def test_check_image_refuses_what_would_not_boot_or_drive_the_gpu(
    name: str, image: Any, settings: dict[str, Any], words: str
) -> None:
    finding = only(preflight.check_image(facts(config=config(**settings), images={name: image}), name))

    assert finding.level is Level.ERROR
    assert words in finding.message
    assert finding.hint


@pytest.mark.parametrize(
    ("image", "cpu_only"),
    [
        (IMAGE, False),
        (replace(IMAGE, supported_families=None), False),
        (replace(IMAGE, supported_families=frozenset({"p5"})), True),
    ],
)
def test_check_image_accepts_what_fits(image: Any, cpu_only: bool) -> None:
    hardware = replace(G5, gpu_name="", gpus=0) if cpu_only else G5
    seen = facts(types={"g5.xlarge": hardware}, images={"g5.xlarge": image})

    assert only(preflight.check_image(seen, "g5.xlarge")).level is Level.OK


def test_check_warns_of_a_hopeless_candidate_beside_a_good_one() -> None:
    full = Quota(code="L-417A185B", name="Running On-Demand P instances", region="us-east-1", value=0.0, used=0)
    seen = facts(
        config=config(instance_type=("p5.4xlarge", "g4dn.xlarge")),
        types={"g4dn.xlarge": G4DN, "p5.4xlarge": replace(G4DN, name="p5.4xlarge", vcpus=16)},
        offerings={"g4dn.xlarge": frozenset({"us-east-1a"}), "p5.4xlarge": frozenset({"us-east-1a"})},
        quotas={"g4dn.xlarge": G_QUOTA, "p5.4xlarge": full},
        images={"g4dn.xlarge": IMAGE, "p5.4xlarge": replace(IMAGE, supported_families=None)},
    )

    findings = preflight.check(seen)

    assert preflight.can_launch(findings)
    assert [item.check for item in findings if item.level is Level.WARNING] == ["quota"]
    assert preflight.launchable_types(seen) == ("g4dn.xlarge",)


def test_check_refuses_where_no_candidate_is_left() -> None:
    seen = facts(config=config(instance_type=("g3.4xlarge", "g9.xlarge")), types={})

    findings = preflight.check(seen)

    assert not preflight.can_launch(findings)
    assert [item.instance_type for item in findings if item.level is Level.ERROR] == ["g3.4xlarge", "g9.xlarge"]
    assert preflight.launchable_types(seen) == ()


@pytest.mark.parametrize(
    ("part", "action"),
    [
        ("regions", "ec2:DescribeRegions"),
        ("zones", "ec2:DescribeAvailabilityZones"),
        ("types", "ec2:DescribeInstanceTypes"),
        ("offerings", "ec2:DescribeInstanceTypeOfferings"),
    ],
)
def test_check_takes_unknown_for_a_warning_that_names_the_permission(part: str, action: str) -> None:
    findings = preflight.check(facts(**{part: denied(action)}))

    assert preflight.can_launch(findings)
    assert any(item.level is Level.WARNING and action in item.hint for item in findings)


def test_check_of_facts_that_were_never_asked_launches_nothing() -> None:
    assert not preflight.can_launch(preflight.check(Facts(config=config())))
