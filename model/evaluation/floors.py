"""What a classifier must beat: naming the commonest class, and copying the answer of the most similar pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from model.data.duplicates import make_thumbnail
from model.data.images import Pixels
from model.data.split import Split
from model.evaluation.metrics import Integers

NEIGHBOURS = 5
THUMBNAIL = 32
# Pairs of thumbnails, some 10 s on two cores: 4,000 test images against 50,000 to train. Of more, every second or third
# training image says the same.
MOST_PAIRS = 200_000_000

# Thumbnails that are compared with each other at a time: a table of 34 MB.
_QUERIES = 1024
_BLOCK = 8192


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
        stride = max(1, -(-len(split.train) * len(split.test) // MOST_PAIRS))
        memories, test = np.array(split.train[::stride]), np.array(split.test, dtype=np.int64)
        used = max(used, len(memories))
        known = thumbnails[memories]
        for start in range(0, len(test), _QUERIES):
            asked = test[start : start + _QUERIES]
            answers = vote(known, targets[memories], thumbnails[asked])
            right += int((answers == targets[asked]).sum())
            done += len(asked)
            if progress:
                progress(done, total)
    return NeighbourFloor(neighbours=min(NEIGHBOURS, used), accuracy=right / total, images=used)


def vote(known: Pixels, targets: Integers, asked: Pixels) -> Integers:
    """Return the commonest class among the NEIGHBOURS rows of `known` nearest to each of `asked`; of equals the first.

    A block of `known` at a time: memory does not grow with it.
    """
    queries = asked.astype(np.float32)
    distances = np.empty((len(asked), 0), dtype=np.float32)
    classes = np.empty((len(asked), 0), dtype=np.int64)
    for start in range(0, len(known), _BLOCK):
        block = known[start : start + _BLOCK].astype(np.float32)
        # |a - b|² without |a|², which is the same for all that a is compared with.
        measured = np.einsum("ij,ij->i", block, block) - 2.0 * (queries @ block.T)
        nearest = np.argpartition(measured, min(NEIGHBOURS, len(block)) - 1, axis=1)[:, :NEIGHBOURS]
        distances = np.concatenate([distances, np.take_along_axis(measured, nearest, axis=1)], axis=1)
        classes = np.concatenate([classes, targets[start + nearest]], axis=1)
        kept = np.argsort(distances, axis=1, kind="stable")[:, :NEIGHBOURS]
        distances, classes = np.take_along_axis(distances, kept, axis=1), np.take_along_axis(classes, kept, axis=1)
    count = int(targets.max()) + 1
    places = classes + count * np.arange(len(asked))[:, None]
    votes = np.bincount(places.ravel(), minlength=count * len(asked)).reshape(len(asked), count)
    winners: Integers = votes.argmax(axis=1)
    return winners


def shrink(pixels: Pixels) -> Pixels:
    """Return thumbnails (N, values) of images (N, side, side, RGB), at most THUMBNAIL x THUMBNAIL pixels."""
    size = min(pixels.shape[1], THUMBNAIL)
    thumbnails = np.empty((len(pixels), size * size * 3), dtype=np.uint8)
    for position, image in enumerate(pixels):
        thumbnails[position] = make_thumbnail(image, size).ravel()
    return thumbnails
