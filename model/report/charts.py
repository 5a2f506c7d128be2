"""Line charts as inline SVG: no script, no reference; colours come from the page, so that light and dark both work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 40


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a chart; `style` is a class of the page's style sheet."""

    name: str
    values: Sequence[float]
    style: str


def draw_lines(lines: Sequence[Line], *, title: str, mark: int, bounds: tuple[float, float] | None = None) -> str:
    """Draw values over epochs 1, 2, ... with epoch `mark` marked; `bounds` fixes the vertical axis."""
    epochs = max(len(line.values) for line in lines)
    ticks = _choose_ticks(*(bounds or _find_bounds(lines)))
    low, high = ticks[0], ticks[-1]

    def x(epoch: float) -> float:
        share = (epoch - 1) / (epochs - 1) if epochs > 1 else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        clipped = min(max(value, low), high)
        return TOP + (high - clipped) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for tick in ticks:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for epoch in _choose_epochs(epochs):
        parts.append(f'<text class="tick" x="{x(epoch):.1f}" y="{HEIGHT - 22}" text-anchor="middle">{epoch}</text>')
    parts.append(
        f'<text class="tick" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 5}" text-anchor="middle">epoch</text>'
    )
    parts.append(f'<line class="mark" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    for line in lines:
        points = " ".join(f"{x(epoch):.1f},{y(value):.1f}" for epoch, value in enumerate(line.values, 1))
        parts.append(f'<polyline class="{line.style}" points="{points}"/>')
        value = line.values[mark - 1]
        parts.append(f'<circle class="{line.style}" cx="{x(mark):.1f}" cy="{y(value):.1f}" r="3.5"/>')
    parts.append("</svg>")
    legend = "".join(f'<span><i class="{line.style}"></i>{escape(line.name)}</span>' for line in lines)
    return f'<figure><figcaption>{escape(title)}</figcaption>{"".join(parts)}<p class="legend">{legend}</p></figure>'


def _find_bounds(lines: Sequence[Line]) -> tuple[float, float]:
    """Return the range of the values, without the few spikes that would flatten all the rest."""
    values = sorted(value for line in lines for value in line.values)
    return values[0], values[min(len(values) - 1, math.floor(0.98 * len(values)))]


def _choose_ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers from at most `low` to at least `high`."""
    span = max(high - low, 0.02)
    exponent = 10.0 ** math.floor(math.log10(span / 4))
    step = next(factor * exponent for factor in (1, 2, 2.5, 5, 10) if span / (factor * exponent) <= 4.5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * k, 10) for k in range(first, max(last, first + 1) + 1)]


def _choose_epochs(epochs: int) -> list[int]:
    step = max(1, math.ceil(epochs / 6))
    for nice in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000):
        if nice >= step:
            step = nice
            break
    return [1, *(epoch for epoch in range(step, epochs + 1, step) if epoch > 1)]
