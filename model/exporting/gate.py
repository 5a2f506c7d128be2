"""The gate before int8: what it costs, on pictures that it was not calibrated on, and no more than half a point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from model.console import count, say
from model.errors import ModelError
from model.exporting.pictures import Pictures
from model.exporting.quantization import RECIPES, Recipe
from model.inference.classifies import Classifies
from model.inference.onnx import OnnxClassifier
from model.progress import Progress

MOST_LOST_POINTS = 0.5

# Of fewer pictures, one answer is more than may be lost.
FEW_PICTURES = 200


@dataclass(frozen=True, kw_only=True)
class Examination:
    """Accuracies on the same pictures, in shares; `lost_points` is their difference in points."""

    pictures: int
    accuracy: float
    accuracy_int8: float
    lost_points: float
    most_lost_points: float
    same_answers: int
    largest_difference: float

    @property
    def is_passed(self) -> bool:
        """Whether int8 loses no more than it may."""
        return self.lost_points <= self.most_lost_points

    def describe(self) -> str:
        """Return the figures as a sentence goes on."""
        return (
            f"accuracy {self.accuracy_int8:.4f} instead of {self.accuracy:.4f} on {count(self.pictures, 'picture')},"
            f" {self.lost_points:.2f} points lost (at most {self.most_lost_points:g}),"
            f" {self.same_answers / self.pictures:.1%} the same answers"
        )


def pass_gate(
    pictures: Pictures, original: Classifies, quantize: Callable[[Recipe], tuple[bytes, OnnxClassifier]]
) -> tuple[bytes, dict[str, Any]]:
    """Return the first int8 export that passes, and what to tell of it; raises ModelError when none does."""
    failed = []
    for recipe in RECIPES:
        say(f"int8: calibrating on {count(len(pictures.calibrating), 'training picture')} ({recipe.words})")
        content, classifier = quantize(recipe)
        examination = examine(pictures, original, classifier)
        say(f"int8: {examination.describe()}")
        if examination.is_passed:
            told = {"recipe": recipe.words, "calibrating": len(pictures.calibrating), "note": pictures.note}
            return content, {**told, **asdict(examination)}
        failed.append(examination)
    best = min(failed, key=lambda examination: examination.lost_points)
    raise ModelError(
        f"int8 loses too much: at best {best.describe()}. Nothing was written.",
        hint=(
            "Leave --int8 out: the float32 export loses nothing."
            if best.pictures >= FEW_PICTURES
            else "Give more labelled pictures that the training did not learn from, or leave --int8 out."
        ),
    )


def examine(pictures: Pictures, original: Classifies, int8: Classifies) -> Examination:
    """Ask both about the pictures that neither training nor calibration has seen."""
    targets: list[int] = []
    expected, found = [], []
    with Progress(len(pictures.examining), "picture") as progress:
        for pixels, places in pictures.read(pictures.examining):
            targets += places
            expected.append(original.classify(pixels))
            found.append(int8.classify(pixels))
            progress.advance(len(places))
    was, now = np.concatenate(expected), np.concatenate(found)
    right_then = int((was.argmax(axis=1) == targets).sum())
    right_now = int((now.argmax(axis=1) == targets).sum())
    return Examination(
        pictures=len(targets),
        accuracy=right_then / len(targets),
        accuracy_int8=right_now / len(targets),
        lost_points=100.0 * (right_then - right_now) / len(targets),
        most_lost_points=MOST_LOST_POINTS,
        same_answers=int((was.argmax(axis=1) == now.argmax(axis=1)).sum()),
        largest_difference=float(np.abs(was - now).max()),
    )


def read_one_by_one(pictures: Pictures) -> Iterator[Any]:
    """Yield the pictures to calibrate on, each (side, side, RGB)."""
    for pixels, _places in pictures.read(pictures.calibrating):
        yield from pixels
