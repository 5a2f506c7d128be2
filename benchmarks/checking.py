"""`check` where each answer of AWS takes 200 ms: against the same questions one by one, and against one answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measures import LocalCloud, Result, median, seconds

LATENCY_SECONDS = 0.2
REPEATS = 5
QUESTIONS = str(Path(__file__).with_name("questions.py"))
TYPES = ("--instance-type", "g4dn.xlarge", "--instance-type", "g5.xlarge", "--instance-type", "g6.xlarge")
# Eight that every account has: nobody must opt in to them.
REGIONS = "us-east-1,us-east-2,us-west-1,us-west-2,eu-west-1,eu-central-1,ap-southeast-2,ap-northeast-1"


def measure_check(cloud: LocalCloud, folder: Path) -> list[Result]:
    """Time `check` of three types in one region and in eight.

    Start-up is the same `check` of one region where AWS answers at once: Python, boto3 and its clients, and what the
    local cloud itself needs.
    """
    one, eight = ("check", *TYPES), ("check", *TYPES, "--region", REGIONS)
    questions = str(folder / "questions")
    for command in (one, eight):  # the server makes each region at its first call
        cloud.deployer(*command)
    cloud.python(QUESTIONS, "record", questions, *one)
    start, here, series, everywhere = [], [], [], []
    for _ in range(REPEATS):
        # In turn, so that a busy minute of this machine falls on all sides.
        start.append(seconds(lambda: cloud.deployer(*one)))
        with slow_answers(cloud):
            here.append(seconds(lambda: cloud.deployer(*one)))
            series.append(seconds(lambda: cloud.python(QUESTIONS, "ask", questions)))
            everywhere.append(seconds(lambda: cloud.deployer(*eight)))
    count = cloud.python(QUESTIONS, "ask", questions).strip()

    def answers(samples: list[float]) -> float:
        return (median(samples) - median(start)) / LATENCY_SECONDS

    return [
        Result(
            name="check / one by one",
            value=median(series) / median(here),
            goal=4.0,
            unit="×",
            samples={"check": here, f"{count} questions by boto3": series},
            more_is_better=True,
        ),
        Result(name="check, 1 region", value=answers(here), goal=3.0, unit="answers", samples={"start-up": start}),
        Result(name="check, 8 regions", value=answers(everywhere), goal=10.0, unit="answers", samples={"": everywhere}),
    ]


@contextmanager
def slow_answers(cloud: LocalCloud) -> Iterator[None]:
    """Let AWS take its time over each answer."""
    cloud.deployer("local", "fault", "add", "--latency-ms", str(round(LATENCY_SECONDS * 1000)))
    try:
        yield
    finally:
        cloud.deployer("local", "fault", "clear")
