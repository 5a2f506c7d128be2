"""What `up` shows before it begins: where, in which order, and everything that bills."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from facts_examples import config, facts

from deployer import placement, preflight
from deployer.aws.cloud9 import Cloud9Access
from deployer.deployment.survey import Survey
from deployer.deployment.up import UpPlan
from deployer.deployment.variables import has_cloud9, price
from deployer.render import up
from deployer.terraform import Change


def plan(**values: Any) -> UpPlan:
    seen = facts(**values)
    candidates = tuple(placement.candidates(seen))
    return UpPlan(
        config=seen.config,
        survey=Survey(facts=seen, findings=tuple(preflight.check(seen)), candidates=candidates),
        candidates=candidates,
        cost=price(seen.config, candidates[0], has_cloud9=has_cloud9(seen)),
        changes=(Change(address="module.network.aws_vpc.this", action="create"),),
    )


def test_plan_names_the_first_place_and_the_others_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    up.plan(plan(), is_preview=False, as_json=False)

    said = capsys.readouterr()
    assert "g4dn.xlarge in us-east-1a (use1-az4) (on demand)" in said.err
    assert "if it is not to be had: g4dn.xlarge in us-east-1b; g5.xlarge in us-east-1b, us-east-1c" in said.err
    assert said.out == ""


def test_plan_as_a_preview_lists_every_place_and_every_resource(capsys: pytest.CaptureFixture[str]) -> None:
    up.plan(plan(), is_preview=True, as_json=False)

    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:3] for row in rows if row and row[0].isdigit() and "xlarge" in row[1]] == [
        ["1", "g4dn.xlarge", "us-east-1a"],
        ["2", "g4dn.xlarge", "us-east-1b"],
        ["3", "g5.xlarge", "us-east-1b"],
        ["4", "g5.xlarge", "us-east-1c"],
    ]
    assert ["create", "module.network.aws_vpc.this"] in rows
    assert rows[-1] == ["1", "resources", "would", "change.", "Nothing", "was", "made."]


@pytest.mark.parametrize(
    ("access", "lines"),
    [
        (
            Cloud9Access.OPEN,
            ["g4dn.xlarge", "disk of 115 GB", "public address", "Cloud9 environment", "total per hour"],
        ),
        (Cloud9Access.CLOSED, ["g4dn.xlarge", "disk of 115 GB", "public address", "total per hour"]),
    ],
)
def test_plan_has_a_line_for_everything_that_bills(
    access: Cloud9Access, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    up.plan(plan(config=config(cloud9=True, max_hours=10.0), cloud9=access), is_preview=False, as_json=False)

    said = capsys.readouterr().err
    assert re.findall(r"^  (\S.*?)  +\$0\.\d+  ", said, re.MULTILINE) == lines
    assert "ends by itself after 10 h, $5." in said
    assert ("VS Code Remote-SSH" in said) == (access is Cloud9Access.CLOSED)


def test_plan_as_json_has_order_cost_and_changes(capsys: pytest.CaptureFixture[str]) -> None:
    up.plan(plan(), is_preview=True, as_json=True)

    answer = json.loads(capsys.readouterr().out)
    assert [item["zone_id"] for item in answer["candidates"]] == ["use1-az4", "use1-az6", "use1-az6", "use1-az1"]
    assert answer["cost"]["lines"][0] == {
        "what": "g4dn.xlarge", "usd_per_hour": 0.526, "source": "table, 2026-07-20",
    }  # fmt: skip
    assert answer["cost"]["total"] == pytest.approx(sum(line["usd_per_hour"] for line in answer["cost"]["lines"]))
    assert answer["changes"] == [{"address": "module.network.aws_vpc.this", "action": "create"}]
