"""From figures to charts: learning curves, the floors, ROC and precision-recall, and what certainty is worth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.report.charts import STYLES, Axis, Line, draw_lines, make_axis, make_epoch_axis, make_share_axis
from model.report.markup import show_interval
from model.report.verdict import list_floors

Epochs = Sequence[Mapping[str, Any]]

# With two classes both say the same of the ranking; with more than six no reader tells the lines apart.
DRAWN_CLASSES = len(STYLES)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One share with its interval; `name` is markup, `kind` a class of the style sheet, "model" or "floor"."""

    name: str
    share: float
    interval: Sequence[float] | None = None
    kind: str = "model"


def draw_learning(epochs: Epochs, best_epoch: int | None) -> str:
    """Return loss, accuracy and learning rate over the epochs; with folds each fold is a thin line around the mean."""
    if not epochs:
        return ""
    last = max(number_epoch(epoch, place) for place, epoch in enumerate(epochs, 1))
    x = make_epoch_axis(last)
    charts = (
        ("Loss: lower is better", "loss", {"training": "train_loss", "validation": "validation_loss"}),
        (
            "Validation: higher is better",
            "share right",
            {"accuracy": "validation_accuracy", "balanced accuracy": "validation_balanced_accuracy"},
        ),
        ("Learning rate", "learning rate", {"learning rate": "learning_rate"}),
    )
    drawn = []
    for title, label, keys in charts:
        lines = [
            line
            for style, (name, key) in zip(STYLES, keys.items(), strict=False)
            for line in trace_epochs(epochs, key, name, style)
        ]
        values = [value for line in lines for _, value in line.points]
        if values:
            y = make_share_axis(label) if label == "share right" else make_axis(label, values)
            drawn.append(draw_lines(lines, title=title, x=x, y=y, mark=best_epoch))
    return f'<div class="curves">{"".join(drawn)}</div>' if drawn else ""


def draw_floors(metrics: Mapping[str, Any]) -> str:
    """Return accuracy as bars: the model with its interval, and the floors under it."""
    test = metrics["test"]
    model = Bar(name="this model", share=test["accuracy"], interval=test["accuracy_interval"])
    floors = [Bar(name=floor.name, share=floor.accuracy, kind="floor") for floor in list_floors(metrics)]
    return draw_bars([model, *floors])


def draw_bars(bars: Sequence[Bar]) -> str:
    """Return shares as bars, one under the other, with their intervals."""
    rows = []
    for bar in bars:
        drawn = f'<i class="{bar.kind}" style="width:{bar.share:.1%}"></i>'
        if bar.interval:
            drawn += f'<i class="whisker" style="left:{bar.interval[0]:.1%};right:{1 - bar.interval[1]:.1%}"></i>'
        rows.append(
            f'<dt>{bar.name}</dt><dd><span class="rail">{drawn}</span><b>{bar.share:.0%}</b>'
            f"<small>{show_interval(bar.interval)}</small></dd>"
        )
    return f'<dl class="bars">{"".join(rows)}</dl>'


def draw_rankings(test: Mapping[str, Any]) -> str:
    """Return ROC and precision-recall of each class against the rest; of many classes the worst ranked."""
    by_class = {row["label"]: row for row in test["by_class"]}
    aucs = {label: by_class[label]["auc"] or 0.0 for label, points in test["roc"].items() if points}
    worst = set(sorted(aucs, key=aucs.__getitem__)[:DRAWN_CLASSES])
    # One style for a class in both charts.
    styles = dict(zip([label for label in aucs if label in worst], STYLES, strict=False))
    roc = _draw_ranking(
        [_make_line(label, test["roc"][label], aucs[label], style) for label, style in styles.items()],
        title="ROC (area)",
        x=make_share_axis("false alarms: share of the rest"),
        y=make_share_axis("found: share of the class"),
        has_diagonal=True,
    )
    recall = _draw_ranking(
        [
            _make_line(label, points, by_class[label]["average_precision"] or 0.0, style)
            for label, style in styles.items()
            if (points := test["precision_recall"][label])
        ],
        title="Precision and recall (average precision)",
        x=make_share_axis("found: recall"),
        y=make_share_axis("right when named: precision"),
    )
    few = (
        f"<p>The {DRAWN_CLASSES} classes with the smallest area, of {len(aucs)}.</p>" if len(aucs) > len(styles) else ""
    )
    return f'{few}<div class="curves">{roc}{recall}</div>' if roc else ""


