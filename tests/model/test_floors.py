from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from model.data.split import Split
from model.evaluation import floors
from model.evaluation.floors import measure_majority, measure_neighbours, shrink


def _split(train: range, test: range) -> Split:
    return Split(train=tuple(train), validation=(), test=tuple(test))


def test_majority_is_that_of_the_training_part() -> None:
    targets = np.array([1, 1, 0, 0, 0, 1])

    floor = measure_majority(targets, ("cat", "dog"), [_split(range(3), range(3, 6))])

    assert floor is not None
    assert (floor.label, floor.accuracy) == ("dog", pytest.approx(1 / 3))


def test_floors_of_folds_test_every_image_once() -> None:
    targets = np.array([0, 0, 1, 1, 1, 0])
    pixels = np.repeat(targets * 200, 32 * 32 * 3).reshape(6, 32, 32, 3).astype(np.uint8)
    folds = [_split(range(3), range(3, 6)), _split(range(3, 6), range(3))]

    majority = measure_majority(targets, ("cat", "dog"), folds)
    seen: list[tuple[int, int]] = []
    neighbours = measure_neighbours(pixels, targets, folds, progress=lambda *step: seen.append(step))

    assert majority is not None
    assert majority.accuracy == pytest.approx(2 / 6)
    assert neighbours is not None
    assert (neighbours.neighbours, neighbours.images) == (3, 3)
    assert seen == [(3, 6), (6, 6)]


@pytest.mark.parametrize("side", [32, 50, 96])
def test_neighbours_vote_as_in_scikit_learn(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(side)
    targets = generator.integers(0, 3, 120)
    pixels = generator.integers(0, 200, (120, side, side, 3)) + 12 * targets[:, None, None, None]
    pixels = pixels.astype(np.uint8)
    monkeypatch.setattr(floors, "_QUERIES", 7)  # several parts, the last one short, without thousands of images
    monkeypatch.setattr(floors, "_BLOCK", 26)

    floor = measure_neighbours(pixels, targets, [_split(range(80), range(80, 120))])

    thumbnails = shrink(pixels).astype(np.float64)
    reference = KNeighborsClassifier(5, algorithm="brute").fit(thumbnails[:80], targets[:80])
    assert floor is not None
    assert floor.accuracy == pytest.approx(reference.score(thumbnails[80:], targets[80:]))
    assert floor.accuracy > 0.4


def test_thumbnails_are_means_of_squares() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3)).astype(np.uint8)

    thumbnails = shrink(pixels).reshape(2, 32, 32, 3)

    assert np.abs(thumbnails - pixels.reshape(2, 32, 3, 32, 3, 3).mean(axis=(2, 4))).max() <= 1.0


def test_many_training_images_are_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.zeros((40, 32, 32, 3), dtype=np.uint8)
    monkeypatch.setattr(floors, "MOST_PAIRS", 40)  # thousands of pictures are too many for a test

    floor = measure_neighbours(pixels, np.zeros(40, dtype=np.int64), [_split(range(36), range(36, 40))])

    assert floor is not None
    assert (floor.images, floor.accuracy) == (9, 1.0)


def test_an_empty_test_part_has_no_floor() -> None:
    nothing = _split(range(3), range(0))

    assert measure_majority(np.array([0, 1, 1]), ("a", "b"), [nothing]) is None
    assert measure_neighbours(np.zeros((3, 32, 32, 3), dtype=np.uint8), np.array([0, 1, 1]), [nothing]) is None
