"""Questions that are all under way at once, and what becomes of those without an answer."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from deployer.aws.asking import Unknown, ask
from deployer.errors import AccessDenied, AwsError


def test_questions_do_not_wait_for_each_other() -> None:
    everybody = threading.Barrier(100, timeout=30)

    answers = [ask(everybody.wait) for _ in range(100)]

    assert sorted(answer.result() for answer in answers) == list(range(100))  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("error", "permission"),
    [
        (AccessDenied("These credentials may not do that.", operation="ec2:DescribeRegions"), "ec2:DescribeRegions"),
        (AwsError("AWS is throttling that.", operation="ec2:DescribeRegions", code="Throttling"), ""),
    ],
)
def test_refusal_is_an_answer_and_names_a_permission_where_one_is_missing(error: AwsError, permission: str) -> None:
    def refuse() -> None:
        raise error

    assert ask(refuse).result() == Unknown(error.message, permission, error)


def test_mistake_of_ours_is_not_taken_for_an_answer() -> None:
    with pytest.raises(ZeroDivisionError):
        ask(lambda: 1 // 0).result()


def test_question_without_an_answer_in_time_is_unknown() -> None:
    silent = threading.Event()
    answer = ask(silent.wait, within_seconds=0.05)

    found = answer.result()

    silent.set()
    assert isinstance(found, Unknown)
    assert "no answer within 0.05 s" in found.reason
    assert found.error is not None
    assert found.error.hint


def test_question_that_hangs_does_not_hold_up_the_end_of_the_program() -> None:
    code = "import threading; from deployer.aws.asking import ask; ask(threading.Event().wait); print('ended')"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == "ended\n"
