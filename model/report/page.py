"""report.html: one file that opens anywhere and says in plain words how good the model is and where it errs."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from PIL import Image, ImageOps

from model.console import count, format_duration
from model.data.images import FORMATS, to_rgb
from model.data.samples import Sample
from model.report.charts import Line, draw_lines

TEMPLATE = Path(__file__).parent / "templates" / "report.html"

SHOWN_MISTAKES = 12
PICTURE_PIXELS = 280


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A validation or test image that the model is sure about, and wrong."""

    sample: Sample
    predicted: str
    probability: float


def find_mistakes(
    samples: Sequence[Sample], shares: Sequence[Sequence[float]], classes: Sequence[str]
) -> list[Mistake]:
    """Return the wrong answers, the most certain first, at most SHOWN_MISTAKES."""
    mistakes = []
    for sample, row in zip(samples, shares, strict=True):
        best = max(range(len(classes)), key=row.__getitem__)
        if classes[best] != sample.label:
            mistakes.append(Mistake(sample=sample, predicted=classes[best], probability=row[best]))
    mistakes.sort(key=lambda mistake: (-mistake.probability, mistake.sample.name))
    return mistakes[:SHOWN_MISTAKES]


def build_report(metrics: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]], mistakes: Sequence[Mistake]) -> str:
    """Return the page; `metrics` is the content of metrics.json, `epochs` that of metrics.jsonl."""
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        summary=_summarize(metrics),
        cards=_draw_cards(metrics["test"]),
        comparison=_compare(metrics),
        curves=_draw_curves(epochs, metrics["best_epoch"]),
        best=f"Epoch {metrics['best_epoch']} of {metrics['epochs']} was the best on the validation images; "
        "the model of that epoch was kept.",
        confusion=_draw_confusion(metrics["test"]),
        validation_confusion=_draw_confusion(metrics["validation"]),
        mistakes=_draw_mistakes(mistakes),
        facts=_draw_facts(metrics),
        skipped=_draw_skipped(metrics["skipped"]),
    )


def _summarize(metrics: Mapping[str, Any]) -> str:
    test = metrics["test"]
    by_class = [sum(row) for row in test["confusion_matrix"]]
    common = max(range(len(by_class)), key=by_class.__getitem__)
    right = sum(row[k] for k, row in enumerate(test["confusion_matrix"]))
    return (
        f"On {count(test['count'], 'test image')} that played no part in the training, the model is right "
        f"{right:,} times: <strong>{test['accuracy']:.0%}</strong>. Always answering "
        f"“{escape(test['labels'][common])}”, the most common class, would be right in "
        f"{by_class[common] / test['count']:.0%}."
    )


def _draw_cards(test: Mapping[str, Any]) -> str:
    auc = "–" if test["auc"] is None else f"{test['auc']:.2f}"
    cards = (
        ("Accuracy", f"{test['accuracy']:.0%}", "of all test images are labelled right"),
        (
            "Balanced accuracy",
            f"{test['balanced_accuracy']:.0%}",
            "the average over the classes, each counting the same",
        ),
        (
            "Macro F1",
            f"{test['macro_f1']:.2f}",
            "misses and false alarms together, averaged over the classes; 1 is perfect",
        ),
        ("AUC", auc, "how well the probabilities rank the images; 0.5 is chance, 1 is perfect"),
    )
    return "".join(f"<div><b>{value}</b><h3>{name}</h3><p>{text}</p></div>" for name, value, text in cards)


def _compare(metrics: Mapping[str, Any]) -> str:
    names = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1", "auc": "AUC"}
    parts = (metrics["validation"], metrics["test"])
    rows = []
    for key, name in names.items():
        cells = "".join(f"<td>{'–' if part[key] is None else f'{part[key]:.3f}'}</td>" for part in parts)
        rows.append(f"<tr><th scope=row>{name}</th>{cells}</tr>")
    counts = "".join(f"<td>{part['count']:,}</td>" for part in parts)
    rows.append(f"<tr><th scope=row>images</th>{counts}</tr>")
    head = "<thead><tr><th></th><th scope=col>validation</th><th scope=col>test</th></tr></thead>"
    return f"<table class=numbers>{head}<tbody>{''.join(rows)}</tbody></table>"


