"""Cloud9: closed, not there, not permitted or fine, each in its own words, and never in the way."""

from __future__ import annotations

import pytest
from facts_examples import config, denied, facts

from deployer.aws.cloud9 import Cloud9Access
from deployer.facts import Unknown
from deployer.preflight.cloud9 import check_cloud9
from deployer.preflight.findings import Level, can_launch


def test_cloud9_is_not_spoken_of_where_none_is_configured() -> None:
    assert check_cloud9(facts(cloud9=Cloud9Access.CLOSED)) == []


@pytest.mark.parametrize(
    ("access", "level", "says", "advises"),
    [
        (Cloud9Access.OPEN, Level.OK, "can have a Cloud9 environment in us-east-1", ""),
        (Cloud9Access.CLOSED, Level.WARNING, "did not use it before 2024-07-25", "Remote-SSH"),
        (Cloud9Access.NO_SERVICE, Level.WARNING, "There is no Cloud9 in us-east-1.", "deployer ssh-config"),
        (denied("cloud9:ListEnvironments"), Level.WARNING, "could not be read", "Allow cloud9:ListEnvironments. "),
        (Unknown("no answer within 20 s"), Level.WARNING, "no answer within 20 s", "Remote-SSH"),
    ],
)
def test_cloud9_says_what_is_the_matter_and_what_to_use_instead(
    access: Cloud9Access | Unknown, level: Level, says: str, advises: str
) -> None:
    (finding,) = check_cloud9(facts(config=config(cloud9=True), cloud9=access))

    assert finding.level is level
    assert says in finding.message
    assert advises in finding.hint
    assert can_launch([finding])
