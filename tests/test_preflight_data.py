"""Images on S3: where they are, whether they are there, and what their way to the machine costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from facts_examples import config, denied, facts

from deployer.aws.s3 import DataLocation
from deployer.config import DataConfig
from deployer.errors import AwsError
from deployer.facts import Unknown
from deployer.preflight import check
from deployer.preflight.data import check_data
from deployer.preflight.findings import Finding, Level, can_launch

HERE = DataLocation(bucket="reef", prefix="2026/", region="us-east-1", objects=1234, size=5_600_000_000)
DENIED = replace(HERE, objects=0, size=0, is_complete=False, denied="s3:ListBucket")
ON_S3 = config(data=DataConfig(path="s3://reef/2026"))


def found(data: DataLocation | Unknown) -> Finding:
    (finding,) = check_data(facts(config=ON_S3, data=data))
    return finding


def test_data_in_a_folder_here_is_no_question() -> None:
    assert check_data(facts()) == []


@pytest.mark.parametrize(
    ("data", "level", "message", "hint"),
    [
        (HERE, Level.OK, "1,234 files, 5.6 GB in s3://reef/2026/, in us-east-1, like the machine", ""),
        (replace(HERE, is_complete=False), Level.OK, "at least 1,234 files, 5.6 GB", ""),
        (replace(HERE, region=""), Level.WARNING, "in a region that AWS does not tell", "Allow s3:ListBucket on reef."),
        (replace(HERE, objects=0, size=0), Level.ERROR, "no images in s3://reef/2026/", "path under [data]"),
        (replace(HERE, objects=0, size=0, region="eu-west-1"), Level.ERROR, "no images in s3://reef/2026/", ""),
        (DENIED, Level.WARNING, "s3:ListBucket is missing", "Allow s3:ListBucket on reef."),
        (replace(HERE, region="eu-west-1"), Level.ERROR, "cost $0.11: 1,234 files, 5.6 GB at $0.02 per GB", ""),
        (
            replace(HERE, region="eu-west-1"),
            Level.ERROR,
            "in eu-west-1 (s3://reef/2026/), the machine would be in us-east-1",
            "--region eu-west-1. Or copy them once for the same sum, to a bucket in us-east-1: `aws s3 sync "
            "s3://reef/2026/ s3://BUCKET/2026/ --source-region eu-west-1 --region us-east-1`",
        ),
        (replace(HERE, region="us-east-2"), Level.ERROR, "cost $0.06: 1,234 files, 5.6 GB at $0.01 per GB", ""),
        (replace(HERE, region="sa-east-1", is_complete=False), Level.ERROR, "cost at least $0.77: at least 1,234", ""),
        (replace(HERE, region="eu-west-1", size=9), Level.ERROR, "cost less than $0.01: 1,234 files, 0.0 MB", ""),
        (replace(DENIED, region="eu-west-1"), Level.ERROR, "cost $0.02 per GB (AWS data transfer", "--region"),
        (replace(HERE, region="mx-central-1"), Level.ERROR, "price from mx-central-1 is unknown", "--region"),
    ],
)
def test_data_on_s3(data: DataLocation, level: Level, message: str, hint: str) -> None:
    finding = found(data)

    assert (finding.check, finding.level) == ("data", level)
    assert message in finding.message
    assert hint in finding.hint


def test_data_in_a_bucket_that_is_not_there_is_an_error() -> None:
    error = AwsError("There is no bucket reef.", hint="Correct path.", code="NoSuchBucket")

    finding = found(Unknown(error.message, error=error))

    assert (finding.level, finding.hint) == (Level.ERROR, "Correct path.")
    assert "s3://reef/2026. There is no bucket reef." in finding.message


def test_data_that_could_not_be_looked_at_is_no_reason_against_a_launch() -> None:
    finding = found(denied("s3:ListBucket"))

    assert (finding.level, finding.hint) == (Level.WARNING, "Allow s3:ListBucket.")


def test_data_elsewhere_stands_in_the_way_of_every_candidate() -> None:
    findings = check(facts(config=ON_S3, data=replace(HERE, region="eu-west-1")))

    assert not can_launch(findings)
    assert [item.check for item in findings if item.level is Level.ERROR] == ["data"]
