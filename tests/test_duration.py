"""Durations as people type them."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from deployer.commands.duration import duration
from deployer.commands.up import up


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400), ("1h1m1s", 3661), (" 5M ", 300)],
)
def test_duration_is_seconds(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "0m", "m", "-5m", "30 minutes", "5d", "1s1h", "1e3s", "٣m٣", "nan"])
def test_duration_refuses_what_is_none(text: str) -> None:
    with pytest.raises(click.BadParameter, match="write 90s, 30m, 2h or 1h30m"):
        duration(text)


def test_wait_that_is_no_duration_is_a_usage_error() -> None:
    answer = CliRunner().invoke(up, ["--wait", "30"])

    assert answer.exit_code == 2
    assert "Invalid value for '--wait': '30' is not a duration" in answer.output
