"""report.html: one file that opens anywhere and says in plain words how good the model is and where it errs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from model.report.breakdown import draw_classes, draw_groups
from model.report.confusion import draw_confusion
from model.report.diagrams import draw_calibration, draw_floors, draw_learning, draw_rankings
from model.report.facts import draw_facts
from model.report.findings import draw_findings
from model.report.gallery import draw_gallery
from model.report.markup import (
    FIGURES,
    draw_section,
    draw_table,
    fill_page,
    fold,
    show_figure,
    show_interval,
    show_share,
)
from model.report.verdict import judge

if TYPE_CHECKING:
    from model.report.pictures import Case


def build_report(metrics: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]], cases: Sequence[Case]) -> str:
    """Return the page; `metrics` is the content of metrics.json, `epochs` that of metrics.jsonl."""
    title = f"Training report: {metrics['arch']} on {', '.join(metrics['test']['labels'][:3])}"
    content = (
        _draw_answer(metrics),
        _draw_learning(metrics, epochs),
        _draw_classes(metrics),
        _draw_trust(metrics["test"]),
        _draw_cases(metrics, cases),
        _draw_making(metrics),
    )
    return fill_page(title=title, content="".join(content))


def _draw_answer(metrics: Mapping[str, Any]) -> str:
    verdict = judge(metrics)
    alarms = "".join(f'<p class="alarm">{alarm}</p>' for alarm in verdict.alarms)
    doubts = "".join(f"<li>{doubt}</li>" for doubt in verdict.doubts)
    return (
        f'<h1>Training report</h1>{alarms}<p class="summary">{verdict.answer}</p>{draw_floors(metrics)}'
        f"<p>{verdict.judgement}</p>{f'<ul>{doubts}</ul>' if doubts else ''}"
        f'<div class="cards">{_draw_cards(metrics["test"])}</div>'
        f"{fold('The same for the validation images', _draw_parts(metrics))}"
    )


def _draw_cards(test: Mapping[str, Any]) -> str:
    cards = (
        ("Accuracy", show_share(test["accuracy"]), "accuracy_interval", "of all test images are labelled right"),
        (
            "Balanced accuracy",
            show_share(test["balanced_accuracy"]),
            "balanced_accuracy_interval",
            "the average over the classes, each counting the same",
        ),
        (
            "Macro F1",
            show_figure(test["macro_f1"]),
            "",
            "finding and being right, averaged over the classes; 1 is perfect",
        ),
        (
            "AUC",
            show_figure(test["auc"]),
            "",
            "how well the probabilities rank the images; 0.5 is chance, 1 is perfect",
        ),
    )
    return "".join(
        f"<div><b>{value}</b> <small>{show_interval(test.get(interval))}</small><h3>{name}</h3><p>{text}</p></div>"
        for name, value, interval, text in cards
    )


def _draw_parts(metrics: Mapping[str, Any]) -> str:
    parts = (metrics["validation"], metrics["test"])
    rows = [[name, *(show_figure(part[key], digits=3) for part in parts)] for key, name in FIGURES.items()]
    rows.append(["images", *(f"{part['count']:,}" for part in parts)])
    return draw_table("Validation and test images", ["", "validation", "test"], rows)


def _draw_learning(metrics: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]]) -> str:
    folds = " Thin lines are the folds, thick ones their means." if metrics["recipe"]["folds"] else ""
    return draw_section(
        "Learning curves",
        f"The model of epoch {metrics['best_epoch']} of {metrics['epochs']} was kept (dashed line). Lines of training "
        f"and validation that part are a sign of learning by heart.{folds}",
        draw_learning(epochs, metrics["best_epoch"]),
    )


def _draw_classes(metrics: Mapping[str, Any]) -> str:
    test = metrics["test"]
    confusion = draw_section(
        "What is taken for what",
        "Each row is a true class, each column what the model answered; a good model is strong where the frames are.",
        draw_confusion(test, "Test images"),
        fold("The same for the validation images", draw_confusion(metrics["validation"], "Validation images")),
    )
    classes = draw_section(
        "Class by class", "Found is the share of a class's images that the model names so.", draw_classes(test)
    )
    groups = draw_section(
        "Group by group", "Where the model fails as a whole, something of that group is new to it.", draw_groups(test)
    )
    return confusion + classes + groups


def _draw_trust(test: Mapping[str, Any]) -> str:
    rankings = draw_section(
        "How well the probabilities rank",
        "Each class against the rest: what a threshold would find, and what it would cost. The dashed line is chance.",
        draw_rankings(test),
    )
    calibration = draw_section(
        "How far its certainty can be trusted",
        "Of the answers given with 80% certainty 80% should be right: on the dashed line.",
        draw_calibration(test),
    )
    return rankings + calibration


def _draw_cases(metrics: Mapping[str, Any], cases: Sequence[Case]) -> str:
    mistakes = [case for case in cases if case.kind == "mistake"]
    unsure = [case for case in cases if case.kind == "unsure"]
    key = (
        'Beside each picture is what the model looked at: <span class="key">little <i></i> much</span>, by Grad-CAM.'
        if any(case.heat for case in cases)
        else ""
    )
    return draw_section(
        "The most certain mistakes",
        f"Where the model was surest and wrong. Some may be labelled wrong themselves. {key}",
        draw_gallery(mistakes) or f"<p>{_tell_no_mistakes(metrics)}</p>",
    ) + draw_section(
        "The least certain answers", f"Where two classes were almost equally likely. {key}", draw_gallery(unsure)
    )


def _tell_no_mistakes(metrics: Mapping[str, Any]) -> str:
    if metrics["test"]["accuracy"] == metrics["validation"]["accuracy"] == 1.0:
        return "There are none: every validation and test image was answered rightly."
    return "None can be shown: the pictures were not there any more."


def _draw_making(metrics: Mapping[str, Any]) -> str:
    return draw_section(
        "What is wrong with the data",
        "And what else the training noticed; <code>python -m model.data check</code> looks closer.",
        draw_findings(metrics),
    ) + draw_section(
        "How it was made", f"Intervals: {escape(metrics['test']['interval_method'])}.", draw_facts(metrics)
    )
