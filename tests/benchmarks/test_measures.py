"""The harness of the benchmarks: arms in turn, ratios by round, goals, and what --quick holds against its baseline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.measures import Arms, Result, Setting, row
from benchmarks.results import Record, has_halved, show, write_record


def make_result(*, is_at_least: bool = True, goal: float = 2.0, **samples: list[float]) -> Result:
    return Result(
        name="decode",
        what="JPEG → pixels",
        unit="images/s",
        samples=samples,
        goal=goal,
        is_at_least=is_at_least,
        seconds=1.0,
        date="2026-11-21",
    )


def test_measure_runs_all_arms_in_each_round_and_leaves_out_the_first(tmp_path: Path) -> None:
    calls: list[str] = []

    def count(name: str) -> float:
        calls.append(name)
        return float(calls.count(name))

    @row("turns", "arms in turn", at_least=1.0)
    def turns(setting: Setting) -> Iterator[Arms]:
        calls.append("ready")
        yield Arms("times", {"ours": lambda: count("ours"), "other": lambda: count("other")})
        calls.append("cleared")

    told: list[tuple[int, int]] = []
    result = turns.measure(Setting(folder=tmp_path), repeats=5, tell=lambda *turn: told.append(turn))

    assert result.samples == {"ours": [2, 3, 4, 5, 6], "other": [2, 3, 4, 5, 6]}
    assert (calls[0], calls[-1]) == ("ready", "cleared")
    rounds = [set(calls[1:-1][start : start + 2]) for start in range(0, 12, 2)]
    assert rounds == [{"ours", "other"}] * 6
    assert {tuple(calls[1:-1][start : start + 2]) for start in range(0, 12, 2)} > {("ours", "other")}
    assert told == [(turn, 6) for turn in range(6)]


def test_result_is_the_median_of_the_ratios_of_rounds_to_the_best_other_arm() -> None:
    result = make_result(ours=[10, 30, 20], slow=[1, 1, 1], fast=[5, 10, 20])

    assert result.reference == "fast"
    assert result.values == [2, 3, 1]
    assert (result.value, result.value_unit, result.is_met) == (2, "×", True)


@pytest.mark.parametrize(
    ("is_at_least", "goal", "is_met"), [(True, 3.1, False), (False, 3.1, True), (False, 2.9, False)]
)
def test_result_of_a_lone_arm_is_its_figure(is_at_least: bool, goal: float, is_met: bool) -> None:
    result = make_result(is_at_least=is_at_least, goal=goal, ours=[1, 3, 9])

    assert (result.value, result.value_unit, result.is_met) == (3, "images/s", is_met)


@pytest.mark.parametrize(
    ("is_at_least", "ours", "is_worse"),
    [(True, 1.1, False), (True, 1.0, True), (False, 3.9, False), (False, 4.0, True)],
)
def test_has_halved_looks_at_the_direction_of_the_goal(is_at_least: bool, ours: float, is_worse: bool) -> None:
    assert has_halved(make_result(is_at_least=is_at_least, ours=[ours], other=[1.0]), 2.0) is is_worse


def test_write_record_shows_what_was_reached_missed_and_left_out(tmp_path: Path) -> None:
    met, missed = make_result(ours=[4, 6, 5], Pillow=[2, 2, 2]), make_result(ours=[1, 1, 1], Pillow=[2, 2, 2])
    record = Record(machine={"cores": "2"}, versions={"torch": "2.15"}, results={}, left_out={"decode": "no GPU"})
    record = record.with_result("decode", met).with_result("late", missed).with_result("gpu", "no GPU")

    text = write_record(record, ("late", "decode", "gpu"), tmp_path).read_text()

    assert "| cores | 2 |" in text
    assert "torch 2.15" in text
    rows = [line for line in text.splitlines() if line.startswith("| `decode`")]
    assert [row.split(" | ")[-2] for row in rows] == ["**no**", "yes"]
    assert (
        "ours: 5.00 images/s (4.00–6.00)<br>Pillow: 2.00 images/s (2.00–2.00) | 3 | **2.50 ×** (2.00–3.00)" in rows[1]
    )
    assert text.endswith("- `gpu`: no GPU\n")


@pytest.mark.parametrize(
    ("value", "text"), [(12345.6, "12,346"), (99.5, "99.5"), (9.87, "9.87"), (0.0123, "0.012"), (0.0, "0.00")]
)
def test_show_keeps_the_digits_that_mean_something(value: float, text: str) -> None:
    assert show(value) == text
