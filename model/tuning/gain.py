"""How much better the best trial is than the first one, and how much of that is the luck of the best of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.evaluation.intervals import Interval
from model.evaluation.metrics import Integers
from model.report.pairing import estimate_gain

# Enough for two digits of a mean.
DRAWS = 2000


@dataclass(frozen=True, kw_only=True)
class Gain:
    """Differences of balanced accuracy, best trial minus first.

    `difference` and its 95 % `interval` are on the images that the best was chosen by; `honest` is what is left when it
    is chosen by some of them and measured on others. None where it cannot be known.
    """

    difference: float
    interval: Interval | None
    honest: float | None


def measure_gain(answers: Sequence[Sequence[int]], best: int, base: int, targets: Integers, clusters: Integers) -> Gain:
    """Compare two of the trials; `answers` has a row for each, `clusters` numbers images that are alike."""
    is_right = np.array(answers) == targets
    # Every class counts the same, so the images of a rare one count more.
    weights = len(targets) / (np.bincount(targets) * len(np.unique(targets)))[targets]
    gains = (is_right[best].astype(np.float64) - is_right[base]) * weights
    return Gain(
        difference=float(gains.mean()),
        interval=estimate_gain(gains, clusters),
        honest=_choose_and_measure_apart(is_right, base, targets, clusters),
    )


def _choose_and_measure_apart(
    is_right: NDArray[np.bool_], base: int, targets: Integers, clusters: Integers
) -> float | None:
    """Return the mean gain of the trial that is best on a bootstrap sample, on the images outside of that sample.

    Tsamardinos, Greasidou and Borboudakis, 2018: "Bootstrapping the out-of-sample predictions for efficient and
    accurate cross-validation". Whole clusters are drawn.
    """
    generator = np.random.default_rng(0)
    number = int(clusters.max()) + 1
    classes = np.eye(int(targets.max()) + 1)[targets]
    gains = []
    for _ in range(DRAWS):
        drawn = np.bincount(generator.integers(0, number, number), minlength=number)[clusters]
        inside, outside = drawn @ classes, (drawn == 0) @ classes
        if not (inside[np.unique(targets)].all() and outside[np.unique(targets)].all()):
            continue  # without one of the classes balanced accuracy would be of something else
        chosen = int(_balance(is_right * drawn, classes, inside).argmax())
        apart = _balance(is_right[[chosen, base]] * (drawn == 0), classes, outside)
        gains.append(float(apart[0] - apart[1]))
    return float(np.mean(gains)) if len(gains) >= DRAWS // 10 else None


def _balance(
    right: NDArray[np.int64], classes: NDArray[np.float64], totals: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the balanced accuracy of each row of weighted right answers."""
    occurs = totals > 0
    recalls: NDArray[np.float64] = (right @ classes)[:, occurs] / totals[occurs]
    balanced: NDArray[np.float64] = recalls.mean(axis=1)
    return balanced
