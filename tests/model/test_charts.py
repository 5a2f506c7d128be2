from __future__ import annotations

import re

import pytest

from model.report.charts import Line, draw_lines, make_axis, make_epoch_axis, make_share_axis


def _points(chart: str) -> list[tuple[float, float]]:
    drawn = chart.split('points="')[1].split('"')[0].split()
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in drawn)]


@pytest.mark.parametrize(
    "values",
    [[0.5], [0.7, 0.7, 0.7], [0.0, 0.0], [3.0, 1.0, 0.5, 0.2], [1e-7, 2e-7], [5000.0, 2.0, 1.0] * 40, [-1.0, 1.0]],
    ids=["one epoch", "flat", "zero", "falling", "tiny", "spikes", "negative"],
)
def test_draw_lines_stays_inside_the_picture(values: list[float]) -> None:
    line = Line(name="loss", points=list(enumerate(values, 1)), style="first")

    chart = draw_lines([line], title="Loss", x=make_epoch_axis(len(values)), y=make_axis("loss", values), mark=1)

    points = _points(chart)
    assert len(points) == len(values)
    assert all(0 <= x <= 440 and 0 <= y <= 270 for x, y in points)


def test_draw_lines_goes_up_where_values_do() -> None:
    line = Line(name="found", points=[(0.0, 0.0), (0.5, 0.9), (1.0, 1.0)], style="first")

    (x0, y0), (x1, y1), (x2, y2) = _points(
        draw_lines([line], title="ROC", x=make_share_axis("a"), y=make_share_axis("b"))
    )

    assert x0 < x1 < x2
    assert y0 > y1 > y2  # down the page is up the chart


def test_draw_lines_names_every_line_but_the_faint() -> None:
    lines = [
        Line(name="each fold", points=[(1, 1.0), (2, 2.0)], style="first", is_faint=True),
        Line(name="mean <all>", points=[(1, 1.0), (2, 2.0)], style="first"),
        Line(name="other", points=[(1, 2.0), (2, 1.0)], style="second"),
    ]

    chart = draw_lines(lines, title="Loss", x=make_epoch_axis(2), y=make_axis("loss", [1.0, 2.0]))

    legend = chart.split('<p class="legend">')[1]
    assert "each fold" not in legend
    assert "mean &lt;all&gt;" in legend
    assert "other" in legend
    assert chart.count("<polyline") == 3 + 2  # and a swatch for each name


@pytest.mark.parametrize("epochs", [1, 2, 7, 13, 40, 999, 10_000])
def test_make_epoch_axis_begins_and_ends_with_the_epochs(epochs: int) -> None:
    ticks = make_epoch_axis(epochs).ticks

    assert (ticks[0], ticks[-1]) == (1, epochs)
    assert list(ticks) == sorted(set(ticks))
    assert len(ticks) <= 8


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (1e-6, 2e-3), (0.31, 0.32), (4.0, 1000.0), (7.0, 7.0)])
def test_make_axis_holds_its_values_with_few_round_ticks(low: float, high: float) -> None:
    ticks = make_axis("loss", [low, high, *[low] * 60]).ticks if low == high else make_axis("loss", [low, high]).ticks

    assert ticks[0] <= low
    assert len(ticks) in range(2, 8)
    assert all(re.fullmatch(r"-?\d+(\.\d{1,4})?|[\d.]+e-\d+", f"{tick:g}") for tick in ticks)
