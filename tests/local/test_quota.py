"""A quota that is too small, from `deployer quota` to AWS's answer. The tests follow on each other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from local_shell import Shell, wait_until

CODE = "L-DB2E81BA"


@pytest.fixture(scope="module")
def user(shell: Shell) -> Shell:
    """The user of an account that allows half of a g4dn.xlarge."""
    shell("local", "start")
    shell("local", "quota", "set", CODE, "2")
    return Shell(
        shell.folder,
        DEPLOYER_INSTANCE_TYPE="g4dn.xlarge,gr6.4xlarge",
        DEPLOYER_ENDPOINT_INSTANCE_TYPE="ml.g5.xlarge",
        _DEPLOYER_QUOTA_PAUSE_SECONDS="0.05",
    )


def rows(user: Shell, *options: str) -> dict[str, dict[str, Any]]:
    return {item["code"]: item for item in user("quota", *options, "--json").json()["quotas"]}


def memory(user: Shell) -> dict[str, Any]:
    return dict(json.loads((user.deployment() / "quota-request.json").read_text()))


def test_quota_shows_what_is_free_and_what_is_needed(user: Shell) -> None:
    found = rows(user)

    # gr6.4xlarge has 16 vCPUs and counts as a G.
    assert {key: found[CODE][key] for key in ("value", "used", "free", "needed", "is_enough")} == {
        "value": 2.0, "used": 0, "free": 2, "needed": 16, "is_enough": False,
    }  # fmt: skip
    assert (found["L-3819A6DF"]["is_enough"], found["L-3819A6DF"]["is_wanted"]) == (True, False)
    assert (found["L-F678F1CE"]["used"], found["L-F678F1CE"]["value"]) == (1, 5.0)
    assert "L-A4707A72" in found
    assert [item["value"] for item in found.values() if item["name"] == "ml.g5.xlarge for endpoint usage"] == [0.0]


def test_quota_prints_the_command_that_asks_for_more(user: Shell) -> None:
    answer = user("quota")

    assert "deployer quota request --code L-DB2E81BA --value 16 --region us-east-1" in answer.stdout
    assert user("check", expect=1).stdout.count("deployer quota request --code L-DB2E81BA") > 0


def test_quota_holds_in_the_region_that_is_asked_for(user: Shell) -> None:
    user("local", "quota", "set", CODE, "48", "--region", "eu-west-1")

    assert rows(user, "show", "--region", "eu-west-1")[CODE]["is_enough"] is True


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--value", "2"), 2, "is 2 in us-east-1, and 2 is not more"),
        (("--code", "L-00000000"), 1, "has a quota L-00000000"),
        (("--code", "L-FE5A380F"), 2, "Say the new total: --value N."),
        (("--region", "eu-west-1"), 0, "enough, nothing to do"),
        # Nobody is there to say yes.
        ((), 2, "2 → 16"),
    ],
)
def test_quota_request_files_nothing_that_was_not_meant(
    user: Shell, options: tuple[str, ...], code: int, says: str
) -> None:
    assert says in user("quota", "request", *options, expect=code).text


def test_quota_watch_without_a_request_says_what_to_type(user: Shell) -> None:
    assert {item["request"] and item["request"]["id"] for item in rows(user).values()} == {None}
    assert "deployer quota request" in user("quota", "watch", expect=1).stderr


def test_quota_request_asks_for_the_new_total_and_remembers_it(user: Shell) -> None:
    answer = user("quota", "request", "--yes")

    assert "(L-DB2E81BA) in us-east-1: 2 → 16" in answer.stdout
    assert "PENDING" in answer.stdout
    assert (memory(user)["desired"], memory(user)["region"]) == (16.0, "us-east-1")
    assert rows(user)[CODE]["request"]["id"] == memory(user)["id"]


def test_quota_request_that_is_open_is_shown_and_not_filed_again(user: Shell) -> None:
    answer = user("quota", "request", "--value", "99", "--yes")

    assert "A request for this quota is open already" in answer.stdout
    assert "→ 16 in us-east-1: PENDING" in answer.stdout


def test_quota_watch_says_that_aws_has_not_decided(user: Shell) -> None:
    assert user("quota", "watch", "--json").json()["is_open"] is True
    assert "PENDING" in user("quota", "watch", "--follow", "--timeout", "1s", expect=1).stdout


def test_quota_watch_follows_until_aws_grants_it(user: Shell) -> None:
    process = user.start("quota", "watch", "--follow")
    log = user.folder / ".deployer" / "local" / "requests.log"
    before = log.read_text().count("GetRequestedServiceQuotaChange")
    wait_until(lambda: log.read_text().count("GetRequestedServiceQuotaChange") > before)
    user("local", "quota", "approve", CODE)

    stdout, _ = process.communicate(timeout=60)

    assert (process.returncode, "APPROVED" in stdout) == (0, True)
    assert rows(user)[CODE]["value"] == 16.0
    assert "enough, nothing to do" in user("quota", "request").stdout


def test_quota_watch_fails_where_aws_refuses(user: Shell) -> None:
    user("quota", "request", "--code", "l-f678f1ce", "--value", "6", "--yes")
    user("local", "quota", "deny", "L-F678F1CE")

    answer = user("quota", "watch", expect=1)

    assert "DENIED" in answer.stdout
    assert "Ask again for less" in answer.stdout


def test_quota_that_may_not_be_read_is_unknown_and_names_the_permission(user: Shell) -> None:
    user("local", "fault", "add", "--action", "GetServiceQuota", "--code", "AccessDeniedException")
    try:
        answer = user("quota")
    finally:
        user("local", "fault", "clear")

    assert "Allow servicequotas:GetServiceQuota." in answer.stdout
