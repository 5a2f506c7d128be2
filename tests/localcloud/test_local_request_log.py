"""The log of the local cloud's calls must never cost a call, and a call that is sent again must not be done twice."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import pytest

from deployer.localcloud.control import ControlClient
from deployer.localcloud.daemon import RunningCloud
from deployer.localcloud.faults import Fault
from deployer.localcloud.request_log import RequestLog
from deployer.localcloud.wire import Request


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full on this system")
def test_a_full_disk_costs_a_line_and_not_the_answer() -> None:
    log = RequestLog(Path("/dev/full"))
    request = Request(service="ec2", region="us-east-1", action="RunInstances", protocol="ec2")

    log.write(time.time(), request, "200 OK")


def test_a_call_whose_answer_got_lost_is_answered_alike_and_done_once(local_cloud: RunningCloud) -> None:
    first, again = (_create_key(local_cloud.endpoint, invocation="5f0c9a2e") for _ in range(2))
    other_call = _create_key(local_cloud.endpoint, invocation="77d1b3c4")

    assert first.status == 200
    assert (again.status, again.body) == (first.status, first.body)
    assert other_call.status == 400
    assert b"InvalidKeyPair.Duplicate" in other_call.body
    log = (local_cloud.directory / "requests.log").read_text()
    assert log.count("CreateKeyPair 200 (sent again)") == 1


def test_a_refusal_is_thought_over_when_it_is_asked_again(local_cloud: RunningCloud, control: ControlClient) -> None:
    control.add_fault(Fault(action="CreateKeyPair", code="RequestLimitExceeded", times=1))

    answers = [_create_key(local_cloud.endpoint, invocation="0a1b2c3d", name="second") for _ in range(2)]

    assert [answer.status for answer in answers] == [503, 200]


class _Answered(NamedTuple):
    status: int
    body: bytes


def _create_key(endpoint: str, *, invocation: str, name: str = "first") -> _Answered:
    scope = "AWS4-HMAC-SHA256 Credential=AKIALOCALTESTS000000/20261121/us-east-1/ec2/aws4_request, Signature=0"
    question = urlencode({"Action": "CreateKeyPair", "Version": "2016-11-15", "KeyName": f"resent-{name}"})
    request = urllib.request.Request(endpoint, data=question.encode())
    request.add_header("Authorization", scope)
    request.add_header("amz-sdk-invocation-id", invocation)
    try:
        with urllib.request.urlopen(request) as answer:
            return _Answered(answer.status, answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return _Answered(refusal.code, refusal.read())
