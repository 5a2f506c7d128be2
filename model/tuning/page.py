"""report.html of a tuning: what was found, whether to believe it, and what every option did."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from html import escape

from model.console import count
from model.report.charts import Line, draw_lines, make_axis, make_log_axis
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
    if not finished:
        return ""
    best = [(number, max(score for _, score in finished[: place + 1])) for place, (number, _) in enumerate(finished)]
    lines = [Line(name="best so far", points=best, style="first"),
             Line(name="finished", points=finished, style="second", is_joined=False)]  # fmt: skip
    if stopped:
        lines.append(Line(name="stopped early, as it stood", points=stopped, style="sixth", is_joined=False))
    scores = [score for _, score in finished + stopped]
    x = make_axis("trial", [1.0, float(max(trial.number for trial in trials))])
    y = make_axis("balanced accuracy", [min(scores), *[max(scores)] * 50])  # the best is no spike to be cut off
    return f'<div class="curves">{draw_lines(lines, title="Trials", x=x, y=y)}</div>'


def _draw_options(trials: Sequence[Trial], space: Space) -> str:
    finished = [trial for trial in trials if trial.state == FINISHED]
    if len(finished) < 2:
        return ""
    charts, tables = [], []
    for name, searched in space.items():
        if isinstance(searched, Range):
            points = [(float(trial.values[name]), trial.score) for trial in finished if name in trial.values]
            axis = make_log_axis if searched.is_log else lambda label, low, high: make_axis(label, [low, *[high] * 50])
            x = axis(spell(name), searched.low, searched.high)
            y = make_axis("balanced accuracy", [min(score for _, score in points), *[max(s for _, s in points)] * 50])
            dots = Line(name="trials", points=points, style="first", is_joined=False)
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
            f"{trial.score:.3f}" if trial.state == FINISHED else escape(trial.reason) or trial.state,
            *(show_value(trial.values.get(name)) for name in space),
        ]
        for trial in ordered
    ]
    head = ["trial", "balanced accuracy", *map(spell, space)]
    rest = fold_rest(len(rows) - SHOWN_TRIALS, draw_table("Trials, continued", head, rows[SHOWN_TRIALS:]))
    return draw_table("Trials, the best first", head, rows[:SHOWN_TRIALS]) + rest


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
