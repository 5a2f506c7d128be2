"""`check` where each answer of AWS takes 200 ms: against the same questions one by one, and against one answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.local_cloud import LocalCloud, start_cloud
from benchmarks.measures import Arms, Setting, row, seconds

LATENCY_SECONDS = 0.2
SLOW = ("--latency-ms", str(round(LATENCY_SECONDS * 1000)))
QUESTIONS = str(Path(__file__).with_name("questions.py"))
TYPES = ("--instance-type", "g4dn.xlarge", "--instance-type", "g5.xlarge", "--instance-type", "g6.xlarge")
# Eight that every account has: nobody must opt in to them.
REGIONS = "us-east-1,us-east-2,us-west-1,us-west-2,eu-west-1,eu-central-1,ap-southeast-2,ap-northeast-1"


@row("check-series", "check of three types / the same questions one by one, each answer after 200 ms", at_most=0.25)
def one_by_one(setting: Setting) -> Iterator[Arms]:
    with start_cloud(setting.folder) as cloud:
        questions = str(setting.folder / "questions")
        cloud.deployer("check", *TYPES)  # the server makes a region at its first call
        cloud.python(QUESTIONS, "record", questions, "check", *TYPES)

        def ask() -> float:
            with cloud.faults(SLOW):
                return seconds(lambda: cloud.python(QUESTIONS, "ask", questions))

        def check() -> float:
            with cloud.faults(SLOW):
                return seconds(lambda: cloud.deployer("check", *TYPES))

        yield Arms("s", {"deployer check": check, "boto3, one question after the other": ask})


@row("check-region", "check of one region, without start-up, in answers of 200 ms", at_most=3.0)
def one_region(setting: Setting) -> Iterator[Arms]:
    with start_cloud(setting.folder) as cloud:
        yield Arms("answers", {"deployer check": lambda: count_answers(cloud, "check", *TYPES)})


@row("check-regions", "check of eight regions, without start-up, in answers of 200 ms", at_most=10.0)
def eight_regions(setting: Setting) -> Iterator[Arms]:
    command = ("check", *TYPES, "--region", REGIONS)
    with start_cloud(setting.folder) as cloud:
        cloud.deployer(*command)
        yield Arms("answers", {"deployer check --region": lambda: count_answers(cloud, *command)})


def count_answers(cloud: LocalCloud, *command: str) -> float:
    """Return how many answers a command waits for, one after the other.

    Start-up is `check` of one region where AWS answers at once: Python, boto3 and its clients, and what the local
    cloud itself needs.
    """
    start = seconds(lambda: cloud.deployer("check", *TYPES))
    with cloud.faults(SLOW):
        return (seconds(lambda: cloud.deployer(*command)) - start) / LATENCY_SECONDS
