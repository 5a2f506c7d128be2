"""The answer first, in plain words: how good, against what, and whether to believe it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model.console import count
from model.report.markup import show_interval, show_label, show_share

# An interval as wide as this leaves open whether the model is useful: more test images answer it, not more training.
WIDE_INTERVAL = 0.2

# Fewer twins than one in a hundred test images move the accuracy by less than its interval is wide.
MANY_TWINS = 0.01

# With fewer test images of a class, its recall is an anecdote.
FEW_IMAGES = 5


@dataclass(frozen=True, kw_only=True)
class Floor:
    """What an answer without any network reaches on the same test images."""

    name: str
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Markup: `answer` is the figure in a sentence, `alarms` are reasons to disbelieve it, `doubts` smaller ones."""

    answer: str
    judgement: str
    alarms: tuple[str, ...]
    doubts: tuple[str, ...]


def judge(metrics: Mapping[str, Any]) -> Verdict:
    """Return what a reader must know before any other figure."""
    return Verdict(
        answer=_answer(metrics),
        judgement=_weigh(metrics),
        alarms=tuple(_find_alarms(metrics)),
        doubts=tuple(_find_doubts(metrics)),
    )


def list_floors(metrics: Mapping[str, Any]) -> list[Floor]:
    """Return the majority class and the nearest neighbours."""
    majority, neighbours = metrics["floors"]["majority"], metrics["floors"]["nearest_neighbour"]
    return [
        Floor(name=f"always answering “{show_label(majority['label'])}”", accuracy=majority["accuracy"]),
        Floor(
            name=f"copying the {neighbours['neighbours']} most similar training images",
            accuracy=neighbours["accuracy"],
        ),
    ]


def _answer(metrics: Mapping[str, Any]) -> str:
    test = metrics["test"]
    right = sum(row[place] for place, row in enumerate(test["confusion_matrix"]))
    folds = metrics["recipe"]["folds"]
    seen = (
        f"On {count(test['count'], 'image')}, each judged by the one of {folds} networks that had not seen it"
        if folds
        else f"On {count(test['count'], 'test image')} that played no part in the training"
    )
    low, high = test["accuracy_interval"]
    return (
        f"{seen}, the model is right {right:,} times: <strong>{100 * test['accuracy']:.0f} of 100</strong>. On other "
        f"images of the same kind expect between {100 * low:.0f} and {100 * high:.0f} of 100 (95% interval)."
    )


def _weigh(metrics: Mapping[str, Any]) -> str:
    """Compare the interval of the accuracy with the best floor; the floor's own chance is left out: same images."""
    test = metrics["test"]
    floors = list_floors(metrics)
    best = max(floors, key=lambda floor: floor.accuracy)
    told = " and ".join(f"{floor.name} is right in {show_share(floor.accuracy)}" for floor in floors)
    return f"For comparison, without any network: {told}. {_judge_floor(test, best)}"


def _judge_floor(test: Mapping[str, Any], best: Floor) -> str:
    low, high = test["accuracy_interval"]
    if test["accuracy"] == best.accuracy == 1:
        return f"<strong>On these images {best.name} is as good:</strong> they tell nothing about the model."
    if test["accuracy"] <= best.accuracy:
        useless = " It is of no use as it is." if high <= best.accuracy else ""
        return f"<strong>On these images the model is not better than {best.name}.</strong>{useless}"
    if low <= best.accuracy:
        return f"Whether the model is better than {best.name} <strong>cannot be told from so few test images</strong>."
    return "The model is better than both, by more than chance."


def _find_alarms(metrics: Mapping[str, Any]) -> list[str]:
    leaks = metrics["leaks"]
    leaked, twins = leaks["leaked_groups"], leaks["near_duplicate_count"]
    alarms = []
    if leaked:
        groups, images = count(leaks["groups"], "group"), count(leaks["leaked_images"], "image")
        alarms.append(
            f"<b>These figures are too good.</b> {leaked:,} of {groups} (a dive, a patient) "
            f"{'is' if leaked == 1 else 'are'} in more than one part, {images} in all: the model may know the group "
            "and not the class. How to mend it stands under the data below."
        )
    if twins > MANY_TWINS * metrics["test"]["count"]:
        alarms.append(f"<b>These figures may be too good.</b> {_tell_twins(twins)}")
    return alarms


def _find_doubts(metrics: Mapping[str, Any]) -> list[str]:
    test = metrics["test"]
    doubts = []
    low, high = test["accuracy_interval"]
    if high - low > WIDE_INTERVAL:
        folds = 0 if metrics["recipe"]["folds"] else metrics["images"]["suggested_folds"]
        way_out = f" Cross-validation (<code>--folds {folds}</code>) tests every image." if folds else ""
        doubts.append(
            f"{count(test['count'], 'test image')}{_tell_groups(test)} are too few for a sharp answer: the true figure "
            f"may be anywhere in {show_interval((low, high))}.{way_out}"
        )
    sizes = {label: sum(row) for label, row in zip(test["labels"], test["confusion_matrix"], strict=True)}
    absent = [label for label, size in sizes.items() if not size]
    few = [label for label, size in sizes.items() if 0 < size < FEW_IMAGES]
    blind = [
        label
        for place, label in enumerate(test["labels"])
        if sizes[label] >= FEW_IMAGES and not test["confusion_matrix"][place][place]
    ]
    if absent:
        doubts.append(f"Nothing is known about {_list(absent)}: no test image shows it.")
    if few:
        doubts.append(f"Of {_list(few)} there are fewer than {FEW_IMAGES} test images: do not build on that figure.")
    if blind:
        doubts.append(f"The model never recognises {_list(blind)}.")
    twins = metrics["leaks"]["near_duplicate_count"]
    if 0 < twins <= MANY_TWINS * test["count"]:
        doubts.append(_tell_twins(twins))
    return doubts


def _tell_groups(test: Mapping[str, Any]) -> str:
    """Return how many groups the images are from, where it is they that are few."""
    groups = test["group_count"]
    return f" from {count(groups, 'group')}" if 0 < groups < test["count"] / 2 else ""


def _tell_twins(twins: int) -> str:
    return (
        f"{count(twins, 'pair')} of nearly the same picture lie{'s' if twins == 1 else ''} in two different parts, so "
        "that an answer may be remembered rather than found. They are listed under the data below."
    )


def _list(labels: list[str]) -> str:
    shown = ", ".join(f"“{show_label(label)}”" for label in labels[:3])
    return shown if len(labels) <= 3 else f"{shown} and {len(labels) - 3:,} more"
