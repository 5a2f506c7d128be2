"""Facts gathered from a cloud: everything at once, and nothing raised."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from deployer import placement, preflight
from deployer.aws.asking import ask
from deployer.aws.cloud9 import Cloud9Access
from deployer.aws.session import Session
from deployer.config import Config
from deployer.errors import ExpiredCredentials, NoCredentials
from deployer.facts import ALL_REGIONS, NOT_ASKED, Facts, Unknown, gather_regions
from deployer.localcloud.control import ControlClient
from deployer.localcloud.faults import Fault
from deployer.preflight import Level

TYPES = ("g4dn.xlarge", "g5.xlarge", "g6.xlarge")
REGIONS = ("us-east-1", "eu-west-1", "us-west-2")
SERVICES = ("sts", "ssm", "service-quotas", "ec2", "pricing", "cloud9")


def record_questions(session: Session) -> list[str]:
    """Return a list that grows with each question to us-east-1: the operation, and which quota where it is one."""
    asked: list[str] = []

    def record(params: Any, model: Any, **_: Any) -> None:
        asked.append(f"{model.name} {params.get('QuotaCode', '')}".strip())

    for service in SERVICES:
        session.client(service, region="us-east-1").meta.events.register("provide-client-params", record)
    return asked


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
    asked = record_questions(fresh_session)

    preflight.gather(fresh_session, Config(name="demo", instance_type=TYPES))

    for operation in ("GetParameters", "DescribeInstances", "DescribeInstanceTypes"):
        assert asked.count(operation) == 1
    assert asked.count("DescribeImages") == 2  # Amazon's, and those that were baked
    assert asked.count("GetServiceQuota L-DB2E81BA") == 1


@pytest.mark.parametrize("spot", [False, True])
def test_gather_asks_everything_but_what_follows_from_an_answer_at_once(fresh_session: Session, spot: bool) -> None:
    config = Config(name="demo", instance_type=TYPES, spot=spot, cloud9=True)
    preflight.gather(fresh_session, config)  # the local cloud makes what is behind each service at the first call
    asked = record_questions(fresh_session)
    # No answer is looked at before the last of these questions is on its way.
    first = {"GetParameters", "DescribeInstanceTypes", "DescribeAvailabilityZones", "DescribeInstanceTypeOfferings"}
    first |= {"DescribeSpotPriceHistory", "GetSpotPlacementScores", "DescribeInstances", "DescribeRegions"}
    first |= {"DescribeVpcs", "DescribeInternetGateways", "GetProducts", "ListEnvironments"}
    first |= {"DescribeSpotInstanceRequests" if spot else "DescribeCapacityReservations"}
    everybody = threading.Event()

    def wait_for_all(**_: Any) -> None:
        if first <= {question.partition(" ")[0] for question in asked}:
            everybody.set()
        assert everybody.wait(60)

    for service in SERVICES:
        fresh_session.client(service, region="us-east-1").meta.events.register("before-send", wait_for_all)

    facts = preflight.gather(fresh_session, config)

    assert everybody.is_set()
    assert not isinstance(facts.instances, Unknown)
    assert {item.partition(" ")[0] for item in asked} - first <= {"DescribeImages", "GetServiceQuota"}


def test_gather_fills_the_board(session: Session) -> None:
    facts = preflight.gather(session, Config(name="demo", instance_type=TYPES, cloud9=True))

    assert not isinstance(facts.spot_prices, Unknown)
    assert {name for name, _ in facts.spot_prices} == set(TYPES)
    assert not isinstance(facts.spot_scores, Unknown)
    assert set(facts.spot_scores) >= {"use1-az1", "use1-az6"}
    assert all(1 <= score <= 10 for score in facts.spot_scores.values())
    assert not isinstance(facts.types, Unknown)
    assert (facts.types["g4dn.xlarge"].network, facts.types["g4dn.xlarge"].network_gbps) == ("Up to 25 Gigabit", 5.0)
    assert facts.other_quotas.keys() == {"vpc", "internet-gateway"}
    assert facts.cloud9 is Cloud9Access.OPEN
    assert all(price.is_live for price in facts.prices.values())
    assert facts.seconds_away is not None
    assert facts.data == NOT_ASKED


def test_gather_finds_the_image_of_a_type_whose_processor_the_table_does_not_know(session: Session) -> None:
    facts = preflight.gather(session, Config(name="demo", instance_type=("m5.large", "m6g.large"), allow_cpu=True))

    found = facts.images
    assert [getattr(found[name], "architecture", "") for name in ("m5.large", "m6g.large")] == ["x86_64", "arm64"]


@pytest.mark.parametrize("spot", [False, True])
def test_gather_counts_what_uses_up_the_quota_beside_machines(session: Session, ec2_client: Any, spot: bool) -> None:
    before = preflight.gather(session, Config(name="demo", instance_type=("g4dn.xlarge",), spot=spot))
    options = {"InstancePlatform": "Linux/UNIX", "AvailabilityZone": "us-east-1a"}
    made = ec2_client.create_capacity_reservation(InstanceType="g4dn.xlarge", InstanceCount=2, **options)

    after = preflight.gather(session, Config(name="demo", instance_type=("g4dn.xlarge",), spot=spot))

    ec2_client.cancel_capacity_reservation(CapacityReservationId=made["CapacityReservation"]["CapacityReservationId"])
    used = [facts.quotas["g4dn.xlarge"].used or 0 for facts in (before, after)]
    assert used[1] - used[0] == (0 if spot else 8)


def test_gather_recovers_from_throttling(
    cloud: ControlClient, monkeypatch: pytest.MonkeyPatch, fresh_session: Session
) -> None:
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    for action, code in (
        ("DescribeInstanceTypeOfferings", "RequestLimitExceeded"),
        ("GetServiceQuota", "TooManyRequestsException"),
        ("GetCallerIdentity", "Throttling"),
    ):
        cloud.add_fault(Fault(action=action, code=code, times=2))

    facts = preflight.gather(fresh_session, Config(name="demo", instance_type=("g4dn.xlarge",)))

    assert {item.level for item in preflight.check(facts)} == {Level.OK}


def test_gather_regions_asks_all_of_them_and_what_is_the_same_once(fresh_session: Session) -> None:
    asked = record_questions(fresh_session)

    found = gather_regions(fresh_session, Config(name="demo", instance_type=("g4dn.xlarge",)), REGIONS)

    assert tuple(found) == REGIONS
    for name, facts in found.items():
        assert facts.config.region == name
        assert {item.level for item in preflight.check(facts)} == {Level.OK}
        assert facts.prices["g4dn.xlarge"].source == f"AWS Price List ({name})"
        assert placement.candidates(facts)[0].availability_zone.startswith(name)
    assert asked.count("GetProducts") == 1


def test_gather_regions_takes_all_for_those_that_are_enabled(session: Session) -> None:
    found = gather_regions(session, Config(name="demo", instance_type=("g4dn.xlarge",)), ALL_REGIONS)

    assert {"us-east-1", "eu-west-1"} <= found.keys()
    assert "ap-east-1" not in found


@pytest.mark.parametrize("failing", ["us-east-1", "eu-west-1"])
def test_gather_regions_is_not_stopped_by_one_that_fails(
    cloud: ControlClient, fresh_session: Session, failing: str
) -> None:
    cloud.add_fault(Fault(action="*", code="InternalError", region=failing))

    found = gather_regions(fresh_session, Config(name="demo", instance_type=("g4dn.xlarge",)), REGIONS)

    assert isinstance(found[failing].zones, Unknown)
    assert errors(found[failing])
    assert placement.candidates(found[failing]) == []
    assert all(placement.candidates(found[name]) for name in REGIONS if name != failing)


def test_gather_regions_does_not_wait_for_one_that_is_silent(
    fresh_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = threading.Event()
    client = fresh_session.client("ec2", region="eu-west-1")
    client.meta.events.register("before-send", lambda **_: silent.wait(60) and None)

    def ask_impatiently(question: Any, *arguments: Any, **options: Any) -> Any:
        is_silent = isinstance(arguments[0], Session) and arguments[0].region == "eu-west-1" if arguments else False
        return ask(question, *arguments, **(options | {"within_seconds": 0.5} if is_silent else options))

    # The deadline of a question is longer than a test may take.
    monkeypatch.setattr("deployer.facts.ask", ask_impatiently)

    found = gather_regions(fresh_session, Config(name="demo", instance_type=("g4dn.xlarge",)), REGIONS)

    silent.set()
    assert isinstance(found["eu-west-1"].zones, Unknown)
    assert "no answer" in found["eu-west-1"].zones.reason
    assert errors(found["eu-west-1"]) == ["region"]
    assert placement.candidates(found["us-east-1"])


def test_gather_regions_tells_what_cannot_be_used(session: Session) -> None:
    regions = ("us-east-9", "ap-east-1", "us-west-2")

    found = gather_regions(session, Config(name="demo", instance_type=("g4dn.xlarge",)), regions)

    said = [preflight.check(found[name])[-1].message for name in regions[:2]]
    assert "There is no region us-east-9" in said[0]
    assert "ap-east-1 is not enabled" in said[1]
    assert placement.candidates(found["us-west-2"])


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


def test_gather_regions_compares_what_every_account_has_where_the_list_is_denied(
    session: Session, cloud: ControlClient
) -> None:
    cloud.add_fault(Fault(action="DescribeRegions", code="UnauthorizedOperation"))

    found = gather_regions(session, Config(name="demo", instance_type=("g4dn.xlarge",)), ALL_REGIONS)

    assert {"us-east-1", "eu-west-1", "ap-southeast-2"} <= set(found)
    assert isinstance(found["eu-west-1"].regions, Unknown)
    assert placement.candidates(found["eu-west-1"])
