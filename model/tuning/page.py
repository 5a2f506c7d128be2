"""report.html of a tuning: what was found, whether to believe it, and what every option did."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape

from model.console import count
from model.report.charts import (
    Axis,
    Line,
    Point,
    draw_lines,
    make_axis,
    make_epoch_axis,
    make_log_axis,
    make_share_axis,
)
from model.report.diagrams import Bar, draw_bars
from model.report.markup import draw_section, draw_table, fill_page, fold_rest, list_facts, show_label, show_value
from model.tuning.space import Range, Space, spell
from model.tuning.study import FAILED, FINISHED, STOPPED, Trial, pick_best

# As many rows as a phone shows on two screens.
SHOWN_TRIALS = 15


def build_page(
    trials: Sequence[Trial], space: Space, weights: Mapping[str, float], *, verdict: Sequence[str], command: str
) -> str:
    """Return the page; `verdict` are sentences on the best trial, `command` is how to train with it."""
    first, *others = map(escape, verdict)
    content = (
        f'<h1>Tuning report</h1><p class="summary">{first}</p>',
        *(f"<p>{sentence}</p>" for sentence in others),
        f"<p>To train with it, and to see how good it is on the test images, which no trial has seen:</p>"
        f"<p><code>{escape(command)}</code></p>",
        draw_section("What was found", "Options of the best trial and of the preset.", _draw_best(trials, space)),
        draw_section(
            "Trial after trial",
            "Balanced accuracy on the validation images: every class counts the same. The line is the best so far.",
            _draw_history(trials),
        ),
        draw_section(
            "What counts",
            "How much of the difference between the better trials and all follows from each option (PED-ANOVA). With "
            "few trials this is a hint.",
            draw_bars([Bar(name=show_label(spell(name)), share=weight) for name, weight in _sort(weights)])
            if weights
            else "",
        ),
        draw_section("Option by option", "Each dot is a trial.", _draw_options(trials, space)),
        draw_section("All trials", _tell_states(trials), _draw_trials(trials, space)),
        draw_section("What was searched", "And why no further.", _draw_space(space)),
    )
    return fill_page(title="Tuning report", content="".join(content))


def _draw_best(trials: Sequence[Trial], space: Space) -> str:
    best = pick_best(trials)
    base = next((trial for trial in trials if trial.is_base), None)
    if best is None or base is None:
        return ""
    rows = [[spell(name), show_value(best.values.get(name)), show_value(base.values.get(name))] for name in space]
    if base.state == FINISHED:
        rows.append(["balanced accuracy, validation", f"{best.score:.3f}", f"{base.score:.3f}"])
    return draw_table(f"Trial {best.number} and trial {base.number}", ["", "best", "preset"], rows)


def _draw_history(trials: Sequence[Trial]) -> str:
    finished = [(float(trial.number), trial.score) for trial in trials if trial.state == FINISHED]
    stopped = [(float(trial.number), trial.curve[-1][1]) for trial in trials if trial.state == STOPPED and trial.curve]
    lines = [
        Line(name="best so far", points=_climb(finished), style="first"),
        Line(name="finished", points=finished, style="second", is_joined=False),
    ]
    if stopped:
        lines.append(Line(name="stopped early, as it stood", points=stopped, style="sixth", is_joined=False))
    x = replace(make_epoch_axis(max(trial.number for trial in trials)), label="trial")
    y = _make_score_axis([score for _, score in finished + stopped])
    return f'<div class="curves">{draw_lines(lines, title="Trials", x=x, y=y)}{_draw_curves(trials)}</div>'


def _climb(points: Sequence[Point]) -> list[Point]:
    """Return the steps of the highest so far."""
    steps: list[Point] = []
    for number, score in points:
        best = steps[-1][1] if steps else score
        steps += [(number, best), (number, max(best, score))]
    return steps


def _draw_curves(trials: Sequence[Trial]) -> str:
    best = pick_best(trials)
    told = [trial for trial in trials if len(trial.curve) > 1]
    if best not in told:
        return ""
    lines = [
        Line(
            name=f"trial {trial.number}, the best" if trial == best else f"trial {trial.number}",
            points=trial.curve,
            style="first" if trial == best else "sixth",
            is_faint=trial != best,
        )
        for trial in sorted(told, key=lambda trial: trial == best)
    ]
    y = _make_score_axis([score for line in lines for _, score in line.points])
    return draw_lines(lines, title="Each trial as it learns", x=make_share_axis("share of the training"), y=y)


def _make_score_axis(scores: Sequence[float]) -> Axis:
    """Return an axis on which the best is never cut off as a spike."""
    return make_axis("balanced accuracy", [min(scores), *[max(scores)] * 50])


def _draw_options(trials: Sequence[Trial], space: Space) -> str:
    finished = [trial for trial in trials if trial.state == FINISHED]
    if len(finished) < 2:
        return ""
    charts, tables = [], []
    for name, searched in space.items():
        if isinstance(searched, Range):
            points = [(float(trial.values[name]), trial.score) for trial in finished if name in trial.values]
            low, high = searched.low, searched.high
            x = (
                make_log_axis(spell(name), low, high)
                if searched.is_log
                else make_axis(spell(name), [low, *[high] * 50])
            )
            y = _make_score_axis([score for _, score in points])
            dots = Line(name="trials", points=points, style="first", is_faint=True, is_joined=False)
            charts.append(draw_lines([dots], title=spell(name), x=x, y=y))
        else:
            by_value = {
                value: [trial.score for trial in finished if trial.values.get(name) == value]
                for value in searched.values
            }
            rows = [
                [str(value), str(len(scores)), f"{statistics.median(scores):.3f}", f"{max(scores):.3f}"]
                for value, scores in by_value.items()
                if scores
            ]
            tables.append(draw_table(spell(name), ["", "trials", "median", "best"], rows))
    return f'<div class="curves">{"".join(charts)}</div>{"".join(tables)}'


def _draw_trials(trials: Sequence[Trial], space: Space) -> str:
    ordered = sorted(trials, key=lambda trial: (trial.state != FINISHED, -trial.score, trial.number))
    rows = [
        [
            f"{trial.number}{' (preset)' if trial.is_base else ''}",
            f"{trial.score:.3f}" if trial.state == FINISHED else trial.state,
            *(show_value(trial.values.get(name)) for name in space),
        ]
        for trial in ordered
    ]
    head = ["trial", "balanced accuracy", *map(spell, space)]
    rest = fold_rest(len(rows) - SHOWN_TRIALS, draw_table("Trials, continued", head, rows[SHOWN_TRIALS:]))
    reasons = "".join(f"<li>Trial {trial.number}: {escape(trial.reason)}</li>" for trial in trials if trial.reason)
    failed = f"<ul>{reasons}</ul>" if reasons else ""
    return failed + draw_table("Trials, the best first", head, rows[:SHOWN_TRIALS]) + rest


def _tell_states(trials: Sequence[Trial]) -> str:
    states = [trial.state for trial in trials]
    stopped, failed = states.count(STOPPED), states.count(FAILED)
    told = [f"{count(states.count(FINISHED), 'trial')} finished"]
    told += [f"{stopped} stopped early, worse at half of the training than most were there"] if stopped else []
    told += [f"{failed} failed"] if failed else []
    return f"{'; '.join(told)}."


def _draw_space(space: Space) -> str:
    return list_facts(
        {spell(name): f"{escape(found.describe())} – {escape(found.reason)}" for name, found in space.items()}
    )


def _sort(weights: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(weights.items(), key=lambda item: -item[1])