def _draw_curves(epochs: Sequence[Mapping[str, Any]], best_epoch: int) -> str:
    def line(name: str, key: str, style: str) -> Line:
        return Line(name=name, values=[epoch[key] for epoch in epochs], style=style)

    loss = [line("training", "train_loss", "first"), line("validation", "validation_loss", "second")]
    accuracy = [
        line("accuracy", "validation_accuracy", "first"),
        line("balanced accuracy", "validation_balanced_accuracy", "second"),
    ]
    return draw_lines(loss, title="Loss: lower is better", mark=best_epoch) + draw_lines(
        accuracy, title="Validation: higher is better", mark=best_epoch, bounds=(0.0, 1.0)
    )


def _draw_confusion(part: Mapping[str, Any]) -> str:
    heads = "".join(f"<th scope=col>{_break(label)}</th>" for label in part["labels"])
    rows = []
    for true, (label, row) in enumerate(zip(part["labels"], part["confusion_matrix"], strict=True)):
        total = sum(row)
        cells = []
        for predicted, number in enumerate(row):
            share = number / total if total else 0.0
            kind = "right" if predicted == true else "wrong"
            cells.append(
                f'<td class={kind} style="--share:{share:.2f}"><b>{number:,}</b><small>{share:.0%}</small></td>'
            )
        rows.append(f"<tr><th scope=row>{_break(label)}</th>{''.join(cells)}</tr>")
    head = f"<thead><tr><th class=corner>true ↓ · predicted →</th>{heads}</tr></thead>"
    return f"<div class=scroll><table class=confusion>{head}<tbody>{''.join(rows)}</tbody></table></div>"


def _break(label: str) -> str:
    """Return a label that may be broken where a person would: after underscores and hyphens."""
    return escape(label).replace("_", "_<wbr>").replace("-", "-<wbr>")


def _draw_mistakes(mistakes: Sequence[Mistake]) -> str:
    if not mistakes:
        return "<p>There are none: every validation and test image was labelled right.</p>"
    figures = []
    for mistake in mistakes:
        name = escape(mistake.sample.name)
        figures.append(
            f'<figure><img alt="{name}" loading="lazy" src="{_embed(mistake.sample.path)}"><figcaption>'
            f"<p><b>{escape(mistake.predicted)}</b> <span class=sure>{mistake.probability:.0%} sure</span></p>"
            f"<p>is <b>{escape(mistake.sample.label)}</b></p><p class=name>{name}</p></figcaption></figure>"
        )
    return f"<div class=gallery>{''.join(figures)}</div>"


def _embed(path: Path) -> str:
    """Return a picture as a data URI, small enough to carry twelve of them."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            image.draft("RGB", (2 * PICTURE_PIXELS, 2 * PICTURE_PIXELS))
            picture = to_rgb(ImageOps.exif_transpose(image))
    except OSError:  # removed since it was decoded; the report is worth more than the picture
        picture = Image.new("RGB", (4, 3), "grey")
    picture.thumbnail((PICTURE_PIXELS, PICTURE_PIXELS))
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode("ascii")


def _draw_facts(metrics: Mapping[str, Any]) -> str:
    images = metrics["images"]
    by_class = ", ".join(f"{escape(label)} {number:,}" for label, number in images["by_class"].items())
    facts = {
        "Images": f"{images['used']:,}: {images['train']:,} to train, {images['validation']:,} to validate, "
        f"{images['test']:,} to test",
        "Classes": by_class,
        "Labels": f"from {escape(metrics['source'])}",
        "Network": f"{escape(metrics['arch'])} at {metrics['image_size']} × {metrics['image_size']} pixels",
        "Training": f"{count(metrics['epochs'], 'epoch')}, batch size {metrics['batch_size']}, "
        f"learning rate {metrics['learning_rate']:g}, seed {metrics['seed']}",
        "Machine": f"{escape(metrics['device'])}, {metrics['precision']}, torch {escape(metrics['torch'])}",
        "Time": f"{format_duration(metrics['seconds'])} in all, {metrics['images_per_second']:,.0f} images per second "
        "while training",
    }
    return "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in facts.items())


def _draw_skipped(skipped: Sequence[Mapping[str, str]]) -> str:
    if not skipped:
        return ""
    shown = "".join(f"<li>{escape(file['filename'])} {escape(file['reason'])}</li>" for file in skipped[:20])
    more = f"<li>and {len(skipped) - 20:,} more</li>" if len(skipped) > 20 else ""
    return f"<h2>Skipped images</h2><ul>{shown}{more}</ul>"
