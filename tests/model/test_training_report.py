from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from report_runs import EVIL, MANY, pretend_epochs, pretend_metrics, pretend_part

from model.report.confusion import draw_confusion
from model.report.page import build_report
from model.report.pictures import PICTURE_BYTES, Case

VOID = {"meta", "img", "wbr"}

JPEG = b"\xff\xd8\xff a picture"


class _Page(HTMLParser):
    """Checks that tags are balanced, and gathers what a page says and what it refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.alternatives: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [
            value or "" for name, value in attributes if name in {"src", "href", "srcset", "xlink:href"}
        ]
        if tag == "img" or ("role", "img") in attributes:
            self.alternatives += [value or "" for name, value in attributes if name in {"alt", "aria-label"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    @property
    def text(self) -> str:
        return " ".join(self.words.split())


def _case(**changes: Any) -> Case:
    values: dict[str, Any] = {
        "name": EVIL,
        "label": "plain",
        "predicted": EVIL,
        "probability": 0.93,
        "picture": JPEG,
        "heat": JPEG,
        "kind": "mistake",
    }
    return Case(**values | changes)


def _build(metrics: dict[str, Any], cases: list[Case] | None = None, **epochs: int) -> _Page:
    return _Page(build_report(metrics, pretend_epochs(**epochs), cases or []))


def _part(matrix: list[list[int]], labels: tuple[str, ...] = ("a", "b"), **changes: Any) -> dict[str, Any]:
    """Return a part with the given confusion matrix and what follows from it."""
    total = sum(map(sum, matrix))
    right = sum(row[place] for place, row in enumerate(matrix))
    values = {"labels": list(labels), "confusion_matrix": matrix, "count": total, "accuracy": right / total}
    return pretend_part(labels) | values | changes


def test_report_is_one_file_without_scripts() -> None:
    page = _build(pretend_metrics(), [_case()])

    assert page.open == []
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert page.references
    assert all(reference.startswith("data:image/jpeg;base64,") for reference in page.references)
    assert "url(" not in page.words
    assert "@import" not in page.words


def test_report_shows_names_as_they_are() -> None:
    page = _build(pretend_metrics(), [_case()])

    assert page.words.count(EVIL) >= 8  # floors, tables, legends, case, facts, skipped


def test_report_says_what_every_picture_shows() -> None:
    page = _build(pretend_metrics(), [_case()])

    assert len(page.alternatives) == 6 + 2  # the charts; the picture and its heat
    assert all(page.alternatives)
    assert page.tags.count("caption") == page.tags.count("table") > 0


@pytest.mark.parametrize("classes", [("a", "b"), tuple("abcdef"), MANY, ("x" * 200, "ÄÖ 🐟", "a,b/c")], ids=len)
def test_report_stands_for_any_classes(classes: tuple[str, ...]) -> None:
    page = _build(pretend_metrics(classes, part=pretend_part(classes, count=120, group_size=4)), [_case()])

    assert page.open == []
    assert "Group by group" in page.words


@pytest.mark.parametrize("number", [6, 50, 300])
def test_report_stays_small_with_all_its_pictures(number: int) -> None:
    classes = tuple(f"species_{place:03d}" for place in range(number))
    part = pretend_part(classes, count=600)
    cases = [_case(picture=bytes(PICTURE_BYTES), heat=bytes(PICTURE_BYTES)) for _ in range(20)]

    text = build_report(pretend_metrics(classes, part=part), pretend_epochs(500, folds=5), cases)

    assert len(text.encode()) < 2_000_000


def test_report_stands_without_what_cannot_be_known() -> None:
    part = pretend_part(("a", "b")) | {
        "auc": None,
        "roc": {"a": [], "b": []},
        "precision_recall": {"a": [], "b": []},
        "calibration": {"temperature": 1.0, "before": None, "after": None},
    }

    page = _build(pretend_metrics(("a", "b"), part=part, cost=None))

    assert page.open == []
    assert "How well the probabilities rank" not in page.words
    assert "no price an hour" in page.words


def test_report_draws_the_folds_and_their_mean() -> None:
    metrics = pretend_metrics()
    metrics["recipe"]["folds"] = 3

    page = build_report(metrics, pretend_epochs(4, folds=3), [])

    assert page.count('<polyline class="first faint"') == 3 * 3  # three charts
    assert "each judged by the one of 3 networks that had not seen it" in page


def test_report_does_not_call_a_perfect_model_useless() -> None:
    part = _part([[5, 0], [0, 5]], accuracy_interval=[0.72, 1.0])
    floors = {
        "majority": {"label": "a", "accuracy": 0.5},
        "nearest_neighbour": {"neighbours": 5, "accuracy": 1.0},
    }

    text = _build(pretend_metrics(("a", "b"), part=part, floors=floors)).text

    assert "copying the 5 most similar training images is as good: they tell nothing about the model" in text
    assert "of no use" not in text


def test_report_begins_with_the_answer() -> None:
    part = _part([[45, 5], [4, 46]], accuracy_interval=[0.84, 0.95])

    text = _build(pretend_metrics(("a", "b"), part=part)).text

    assert text.index(
        "the model is right 91 times: 91 of 100. On other images of the same kind expect between 84 and 95"
    )
    assert "always answering “a” is right in 50% and copying the 5 most similar training images is right in 60%" in text
    assert "The model is better than both, by more than chance." in text


@pytest.mark.parametrize(
    ("accuracy", "interval", "expected"),
    [
        (0.50, [0.4, 0.58], "not better than copying the 5 most similar training images. It is of no use as it is."),
        (
            0.60,
            [0.55, 0.65],
            "On these images the model is not better than copying the 5 most similar training images.",
        ),
        (0.65, [0.58, 0.72], "cannot be told from so few test images"),
        (0.75, [0.68, 0.82], "better than both, by more than chance"),
    ],
)
def test_report_weighs_the_model_against_the_best_floor(accuracy: float, interval: list[float], expected: str) -> None:
    part = pretend_part(("a", "b")) | {"accuracy": accuracy, "accuracy_interval": interval}

    text = _build(pretend_metrics(("a", "b"), part=part)).text

    assert expected in text
    assert ("of no use" in text) is (interval[1] <= 0.6)  # the better of the two floors


@pytest.mark.parametrize(
    ("matrix", "interval", "expected"),
    [
        ([[3, 0], [1, 20]], [0.8, 0.9], "Of “a” there are fewer than 5 test images"),
        ([[0, 0], [1, 20]], [0.8, 0.9], "Nothing is known about “a”: no test image shows it."),
        ([[0, 9], [1, 20]], [0.8, 0.9], "The model never recognises “a”."),
        (
            [[9, 1], [1, 9]],
            [0.6, 0.95],
            "20 test images are too few for a sharp answer: the true figure may be anywhere",
        ),
    ],
)
def test_report_says_what_cannot_be_relied_on(matrix: list[list[int]], interval: list[float], expected: str) -> None:
    part = _part(matrix, accuracy_interval=interval)

    assert expected in _build(pretend_metrics(("a", "b"), part=part)).text


@pytest.mark.parametrize(("possible", "told"), [(5, "--folds 5"), (3, "--folds 3"), (0, "")])
def test_report_suggests_as_many_folds_as_can_be_made(possible: int, told: str) -> None:
    metrics = pretend_metrics(("a", "b"), part=_part([[9, 1], [1, 9]], accuracy_interval=[0.6, 0.95]))
    metrics["images"]["suggested_folds"] = possible

    found = re.findall(r"--folds \d", _build(metrics).text)

    assert found == ([told] if told else [])


def test_report_warns_of_a_leak_before_it_gives_the_answer() -> None:
    metrics = pretend_metrics(notes=["Pass --group-from '(.*)'."])
    metrics["leaks"] |= {"groups": 80, "leaked_groups": 12, "leaked_images": 31}

    page = _build(metrics)

    alarm = page.text.index("These figures are too good. 12 of 80 groups")
    assert alarm < page.text.index("the model is right")
    assert "Pass --group-from '(.*)'." in page.text


def test_report_gives_a_class_one_style_in_all_its_curves() -> None:
    part = pretend_part(("a", "b", "c"))

    page = build_report(pretend_metrics(("a", "b", "c"), part=part), pretend_epochs(), [])

    legends = [legend.split("</p>")[0] for legend in page.split('<p class="legend">')[1:]]
    curves = [legend for legend in legends if ">a (" in legend]
    assert len(curves) == 2
    assert all(re.search(r'class="third"[^a-z]*points[^a-z]*/></svg>c \(', legend) for legend in curves)


@pytest.mark.parametrize(("pairs", "is_alarm"), [(1, True), (0, False)])
def test_report_lists_near_duplicates_across_parts(pairs: int, is_alarm: bool) -> None:
    twins = [{"first": "one.png", "second": "two.png", "distance": 1, "parts": ["train", "test"]}] * pairs
    leaks = {
        "groups": 0,
        "leaked_groups": 0,
        "leaked_images": 0,
        "near_duplicates": twins,
        "near_duplicate_count": pairs,
    }

    page = _build(pretend_metrics(leaks=leaks))

    assert ("may be too good" in page.text) is is_alarm
    assert ("train and test" in page.text) is is_alarm


def test_report_leaves_out_groups_of_which_nothing_can_be_said() -> None:
    rows = [{"group": "one picture", "count": 1, "accuracy": 0.0}, {"group": "a dive", "count": 9, "accuracy": 0.5}]
    part = pretend_part(("a", "b")) | {"by_group": rows, "group_count": 70}

    text = _build(pretend_metrics(("a", "b"), part=part)).text

    assert "Of 70 groups, those of at least 3 test images" in text
    assert "a dive" in text
    assert "one picture" not in text


def test_report_says_that_it_is_the_groups_that_are_few() -> None:
    part = _part([[9, 1], [1, 9]], accuracy_interval=[0.3, 1.0], group_count=2)

    assert "20 test images from 2 groups are too few" in _build(pretend_metrics(("a", "b"), part=part)).text


@pytest.mark.parametrize(
    ("accuracy", "expected"),
    [(1.0, "every validation and test image was answered rightly"), (0.9, "None can be shown")],
)
def test_report_without_mistakes_says_why(accuracy: float, expected: str) -> None:
    part = pretend_part(("a", "b")) | {"accuracy": accuracy}

    assert expected in _build(pretend_metrics(("a", "b"), part=part)).text


def test_report_names_a_rare_class() -> None:
    images = pretend_metrics()["images"] | {"by_class": {"fish": 1000, "crab": 12}}

    assert "“fish” has 1,000 images, “crab” 12" in _build(pretend_metrics(images=images)).text


def test_report_tells_cases_apart() -> None:
    unsure = _case(label="plain", predicted="plain", probability=0.51, kind="unsure", heat=None)

    text = _build(pretend_metrics(), [_case(), unsure]).text

    assert f"is plain; taken for {EVIL}, 93% sure" in text
    assert "plain, rightly, but only 51% sure" in text
    assert "no place in the picture stands out" in text
    assert text.index("93% sure") < text.index("The least certain answers") < text.index("51% sure")


def test_confusion_of_many_classes_shows_the_worst_and_keeps_the_sum() -> None:
    matrix = [[0] * 40 for _ in MANY]
    for place in range(40):
        matrix[place][place] = 10
    matrix[7][9] = 30

    text = draw_confusion({"labels": list(MANY), "confusion_matrix": matrix}, "Test images")

    shown, folded = text.split("<details>")
    page = _Page(shown)
    assert page.tags.count("tr") < 30
    assert "30 of 40" in page.words
    assert "the other 32" in page.words
    assert _Page("<details>" + folded).tags.count("td") == 40 * 40 + 1
