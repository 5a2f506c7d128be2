"""ROC and precision-recall curves of one class against the rest; the definitions are scikit-learn's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.evaluation.metrics import Floats

# What a drawing can show; a curve of 100,000 images keeps its shape in so many points.
MOST_POINTS = 200

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Curves:
    """`roc` goes from (0, 0) to (1, 1) by (false positive rate, recall), `precision_recall` by (recall, precision).

    A curve is empty where the class, or the rest, does not occur. `average_precision` is the area under the steps.
    """

    roc: tuple[Point, ...]
    precision_recall: tuple[Point, ...]
    average_precision: float | None


def draw_curves(scores: Floats, is_positive: NDArray[np.bool_]) -> Curves:
    """Return the curves of scores (N,) that should be high where `is_positive`."""
    positives = int(is_positive.sum())
    negatives = len(is_positive) - positives
    if not positives:
        return Curves(roc=(), precision_recall=(), average_precision=None)
    order = np.argsort(-scores, kind="stable")
    # One point for each different score: rows that tie cannot be told apart by any threshold.
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = is_positive[order].cumsum()[last]
    shown = last + 1.0
    recall, precision = hits / positives, hits / shown
    roc = _thin(np.append(0.0, (shown - hits) / max(1, negatives)), np.append(0.0, recall)) if negatives else ()
    return Curves(
        roc=roc,
        precision_recall=_thin(np.append(0.0, recall), np.append(1.0, precision)),
        average_precision=float((np.diff(recall, prepend=0.0) * precision).sum()),
    )


def _thin(x: Floats, y: Floats) -> tuple[Point, ...]:
    """Return the corners of a line, at most MOST_POINTS, spread evenly along its length; both ends stay."""
    ahead, behind = (np.diff(x)[1:], np.diff(y)[1:]), (np.diff(x)[:-1], np.diff(y)[:-1])
    # Rates are sums of equal steps: what is straight differs from it by rounding only.
    is_corner = np.abs(ahead[0] * behind[1] - ahead[1] * behind[0]) > 1e-12
    kept = np.concatenate([[0], np.flatnonzero(is_corner) + 1, [len(x) - 1]])
    if len(kept) > MOST_POINTS:
        length = np.append(0.0, (np.abs(np.diff(x[kept])) + np.abs(np.diff(y[kept]))).cumsum())
        stops = np.linspace(0.0, length[-1], MOST_POINTS)
        kept = kept[np.unique(np.searchsorted(length, stops * (1.0 - 1e-12)))]
    return tuple((round(float(a), 6), round(float(b), 6)) for a, b in zip(x[kept], y[kept], strict=True))
