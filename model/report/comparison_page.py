"""compare.html: runs side by side on one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from model.report.charts import STYLES, draw_lines, make_axis, make_epoch_axis, make_share_axis
from model.report.comparison import Comparison, Figure, find_recalls
from model.report.diagrams import Bar, draw_bars, number_epoch, trace_epochs
from model.report.markup import draw_section, draw_table, fill_page, fold_rest, show_interval, show_label, show_share
from model.report.runs import Run

# A dash at which no line is broken: intervals stay whole on a phone.
UNBROKEN = "–\N{WORD JOINER}"

# As many rows as a phone shows on two screens.
SHOWN_CLASSES = 15


def build_comparison(comparison: Comparison) -> str:
    """Return the page."""
    runs = comparison.runs
    bars = [
        Bar(name=show_label(run.name), share=test["accuracy"], interval=test.get("accuracy_interval"))
        for run in runs
        for test in [run.metrics["test"]]
    ]
    several = (
        f"<p>With {len(comparison.pairings)} comparisons one of them is lucky more easily: a difference counts as more "
        f"than chance below p = 0.05 / {len(comparison.pairings)}.</p>"
        if len(comparison.pairings) > 1
        else ""
    )
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in comparison.sentences)
    content = "".join(
        (
            f'<h1>{len(runs)} runs side by side</h1><p class="summary">Accuracy on the test images, with its 95% '
            f"interval:</p>{draw_bars(bars)}",
            draw_section(
                "On the same pictures",
                f"Every run against the first, {show_label(runs[0].name)}. Two models are told apart by the pictures "
                "that only one of them gets right.",
                f"<ul>{sentences}</ul>{several}",
            ),
            draw_section(
                "Figures", "Of the test images.", _draw_figures("Figures of each run", runs, comparison.figures)
            ),
            draw_section(
                "What was done differently",
                "Options that are not the same in all runs.",
                _draw_figures("Options of each run", runs, comparison.differences)
                or "<p>Nothing: the recipes are the same.</p>",
            ),
            draw_section("Learning curves", _tell_drawn(runs), _draw_learning(runs)),
            draw_section(
                "Class by class",
                "The share of a class's test images that each run finds, the classes on which they differ most first.",
                _draw_recalls(runs),
            ),
        )
    )
    return fill_page(title=f"Comparison of {', '.join(run.name for run in runs)}", content=content)


def _draw_figures(caption: str, runs: Sequence[Run], figures: Sequence[Figure]) -> str:
    rows = [
        [escape(figure.name), *(escape(value).replace("–", UNBROKEN) for value in figure.values)] for figure in figures
    ]
    return draw_table(caption, ["", *(show_label(run.name) for run in runs)], rows) if rows else ""


def _tell_drawn(runs: Sequence[Run]) -> str:
    drawn = sum(bool(run.epochs) for run in runs)
    if drawn > len(STYLES):
        return f"The first {len(STYLES)} runs: more lines cannot be told apart."
    return "Of runs with folds, the mean." if any("fold" in epoch for run in runs for epoch in run.epochs[:1]) else ""


def _draw_learning(runs: Sequence[Run]) -> str:
    told = [run for run in runs if run.epochs][: len(STYLES)]
    if not told:
        return ""
    x = make_epoch_axis(max(number_epoch(epoch, place) for run in told for place, epoch in enumerate(run.epochs, 1)))
    charts = (
        ("Validation accuracy: higher is better", "share right", "validation_accuracy"),
        ("Validation loss: lower is better", "loss", "validation_loss"),
        ("Training loss", "loss", "train_loss"),
    )
    drawn = []
    for title, label, key in charts:
        lines = [
            line
            for style, run in zip(STYLES, told, strict=False)
            for line in trace_epochs(run.epochs, key, run.name, style)
            if not line.is_faint
        ]
        values = [value for line in lines for _, value in line.points]
        if values:
            y = make_share_axis(label) if label == "share right" else make_axis(label, values)
            drawn.append(draw_lines(lines, title=title, x=x, y=y))
    return f'<div class="curves">{"".join(drawn)}</div>' if drawn else ""


def _draw_recalls(runs: Sequence[Run]) -> str:
    by_run = [find_recalls(run) for run in runs]
    recalls = {label: [recalls[label] for recalls in by_run] for label in runs[0].classes}
    ordered = sorted(recalls, key=lambda label: -_measure_spread(recalls[label]))
    intervals = [
        {row["label"]: row.get("recall_interval") for row in run.metrics["test"].get("by_class") or ()} for run in runs
    ]
    rows = []
    for label in ordered:
        cells = [_show_recall(share, known.get(label)) for share, known in zip(recalls[label], intervals, strict=True)]
        rows.append([show_label(label), *cells])
    head = ["class", *(show_label(run.name) for run in runs)]
    rest = fold_rest(len(rows) - SHOWN_CLASSES, draw_table("Found, continued", head, rows[SHOWN_CLASSES:]))
    return draw_table("Found, by class", head, rows[:SHOWN_CLASSES]) + rest


def _show_recall(share: float | None, interval: Sequence[float] | None) -> str:
    return f"{show_share(share)} <small>{show_interval(interval).replace('–', UNBROKEN)}</small>"


def _measure_spread(shares: Sequence[float | None]) -> float:
    known = [share for share in shares if share is not None]
    return max(known) - min(known) if known else -1.0
