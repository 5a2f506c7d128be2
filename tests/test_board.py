"""The board of `check`: laid out as type × zone, then drawn."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from facts_examples import G4DN, G_QUOTA, IMAGE, config, denied, facts

from deployer import placement, preflight
from deployer.attempts import Attempt
from deployer.aws.prices import Price
from deployer.aws.s3 import DataLocation
from deployer.deployment.board import Board, make_board
from deployer.deployment.survey import Comparison, Survey, arrange
from deployer.facts import Facts, Unknown
from deployer.render import board, comparison

NOW = time.time()

LIVE = {"source": "AWS Price List (us-east-1)", "as_of": "2026-11-21", "is_live": True}
SPOT = {"source": "EC2 spot price history", "as_of": "2026-11-21", "is_live": True}


def full_facts(**values: Any) -> Facts:
    """Return facts in which every column of the board has something to show."""
    return facts(
        **(
            {
                "prices": {
                    "g4dn.xlarge": Price(usd_per_hour=0.526, **LIVE),
                    "g5.xlarge": Price(
                        usd_per_hour=1.006, source="built-in table (us-east-1)", as_of="2026-07-20", is_live=False
                    ),
                },
                "spot_prices": {("g4dn.xlarge", "us-east-1a"): Price(usd_per_hour=0.158, **SPOT)},
                "spot_scores": {"use1-az4": 7, "use1-az6": 3},
                "attempts": (
                    failed("g4dn.xlarge", "use1-az6", minutes=4),
                    failed("g4dn.xlarge", "use1-az6", minutes=9),
                ),
            }
            | values
        )
    )


def failed(instance_type: str, zone_id: str, *, minutes: float = 1, spot: bool = False) -> Attempt:
    return Attempt(
        region="us-east-1",
        zone_id=zone_id,
        instance_type=instance_type,
        spot=spot,
        code="InsufficientInstanceCapacity",
        at=NOW - minutes * 60,
        account="123456789012",
    )


def board_of(seen: Facts) -> Board:
    return make_board(seen, placement.candidates(seen), now=NOW)


def judged(seen: Facts) -> Survey:
    return Survey(facts=seen, findings=tuple(preflight.check(seen)), candidates=tuple(placement.candidates(seen)))


def test_board_has_a_row_for_each_type_and_zone() -> None:
    found = board_of(full_facts())

    assert [(item.instance_type, item.zone_id, item.offered) for item in found.offers] == [
        ("g4dn.xlarge", "use1-az4", True),
        ("g4dn.xlarge", "use1-az6", True),
        ("g4dn.xlarge", "use1-az1", False),
        ("g5.xlarge", "use1-az4", False),
        ("g5.xlarge", "use1-az6", True),
        ("g5.xlarge", "use1-az1", True),
    ]
    assert found.gaps == ()


def test_board_shows_no_figure_where_the_type_is_not_offered() -> None:
    absent = board_of(full_facts()).offers[3]

    assert (absent.on_demand, absent.spot, absent.spot_score, absent.order) == (None, None, None, 0)


def test_board_tells_the_last_failure_bought_the_same_way() -> None:
    attempts = (
        failed("g4dn.xlarge", "use1-az4", spot=True),
        failed("g4dn.xlarge", "use1-az6", minutes=9),
        failed("g4dn.xlarge", "use1-az6", minutes=4),
    )

    first, second, *_ = board_of(full_facts(attempts=attempts)).offers

    assert first.recent_failure is None
    assert second.minutes_ago == pytest.approx(4)


def test_board_numbers_the_candidates_in_their_order() -> None:
    seen = full_facts()
    order = {(item.instance_type, item.zone): item.order for item in board_of(seen).offers if item.order}

    expected = [(item.instance_type, item.availability_zone) for item in placement.candidates(seen)]
    assert sorted(order, key=lambda place: order[place]) == expected
    assert sorted(order.values()) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("part", "action", "subject"),
    [
        ("offerings", "ec2:DescribeInstanceTypeOfferings", "offered"),
        ("zones", "ec2:DescribeAvailabilityZones", "zone ids"),
        ("types", "ec2:DescribeInstanceTypes", "hardware"),
        ("spot_prices", "ec2:DescribeSpotPriceHistory", "spot prices"),
        ("spot_scores", "ec2:GetSpotPlacementScores", "spot scores"),
    ],
)
def test_board_names_what_could_not_be_read(part: str, action: str, subject: str) -> None:
    found = board_of(full_facts(**{part: denied(action)}))

    assert [(gap.subject, gap.permission) for gap in found.gaps] == [(subject, action)]
    assert found.offers


def test_board_takes_the_dated_table_for_hardware_that_ec2_does_not_tell() -> None:
    found = board_of(full_facts(types=denied("ec2:DescribeInstanceTypes")))

    assert [(item.name, item.gpu, item.gpus) for item in found.types] == [
        ("g4dn.xlarge", "T4", 1),
        ("g5.xlarge", "A10G", 1),
    ]
    assert all(item.as_of for item in found.types)


def test_board_has_a_row_for_a_type_that_only_other_regions_have_and_none_for_nonsense() -> None:
    seen = full_facts(config=config(instance_type=("g4dn.xlarge", "p5e.48xlarge", "g9.xlarge")))

    assert {item.instance_type for item in board_of(seen).offers} == {"g4dn.xlarge", "p5e.48xlarge"}
    assert {item.offered for item in board_of(seen).of_type("p5e.48xlarge")} == {False}


def test_board_is_drawn_with_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    board.show(judged(full_facts()), as_json=False)

    drawn = capsys.readouterr().out
    rows = [line.split() for line in drawn.splitlines() if "us-east-1" in line and "xlarge" in line]
    assert rows[0] == ["▶", "1", "g4dn.xlarge", "us-east-1a", "use1-az4", "yes", "$0.526", "$0.158", "7"]
    assert "$1.006*" in drawn
    assert "* not live: built-in table of 2026-07-20" in drawn
    assert "no capacity (InsufficientInstanceCapacity)" in drawn
    assert "1 × T4" in drawn
    assert "at most $" in drawn


def test_board_draws_nothing_that_nobody_gave(capsys: pytest.CaptureFixture[str]) -> None:
    seen = full_facts(prices={}, spot_prices=Unknown("not asked"), spot_scores=denied("ec2:GetSpotPlacementScores"))
    board.show(judged(seen), as_json=False)

    drawn, _, _ = capsys.readouterr().out.partition("Hardware")
    assert "$" not in drawn
    assert "spot scores not known: These credentials may not do ec2:GetSpotPlacementScores." in drawn


@pytest.mark.parametrize("columns", [80, 120])
def test_board_fits_the_terminal(columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))

    board.show(judged(full_facts()), as_json=False)

    drawn = capsys.readouterr().out
    assert max(len(line) for line in drawn.splitlines()) <= columns
    assert "…" not in drawn


def test_board_as_json_has_the_same_facts(capsys: pytest.CaptureFixture[str]) -> None:
    board.show(judged(full_facts()), as_json=True)

    told = json.loads(capsys.readouterr().out)
    assert told["can_launch"] is True
    first, second = told["rows"][:2]
    assert first == {
        "instance_type": "g4dn.xlarge",
        "zone": "us-east-1a",
        "zone_id": "use1-az4",
        "offered": True,
        "on_demand_usd": 0.526,
        "on_demand_source": {"live": True, "source": "AWS Price List (us-east-1)", "as_of": "2026-11-21"},
        "spot_usd": 0.158,
        "spot_source": {"live": True, "source": "EC2 spot price history", "as_of": "2026-11-21"},
        "spot_score": 7,
        "recent_failure": None,
        "order": 1,
    }
    assert second["recent_failure"]["code"] == "InsufficientInstanceCapacity"
    assert {item["level"] for item in told["findings"]} == {"OK"}
    assert told["types"][0]["gpu_memory_mib"] == 16384
    assert told["candidates"][0]["zone_id"] == "use1-az4"
    assert told["cost"]["total"] > 0.526


def test_check_of_warnings_alone_launches_nothing_where_no_zone_is_known() -> None:
    denials = {
        "zones": denied("ec2:DescribeAvailabilityZones"),
        "offerings": denied("ec2:DescribeInstanceTypeOfferings"),
    }

    found = judged(full_facts(**denials))

    assert preflight.can_launch(found.findings)
    assert not found.can_launch


def in_region(region: str, *, seconds: float | None, **values: Any) -> Facts:
    """Return the facts of another region, where its zones are called after it."""
    return facts(
        config=config(region=region, instance_type=("g4dn.xlarge",)),
        regions={"us-east-1": True, "us-west-2": True, "eu-west-1": True, "ap-east-1": False},
        zones=(replace(facts().zones[0], name=f"{region}a"),),  # type: ignore[index, union-attr]
        types={"g4dn.xlarge": G4DN},
        offerings={"g4dn.xlarge": frozenset({f"{region}a"})},
        quotas={"g4dn.xlarge": replace(G_QUOTA, region=region)},
        images={"g4dn.xlarge": IMAGE},
        seconds_away=seconds,
        **values,
    )


def compared(*regions: Facts) -> Comparison:
    return arrange({item.config.region: judged(item) for item in regions})


def test_comparison_puts_the_region_first_that_answered_quickest() -> None:
    found = compared(
        in_region("eu-west-1", seconds=0.3),
        in_region("ap-east-1", seconds=0.01),
        in_region("us-east-1", seconds=0.1),
    )

    # What is not enabled is nowhere, however quickly somebody said so.
    assert [way.region for way in found.ways] == ["us-east-1", "eu-west-1", "ap-east-1"]
    assert found.can_launch


def test_comparison_measures_from_the_bucket_of_the_data() -> None:
    data = DataLocation(bucket="fish", prefix="2026/", region="us-west-2", objects=10, size=1000)

    found = compared(
        in_region("eu-west-1", seconds=0.01, data=data),
        in_region("us-east-1", seconds=0.1, data=data),
        in_region("us-west-2", seconds=0.3, data=data),
    )

    assert [way.region for way in found.ways] == ["us-west-2", "us-east-1", "eu-west-1"]
    assert [way.km == 0 for way in found.ways] == [True, False, False]


@pytest.mark.parametrize("columns", [80, 140])
def test_comparison_is_drawn_with_the_nearest_and_what_stands_in_the_way(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    full = {"g4dn.xlarge": replace(G_QUOTA, region="us-east-1", value=0.0)}
    regions = (replace(in_region("us-east-1", seconds=0.05), quotas=full), in_region("us-west-2", seconds=0.2))

    comparison.show(compared(*regions), as_json=False)

    drawn = capsys.readouterr().out
    assert max(len(line) for line in drawn.splitlines()) <= columns
    told = " ".join(drawn.split())
    assert "Nearest to the data: us-east-1, which answered this machine in 50 ms" in told
    assert "the nearest that can be launched: us-west-2" in told
    assert "1 × g4dn.xlarge needs 4 vCPUs, and 0 of 0 are free in us-east-1" in told
    assert "Cheapest: us-west-2, g4dn.xlarge at $0.526 per hour." in told
    assert "deployer --region us-west-2 up" in told


def test_comparison_as_json_has_every_region(capsys: pytest.CaptureFixture[str]) -> None:
    silent = facts(config=config(region="eu-west-1"), identity=Unknown("no answer within 20 s"), seconds_away=None)

    comparison.show(compared(in_region("us-west-2", seconds=0.2), silent), as_json=True)

    told = json.loads(capsys.readouterr().out)
    assert (told["can_launch"], told["nearest"], told["data_region"]) == (True, "us-west-2", None)
    assert told["nearest_launchable"] == "us-west-2"
    assert [(item["region"], item["can_launch"]) for item in told["regions"]] == [
        ("us-west-2", True),
        ("eu-west-1", False),
    ]
    assert told["regions"][0]["seconds_away"] == 0.2
