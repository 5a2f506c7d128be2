"""Facts gathered from a cloud: everything at once, and nothing raised."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from deployer import placement, preflight
from deployer.aws.session import Session
from deployer.config import Config
from deployer.errors import ExpiredCredentials, NoCredentials
from deployer.facts import Facts, Unknown
from deployer.localcloud.control import ControlClient
from deployer.preflight import Level


def errors(facts: Facts) -> list[str]:
    return [item.check for item in preflight.check(facts) if item.level is Level.ERROR]


def test_gather_finds_everything_that_placement_needs(session: Session) -> None:
    facts = preflight.gather(session, Config(name="demo"))

    assert {item.level for item in preflight.check(facts)} == {Level.OK}
    first, *_ = placement.candidates(facts)
    assert (first.instance_type, first.availability_zone, first.zone_id) == ("g4dn.xlarge", "us-east-1a", "use1-az6")
    assert first.usd_per_hour == 0.526
    assert facts.account == "123456789012"


def test_gather_lets_a_second_up_have_its_own_machines(
    session: Session, launch: Callable[..., str], cloud: ControlClient
) -> None:
    machine = launch()
    cloud.set_quota("L-DB2E81BA", 4)

    facts = preflight.gather(session, Config(name="demo", instance_type=("g4dn.xlarge",)))
    other = preflight.gather(session, Config(name="other", instance_type=("g4dn.xlarge",)))

    assert [item.id for item in facts.existing] == [machine]
    assert errors(facts) == []
    assert errors(other) == ["quota"]


def test_gather_asks_once_for_types_that_share_an_image_and_a_quota(fresh_session: Session) -> None:
    asked: list[str] = []
    lock = threading.Lock()

    def record(model: Any, **_: Any) -> None:
        with lock:
            asked.append(model.name)

    for service in ("ssm", "service-quotas", "ec2"):
        fresh_session.client(service).meta.events.register("before-call", record)

    preflight.gather(fresh_session, Config(name="demo", instance_type=("g4dn.xlarge", "g5.xlarge", "g6.xlarge")))

    assert asked.count("GetParameters") == 1
    assert asked.count("GetServiceQuota") == 1
    assert asked.count("DescribeInstances") == 1
    assert asked.count("DescribeInstanceTypes") == 1


def test_gather_of_types_that_do_not_exist_judges_each_alone(session: Session) -> None:
    facts = preflight.gather(session, Config(name="demo", instance_type=("g4dn.xlrge", "g3.4xlarge", "g4dn.xlarge")))

    findings = preflight.check(facts)
    assert preflight.can_launch(findings)
    assert preflight.launchable_types(facts) == ("g4dn.xlarge",)
    assert [item.instance_type for item in findings if item.level is Level.WARNING] == ["g4dn.xlrge", "g3.4xlarge"]


@pytest.mark.parametrize(
    ("region", "words"),
    [("us-east-9", "There is no region us-east-9"), ("ap-east-1", "ap-east-1 is not enabled")],
)
def test_gather_tells_a_region_that_cannot_be_used(cloud: ControlClient, region: str, words: str) -> None:
    facts = preflight.gather(Session(region), Config(name="demo", region=region))

    findings = preflight.check(facts)
    assert errors(facts) == ["region"]
    assert words in findings[-1].message
    assert findings[-1].hint


def test_gather_tells_a_region_that_is_not_enabled_from_wrong_credentials(cloud: ControlClient) -> None:
    # Such a region says that it does not know the credentials, which are good elsewhere.
    session = Session("ap-east-1")
    session.client("sts").meta.events.register("before-send.sts", _answer_unknown_token)

    facts = preflight.gather(session, Config(name="demo", region="ap-east-1"))

    assert [item.check for item in preflight.check(facts) if item.level is Level.OK] == ["credentials"]
    assert errors(facts) == ["region"]


@pytest.mark.parametrize(
    ("code", "kind"), [("InvalidClientTokenId", NoCredentials), ("ExpiredToken", ExpiredCredentials)]
)
def test_gather_reports_credentials_that_aws_does_not_take(
    fresh_session: Session, refuse: Callable[..., None], code: str, kind: type[Exception]
) -> None:
    refuse("GetCallerIdentity", code=code)

    facts = preflight.gather(fresh_session, Config(name="demo"))

    assert isinstance(facts.identity, Unknown)
    assert isinstance(facts.identity.error, kind)
    assert errors(facts) == ["credentials"]


def test_gather_without_credentials_says_so(fresh_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)

    facts = preflight.gather(fresh_session, Config(name="demo"))

    (finding,) = [item for item in preflight.check(facts) if item.level is Level.ERROR]
    assert finding.message == "No AWS credentials were found on this machine."
    assert "aws configure" in finding.hint


@pytest.mark.parametrize(
    ("action", "permission"),
    [
        ("DescribeRegions", "ec2:DescribeRegions"),
        ("DescribeAvailabilityZones", "ec2:DescribeAvailabilityZones"),
        ("DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypeOfferings"),
        ("DescribeInstances", "ec2:DescribeInstances"),
        ("GetServiceQuota", "servicequotas:GetServiceQuota"),
    ],
)
def test_gather_takes_a_refusal_for_unknown_and_names_the_permission(
    session: Session, refuse: Callable[..., None], action: str, permission: str
) -> None:
    refuse(action, code="AccessDeniedException" if action == "GetServiceQuota" else "UnauthorizedOperation")

    facts = preflight.gather(session, Config(name="demo", instance_type=("g4dn.xlarge",)))

    findings = preflight.check(facts)
    assert any(item.level is Level.WARNING and permission in item.hint for item in findings)
    assert placement.candidates(facts)


@pytest.mark.parametrize(
    ("ami", "words"),
    [
        ("pytorch-2.1-ubuntu-24.04", "There is no image 'pytorch-2.1-ubuntu-24.04' in the catalogue."),
        ("ami-0123456789abcdef0", "ami-0123456789abcdef0"),
    ],
)
def test_gather_refuses_an_image_that_does_not_exist(session: Session, ami: str, words: str) -> None:
    facts = preflight.gather(session, Config(name="demo", ami=ami, instance_type=("g4dn.xlarge",)))

    (finding,) = [item for item in preflight.check(facts) if item.level is Level.ERROR]
    assert finding.check == "image"
    assert words in finding.message
    assert finding.hint


def test_gather_takes_a_named_image_over_the_first_candidate(session: Session) -> None:
    facts = preflight.gather(session, Config(name="demo", ami="base-ubuntu-22.04", instance_type=("g4dn.xlarge",)))

    (candidate, *_) = placement.candidates(facts)
    assert candidate.image.catalogue_name == "base-ubuntu-22.04"


def _answer_unknown_token(request: Any, **_: Any) -> Any:
    from botocore.awsrequest import AWSResponse

    class Body:
        def stream(self, **_: Any) -> Any:
            yield (
                b"<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>The security token included in "
                b"the request is invalid.</Message></Error></ErrorResponse>"
            )

    return AWSResponse(request.url, 403, {}, Body())
