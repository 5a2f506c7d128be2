"""What the package asks of AWS, and what it reads of the answers, is what AWS's service models (botocore) have.

1. Every public function that is given a Session has a case; a new one without fails here by its name.
2. Every operation that stands in the source is called by some case, from the function that names it.
3. A parameter, a value, a filter or a key of an answer that the model has not fails the case.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from aws_contract.call_sites import Call, Sources
from aws_contract.cases import BESIDE, CASES, Case
from aws_contract.stand_in import PACKAGE, StandIn
from deployer.aws import ec2
from deployer.aws.session import Session


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    """Every client that the package makes from here on answers from the service models."""
    made = StandIn()
    new_client: Callable[..., Any] = Session._new_client
    boto3_client = boto3.client
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boto3, "client", lambda *key, **options: made.stand_before(boto3_client(*key, **options)))
        patch.setattr(Session, "_new_client", lambda self, *key: made.stand_before(new_client(self, *key)))
        yield made


@pytest.fixture(scope="module")
def session(stand_in: StandIn) -> Session:
    # One for all cases: reading a service's model is most of the time that a case takes.
    return Session("us-east-1")


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources(PACKAGE)


@pytest.fixture(scope="module")
def outcomes(stand_in: StandIn, session: Session) -> dict[str, list[str]]:
    """What was wrong with each case."""
    return {name: run(case, stand_in, session) for name, case in (CASES | BESIDE).items()}


def run(case: Case, stand_in: StandIn, session: Session) -> list[str]:
    """Call the function; return what was wrong with its requests and with what it read."""
    stand_in.begin(case.answers)
    try:
        case.call(session)
    except Exception as error:  # every kind of error is the answer here
        return [*stand_in.wrong, f"{type(error).__name__}: {error}"]
    return stand_in.wrong


def unmade(calls: Iterable[Call], stand_in: StandIn) -> list[str]:
    """Return the calls that no case made; one in a table may be made by any function of its file."""
    by_file = {(item.file, item.operation) for item in stand_in.made}
    return [
        f"{call.file}:{call.line} {call.operation} in {call.function or 'a table'}"
        for call in sorted(calls, key=lambda call: (call.file, call.line))
        if ((call.file, call.operation) not in by_file if not call.function else call not in stand_in.made)
    ]


@pytest.mark.parametrize("name", CASES | BESIDE)
def test_requests_and_what_is_read_are_in_the_model(outcomes: dict[str, list[str]], name: str) -> None:
    assert outcomes[name] == []


def test_every_function_that_asks_aws_has_a_case(sources: Sources) -> None:
    asking = sources.public_functions()

    missing, stale = sorted(asking - set(CASES)), sorted(set(CASES) - asking)

    assert missing == [], f"add cases to {Path(__file__).with_name('cases.py').name}: {', '.join(missing)}"
    assert stale == [], f"these cases call nothing that exists: {', '.join(stale)}"


@pytest.mark.usefixtures("outcomes")
def test_every_call_of_the_source_is_made_by_a_case(sources: Sources, stand_in: StandIn) -> None:
    calls = sources.calls()
    unseen = unmade(calls, stand_in)

    assert len(calls) > 60
    assert unseen == [], f"no case makes these calls, give their functions one: {', '.join(unseen)}"


def test_every_method_of_a_client_is_an_operation(sources: Sources) -> None:
    assert sources.services >= {"cloud9", "ec2", "iam", "pricing", "s3", "service-quotas", "ssm", "sts"}
    assert sources.unknown() == []


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda aws: aws.client("ec2").describe_vpcs(VpcId=["vpc-1"]), "VpcId"),
        (lambda aws: aws.client("ec2").describe_vpcs(VpcIds="vpc-1"), "VpcIds"),
        (lambda aws: aws.client("ec2").describe_vpcs()["VPCs"], "'VPCs'"),
        (lambda aws: aws.client("ec2").describe_vpcs()["Vpcs"][0].get("Id"), "'Id'"),
        (lambda aws: "Tag" in aws.client("ec2").describe_vpcs()["Vpcs"][0], "'Tag'"),
        (lambda aws: aws.client("ec2").describe_vpcs(Filters=[{"Name": "vpcid", "Values": []}]), "'vpcid'"),
        (lambda aws: aws.client("ec2").describe_instance_type_offerings(LocationType="zone"), "'zone'"),
        (lambda aws: aws.client("ec2").describe_gpus(), "describe_gpus"),
        (lambda aws: aws.client("s3").get_object(Bucket="demo"), "Key"),
        (lambda aws: list(aws.client("ec2").get_paginator("describe_tags").paginate(Filter=[])), "Filter"),
        (lambda aws: ask_in_vain(lambda: aws.client("ec2").describe_vpcs(VpcId=["vpc-1"])), "VpcId"),
        (lambda aws: ask_in_vain(lambda: aws.client("ec2").describe_vpcs()["VPCs"]), "'VPCs'"),
    ],
)
def test_case_fails_for_what_the_model_has_not(
    stand_in: StandIn, session: Session, ask: Callable[[Session], object], said: str
) -> None:
    wrong = run(Case(ask), stand_in, session)

    assert len(wrong) > 0
    assert said in wrong[0]


def ask_in_vain(ask: Callable[[], object]) -> None:
    """Ask as code does that takes any failure for "unknown"."""
    with contextlib.suppress(Exception):
        ask()


def test_case_that_gives_what_aws_would_not_is_refused(stand_in: StandIn, session: Session) -> None:
    wrong = run(Case(ec2.zones, {"DescribeAvailabilityZones": {"Zones": []}}), stand_in, session)

    assert "['Zones']" in wrong[0]


def test_new_function_and_new_call_are_noticed(stand_in: StandIn, tmp_path: Path) -> None:
    (tmp_path / "aws").mkdir()
    (tmp_path / "aws" / "ec2.py").write_text(
        "def hosts(session: Session) -> None:\n"
        "    client = session.client('ec2')\n"
        "    client.describe_hosts()\n"
        "    client.describe_gpus()\n"
        "    getattr(client, 'describe_fleets')()\n"
        "OTHERS = [_ec2('DeleteSnapshot', 'SnapshotId')]\n"
    )
    sources = Sources(tmp_path)

    assert sources.public_functions() == {"ec2.hosts"}
    assert sources.unknown() == ["aws/ec2.py:4: ec2 has no operation describe_gpus"]
    assert unmade(sources.calls(), stand_in) == [
        "aws/ec2.py:3 describe_hosts in hosts",
        "aws/ec2.py:5 describe_fleets in hosts",
        "aws/ec2.py:6 delete_snapshot in a table",
    ]
