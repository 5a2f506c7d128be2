"""An export against the model that it was made from: the same pictures, and how far their answers are apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from model.console import count
from model.data.images import Pixels
from model.errors import ModelError
from model.inference.classifies import Classifies

# Probabilities of 128 pictures or so; a graph that is wrong is wrong on all of them.
COMPARED = 128

# Where a picture is resized, one of the two may round a pixel up and the other down, and a network that is sure of all
# it says may make much of that on a picture here and there; a wrong mean or a forgotten view changes some probability
# of many pictures by a tenth.
TOLERANCE = 0.005
MIN_ALIKE = 0.95
MOST = 0.1


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far two answers to the same pictures are apart, in probability; `kind` says what the pictures are."""

    kind: str
    pictures: int
    same_answers: int
    within_tolerance: int
    largest_difference: float
    mean_difference: float
    tolerance: float = TOLERANCE


def compare(kind: str, batches: Iterable[Pixels], original: Classifies, export: Classifies) -> Agreement:
    """Ask both about the same images, (N, side, side, RGB) each batch; raises ModelError where they disagree."""
    expected, found = [], []
    for pixels in batches:
        expected.append(original.classify(pixels))
        found.append(export.classify(pixels))
    was, now = np.concatenate(expected), np.concatenate(found)
    differences = np.abs(was - now)
    agreement = Agreement(
        kind=kind,
        pictures=len(was),
        within_tolerance=int((differences.max(axis=1) <= TOLERANCE).sum()),  # NaN is not
        same_answers=int((was.argmax(axis=1) == now.argmax(axis=1)).sum()),
        largest_difference=float(differences.max()),
        mean_difference=float(differences.mean()),
    )
    # Not `>`: a graph that answers NaN disagrees too.
    if agreement.within_tolerance < MIN_ALIKE * agreement.pictures or not agreement.largest_difference <= MOST:
        apart = agreement.pictures - agreement.within_tolerance
        raise ModelError(
            f"The export answers otherwise than the model: on {apart} of {count(agreement.pictures, 'picture')} a"
            f" probability differs by more than {TOLERANCE}, as it hardly ever does by rounding, by"
            f" {agreement.largest_difference:.4f} at most; {agreement.same_answers} answers are the same. Nothing was"
            " written.",
            hint="Predict with model.pt, and report this with the versions of torch, onnx and onnxruntime.",
        )
    return agreement


def draw_pictures(side: int, *, number: int = 16) -> Iterator[Pixels]:
    """Yield a batch of made-up images, where there are no real ones: patches of colour from coarse to fine."""
    generator = np.random.default_rng(0)
    images = []
    for place in range(number):
        cells = 2 + 2 * place
        patches = generator.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        places = np.arange(side) * cells // side
        images.append(patches[places][:, places])
    yield np.stack(images)
