from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from model.data.samples import Sample
from model.report.charts import Line, draw_lines
from model.report.page import SHOWN_MISTAKES, Mistake, build_report, find_mistakes

Draw = Callable[..., Path]

EVIL = '<script>alert("1")</script>&'
VOID = {"meta", "img", "wbr"}


def _metrics(**changes: Any) -> dict[str, Any]:
    part = {
        "accuracy": 0.75,
        "balanced_accuracy": 0.7,
        "macro_f1": 0.69,
        "auc": 0.8,
        "count": 20,
        "labels": [EVIL, "plain"],
        "confusion_matrix": [[5, 3], [2, 10]],
    }
    values: dict[str, Any] = {
        "validation": part,
        "test": part,
        "arch": "cnn",
        "image_size": 64,
        "seed": 0,
        "epochs": 2,
        "best_epoch": 2,
        "batch_size": 32,
        "learning_rate": 0.002,
        "precision": "float32",
        "device": "cpu",
        "torch": "2",
        "seconds": 90.0,
        "images_per_second": 100.0,
        "source": "targets.csv",
        "images": {"used": 100, "train": 60, "validation": 20, "test": 20, "by_class": {EVIL: 40, "plain": 60}},
        "skipped": [{"filename": EVIL, "reason": "is empty"}],
    }
    return values | changes


EPOCHS = [
    {
        "train_loss": 0.9 / epoch,
        "validation_loss": 1.0 / epoch,
        "validation_accuracy": 0.6,
        "validation_balanced_accuracy": 0.5,
    }
    for epoch in (1, 2)
]


class _Page(HTMLParser):
    """Checks that tags are balanced, and gathers what a page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [
            value or "" for name, value in attributes if name in {"src", "href", "srcset", "xlink:href"}
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def _mistake(path: Path) -> Mistake:
    return Mistake(sample=Sample(name=EVIL, path=path, label="plain"), predicted=EVIL, probability=0.93)


def test_report_is_one_file_without_scripts(tmp_path: Path, draw_image: Draw) -> None:
    page = _Page(build_report(_metrics(), EPOCHS, [_mistake(draw_image(tmp_path / "a.png"))]))

    assert page.open == []
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert page.references
    assert all(reference.startswith("data:image/jpeg;base64,") for reference in page.references)
    assert "url(" not in page.words
    assert "@import" not in page.words


def test_report_shows_names_as_they_are(tmp_path: Path, draw_image: Draw) -> None:
    page = _Page(build_report(_metrics(), EPOCHS, [_mistake(draw_image(tmp_path / "a.png"))]))

    assert page.words.count(EVIL) >= 6  # summary, tables, mistake, facts, skipped


def test_report_says_in_words_how_good_the_model_is() -> None:
    words = _Page(build_report(_metrics(), EPOCHS, [])).words

    assert "On 20 test images that played no part in the training, the model is right 15 times: 75%." in words
    assert "“plain”, the most common class, would be right in 60%" in words
    assert "Epoch 2 of 2 was the best" in words
    assert "There are none" in words


def test_report_stands_without_an_auc() -> None:
    part = _metrics()["test"] | {"auc": None}

    assert "<b>–</b><h3>AUC</h3>" in build_report(_metrics(test=part, validation=part), EPOCHS, [])


def test_report_stands_when_a_picture_has_gone(tmp_path: Path) -> None:
    assert _Page(build_report(_metrics(), EPOCHS, [_mistake(tmp_path / "gone.png")])).open == []


def test_find_mistakes_puts_the_surest_first_and_shows_a_dozen() -> None:
    samples = [Sample(name=f"{k}", path=Path(f"{k}"), label="a") for k in range(40)]
    shares = [[0.9, 0.1], *([0.4 - k / 200, 0.6 + k / 200] for k in range(39))]

    mistakes = find_mistakes(samples, shares, ("a", "b"))

    assert len(mistakes) == SHOWN_MISTAKES
    assert [mistake.sample.name for mistake in mistakes[:2]] == ["39", "38"]
    assert {mistake.predicted for mistake in mistakes} == {"b"}


@pytest.mark.parametrize(
    "values",
    [[0.5], [0.7, 0.7, 0.7], [0.0, 0.0], [3.0, 1.0, 0.5, 0.2], [1e-7, 2e-7], [5000.0, 2.0, 1.0] * 40],
    ids=["one epoch", "flat", "zero", "falling", "tiny", "spikes"],
)
def test_draw_lines_stays_inside_the_picture(values: list[float]) -> None:
    chart = draw_lines([Line(name="loss", values=values, style="first")], title="Loss", mark=1)

    points = [float(number) for pair in chart.split('points="')[1].split('"')[0].split() for number in pair.split(",")]
    assert len(points) == 2 * len(values)
    assert all(0 <= x <= 440 for x in points[::2])
    assert all(0 <= y <= 250 for y in points[1::2])
