"""Line charts as inline SVG: no script, no reference; colours come from the page, so that light and dark both work.

Lines differ by their dashes as well as by their colour: a page is printed in black, and one man in twelve confuses red
and green.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 440, 270
LEFT, RIGHT, TOP, BOTTOM = 80, 14, 12, 46

# The classes of the style sheet, in the order in which lines take them.
STYLES = ("first", "second", "third", "fourth", "fifth", "sixth")

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a chart; `style` is a class of the page's style sheet; the legend leaves out what is faint.

    Points that are not joined are dots without an order.
    """

    name: str
    points: Sequence[Point]
    style: str
    is_faint: bool = False
    has_dots: bool = False
    is_joined: bool = True


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What a direction of a chart means; it reaches from the first tick to the last."""

    label: str
    ticks: tuple[float, ...]
    is_log: bool = False

    def place(self, value: float, start: float, end: float) -> float:
        """Return where between `start` and `end` a value lies; what is beyond the axis lies at its end."""
        low, high = self.ticks[0], self.ticks[-1]
        if self.is_log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return start + min(max(share, 0.0), 1.0) * (end - start)


def make_axis(label: str, values: Sequence[float]) -> Axis:
    """Return an axis over values, without the few spikes that would flatten all the rest."""
    ordered = sorted(value for value in values if math.isfinite(value)) or [0.0]
    return Axis(label=label, ticks=_choose_ticks(ordered[0], ordered[min(len(ordered) - 1, int(0.98 * len(ordered)))]))


def make_share_axis(label: str) -> Axis:
    """Return an axis from 0 to 1."""
    return Axis(label=label, ticks=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0))


def make_epoch_axis(epochs: int) -> Axis:
    """Return an axis of whole numbers from 1 to `epochs`, which may not carry a number itself."""
    step = next(nice for nice in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if nice >= epochs / 6)
    inner = [epoch for epoch in range(step, epochs + 1, step) if epoch > 1 and epochs - epoch >= 0.6 * step]
    return Axis(label="epoch", ticks=(1, *inner, *([epochs] if epochs > 1 else [])))


def make_log_axis(label: str, low: float, high: float) -> Axis:
    """Return an axis by powers of ten, with as many ticks between them as there is space for."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    decades = math.log10(high / low)
    factors = (1, 2, 5) if decades < 2 else (1, 3) if decades < 3.5 else (1,)
    ticks = [factor * 10.0**exponent for exponent in exponents for factor in factors]
    first = max((place for place, tick in enumerate(ticks) if tick <= low * (1 + 1e-9)), default=0)
    last = next((place for place, tick in enumerate(ticks) if tick >= high * (1 - 1e-9)), len(ticks) - 1)
    return Axis(label=label, ticks=tuple(float(f"{tick:.10g}") for tick in ticks[first : last + 1]), is_log=True)


def draw_lines(
    lines: Sequence[Line], *, title: str, x: Axis, y: Axis, mark: float | None = None, has_diagonal: bool = False
) -> str:
    """Return a figure with its title and legend; `mark` is a place on the x axis that a dashed line points out."""
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(_describe(title, lines))}">',
        *_draw_axes(x, y),
    ]
    if has_diagonal:
        parts.append(f'<line class="mark" x1="{_x(x, 0)}" y1="{_y(y, 0)}" x2="{_x(x, 1)}" y2="{_y(y, 1)}"/>')
    if mark is not None:
        parts.append(f'<line class="mark" x1="{_x(x, mark)}" x2="{_x(x, mark)}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    for line in lines:
        style = f"{line.style} faint" if line.is_faint else line.style
        points = " ".join(f"{_x(x, left)},{_y(y, up)}" for left, up in line.points if math.isfinite(up))
        if line.is_joined:
            parts.append(f'<polyline class="{style}" points="{points}"/>')
        dots = line.points if line.has_dots or not line.is_joined or len(line.points) == 1 else []
        dots = [*dots, *(point for point in line.points if point[0] == mark and not line.is_faint)]
        parts += [f'<circle class="{style}" cx="{_x(x, left)}" cy="{_y(y, up)}" r="3.5"/>' for left, up in dots]
    parts.append("</svg>")
    legend = {line.style: line for line in lines if not line.is_faint}
    entries = "".join(
        f"<span>{draw_swatch(style, is_line=legend[style].is_joined)}{escape(legend[style].name)}</span>"
        for style in STYLES
        if style in legend
    )
    return f'<figure><figcaption>{escape(title)}</figcaption>{"".join(parts)}<p class="legend">{entries}</p></figure>'


def draw_swatch(style: str, *, is_line: bool = True) -> str:
    """Return a short piece of a line, or a dot, for a legend."""
    shape = "polyline" if is_line else "circle"
    place = 'points="1,4 27,4"' if is_line else 'cx="14" cy="4" r="3.5"'
    return f'<svg class="swatch" viewBox="0 0 28 8" aria-hidden="true"><{shape} class="{style}" {place}/></svg>'


def _x(axis: Axis, value: float) -> str:
    return f"{axis.place(value, LEFT, WIDTH - RIGHT):.1f}"


def _y(axis: Axis, value: float) -> str:
    return f"{axis.place(value, HEIGHT - BOTTOM, TOP):.1f}"


def _draw_axes(x: Axis, y: Axis) -> list[str]:
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts = []
    for tick in y.ticks:
        at = _y(y, tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{float(at) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    parts += [
        f'<text x="{_x(x, tick)}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:g}</text>' for tick in x.ticks
    ]
    parts.append(
        f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{escape(x.label)}</text>"
    )
    parts.append(
        f'<text class="axis" transform="translate(13 {middle:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y.label)}</text>"
    )
    return parts


def _describe(title: str, lines: Sequence[Line]) -> str:
    """Say for those who hear the page where each line begins and ends."""
    told = [
        f"{line.name} from {line.points[0][1]:.2g} to {line.points[-1][1]:.2g}"
        for line in lines
        if line.points and not line.is_faint
    ]
    return f"{title}: {'; '.join(told)}." if told else title


def _choose_ticks(low: float, high: float) -> tuple[float, ...]:
    """Return three to six round numbers from at most `low` to at least `high`."""
    # Values that are all alike get an axis of their own size, not a line on the frame.
    span = max(high - low, 0.02 * abs(high), 1e-9)
    exponent = 10.0 ** math.floor(math.log10(span / 4))
    step = next(factor * exponent for factor in (1, 2, 2.5, 5, 10) if span / (factor * exponent) <= 4.5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    # Rounded to significant digits: a learning rate's ticks are far below any fixed number of decimals.
    return tuple(float(f"{step * k:.10g}") for k in range(first, max(last, first + 1) + 1))