def _make_line(label: str, points: Sequence[Sequence[float]], figure: float, style: str) -> Line:
    return Line(name=f"{label} ({figure:.2f})", points=[(x, y) for x, y in points], style=style)


def _draw_ranking(lines: Sequence[Line], *, title: str, x: Axis, y: Axis, has_diagonal: bool = False) -> str:
    return draw_lines(lines, title=title, x=x, y=y, has_diagonal=has_diagonal) if lines else ""


def draw_calibration(test: Mapping[str, Any]) -> str:
    """Return the reliability diagram before and after the temperature, and the error in words."""
    calibration = test["calibration"]
    stages = {"before": "second", "after": "first"}
    lines = [
        Line(
            name=f"{stage} scaling (error {calibration[stage]['ece']:.3f})",
            points=[(bin_["confidence"], bin_["accuracy"]) for bin_ in calibration[stage]["bins"] if bin_["count"]],
            style=style,
            has_dots=True,
        )
        for stage, style in stages.items()
        if calibration[stage]
    ]
    if not lines:
        return ""
    chart = draw_lines(
        lines,
        title="Stated and true certainty",
        x=make_share_axis("how sure the model says it is"),
        y=make_share_axis("how often it is right"),
        has_diagonal=True,
    )
    return f'<div class="curves">{chart}<div class="words">{_tell_calibration(calibration)}</div></div>'


def _tell_calibration(calibration: Mapping[str, Any]) -> str:
    before, after = calibration["before"], calibration["after"]
    low, high = after["interval"]
    told = (
        f"On these images the stated certainty is <b>{100 * after['ece']:.1f} points</b> off the truth (before scaling "
        f"{100 * before['ece']:.1f}).",
        f"On so few images even a model without any fault would show {100 * after['noise_floor']:.1f} points.",
        f"The true error lies between {100 * low:.1f} and {100 * high:.1f} points (95% interval).",
        f"Temperature {calibration['temperature']:.2f}, found on the validation images: above 1 the network was too "
        "sure of itself, below 1 too timid. It changes no answer, only how sure it is.",
    )
    return "".join(f"<p>{sentence}</p>" for sentence in told)


def trace_epochs(epochs: Epochs, key: str, name: str, style: str) -> list[Line]:
    """Return a figure over the epochs as one line; with folds, as a thin one each and their mean."""
    folds: dict[Any, list[tuple[float, float]]] = defaultdict(list)
    for place, epoch in enumerate(epochs, 1):
        if epoch.get(key) is not None:
            folds[epoch.get("fold")].append((number_epoch(epoch, place), epoch[key]))
    if len(folds) < 2:
        return [Line(name=name, points=points, style=style) for points in folds.values()]
    at: dict[float, list[float]] = defaultdict(list)
    for points in folds.values():
        for number, value in points:
            at[number].append(value)
    # An epoch that a fold did not reach, ended early, has no mean that compares with the others'.
    mean = [(number, sum(values) / len(values)) for number, values in sorted(at.items()) if len(values) == len(folds)]
    thin = [Line(name=name, points=points, style=style, is_faint=True) for points in folds.values()]
    return [*thin, Line(name=name, points=mean, style=style)]


def number_epoch(epoch: Mapping[str, Any], place: int) -> int:
    """Return an epoch's number; the files of old versions have none."""
    return int(epoch.get("epoch", place))
