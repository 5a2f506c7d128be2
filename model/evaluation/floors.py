"""What a classifier must beat: naming the commonest class, and copying the answer of the most similar pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.data.images import Pixels
from model.data.split import Split
from model.evaluation.metrics import Integers

NEIGHBOURS = 5
THUMBNAIL = 32
# 50,000 against 10,000 thumbnails take some 30 s on two cores; more memories would say the same more slowly.
MOST_MEMORIES = 50_000

# Images whose distances are computed at a time: 50,000 x 256 numbers are 51 MB.
_QUERIES = 256
_SHRUNK = 1024


@dataclass(frozen=True, kw_only=True)
class MajorityFloor:
    """How often the commonest class of the training part is right; `label` is that of the first fold."""

    label: str
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class NeighbourFloor:
    """How often the vote of the most similar training pictures is right; `images` is how many pictures voted."""

    neighbours: int
    accuracy: float
    images: int


def measure_majority(targets: Integers, classes: Sequence[str], splits: Sequence[Split]) -> MajorityFloor | None:
    """Return the floor over the test parts of all splits; None where they are empty."""
    answers = [np.bincount(targets[list(split.train)], minlength=len(classes)).argmax() for split in splits]
    tested = [targets[list(split.test)] for split in splits]
    total = sum(len(part) for part in tested)
    if not total:
        return None
    right = sum(int((part == answer).sum()) for part, answer in zip(tested, answers, strict=True))
    return MajorityFloor(label=classes[int(answers[0])], accuracy=right / total)


def measure_neighbours(
    pixels: Pixels,
    targets: Integers,
    splits: Sequence[Split],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> NeighbourFloor | None:
    """Return the floor over the test parts of all splits, by thumbnails' pixels; None where they are empty.

    `progress` gets the test images done and those in all.
    """
    total = sum(len(split.test) for split in splits)
    if not total:
        return None
    thumbnails = shrink(pixels)
    right = done = used = 0
    for split in splits:
        # Every so many, in the order of the files: as good as drawn, and the same each time.
        stride = -(-len(split.train) // MOST_MEMORIES)
        memories, test = np.array(split.train[::stride]), np.array(split.test, dtype=np.int64)
        used = max(used, len(memories))
        known = thumbnails[memories].astype(np.float32)
        for start in range(0, len(test), _QUERIES):
            asked = test[start : start + _QUERIES]
            answers = vote(known, targets[memories], thumbnails[asked].astype(np.float32))
            right += int((answers == targets[asked]).sum())
            done += len(asked)
            if progress:
                progress(done, total)
    return NeighbourFloor(neighbours=min(NEIGHBOURS, used), accuracy=right / total, images=used)


def vote(known: NDArray[np.float32], targets: Integers, asked: NDArray[np.float32]) -> Integers:
    """Return the commonest class among the NEIGHBOURS nearest rows of `known`; of equal ones the first class."""
    # |a - b|² without |a|², which is the same for all that a is compared with.
    distances = np.einsum("ij,ij->i", known, known) - 2.0 * (asked @ known.T)
    count = min(NEIGHBOURS, len(known))
    nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
    classes = int(targets.max()) + 1
    places = targets[nearest] + classes * np.arange(len(asked))[:, None]
    votes = np.bincount(places.ravel(), minlength=classes * len(asked)).reshape(len(asked), classes)
    winners: Integers = votes.argmax(axis=1)
    return winners


def shrink(pixels: Pixels) -> Pixels:
    """Return thumbnails (N, values) of images (N, side, side, RGB): means of the squares at THUMBNAIL x THUMBNAIL."""
    side = pixels.shape[1]
    size = min(side, THUMBNAIL)
    edges, width = np.arange(size) * side // size, side // size
    thumbnails = np.empty((len(pixels), size * size * 3), dtype=np.uint8)
    for start in range(0, len(pixels), _SHRUNK):
        chunk = pixels[start : start + _SHRUNK]
        # Whole rows at a time: four times as fast as a reduction over blocks of a few bytes.
        rows = np.zeros((len(chunk), size, side, 3), dtype=np.uint16)
        for k in range(width):
            rows += chunk[:, edges + k]
        sums = np.zeros((len(chunk), size, size, 3), dtype=np.float32)
        for k in range(width):
            sums += rows[:, :, edges + k]
        thumbnails[start : start + _SHRUNK] = (sums / width**2).round().reshape(len(chunk), -1)
    return thumbnails
