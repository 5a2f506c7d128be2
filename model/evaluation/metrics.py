"""How good a classifier is, in numpy; the definitions are scikit-learn's, and a test compares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """One evaluation; `confusion_matrix` has true classes down and predicted ones across, in the order of `labels`."""

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    auc: float | None
    count: int
    labels: tuple[str, ...]
    confusion_matrix: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class ClassMetrics:
    """One class against the rest; None where nothing can be said: no such image, or none that was called so."""

    precision: float | None
    recall: float | None
    f1: float | None
    auc: float | None
    count: int


def compute_metrics(probabilities: Floats, targets: Integers, labels: tuple[str, ...]) -> Metrics:
    """Compare probabilities (N, classes) with targets (N,), which are positions in `labels`."""
    matrix = count_confusions(probabilities.argmax(axis=1), targets, len(labels))
    return Metrics(
        accuracy=float(np.trace(matrix) / matrix.sum()),
        balanced_accuracy=compute_balanced_accuracy(matrix),
        macro_f1=compute_macro_f1(matrix),
        auc=compute_auc(probabilities, targets),
        count=int(matrix.sum()),
        labels=labels,
        confusion_matrix=tuple(tuple(int(cell) for cell in row) for row in matrix),
    )


def compute_class_metrics(probabilities: Floats, targets: Integers, class_count: int) -> tuple[ClassMetrics, ...]:
    """Return the figures of each class; `count` is how many images show it."""
    matrix = count_confusions(probabilities.argmax(axis=1), targets, class_count)
    shown, called = matrix.sum(axis=1), matrix.sum(axis=0)
    return tuple(
        ClassMetrics(
            precision=_divide(matrix[k, k], called[k]),
            recall=_divide(matrix[k, k], shown[k]),
            f1=_divide(2 * matrix[k, k], shown[k] + called[k]),
            auc=compute_binary_auc(probabilities[:, k], targets == k),
            count=int(shown[k]),
        )
        for k in range(class_count)
    )


def compute_nll(probabilities: Floats, targets: Integers) -> float:
    """Return the mean negative log-likelihood; a probability below 1e-15 counts as that."""
    told = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(told, 1e-15)).mean())


def count_confusions(predictions: Integers, targets: Integers, class_count: int) -> Integers:
    """Return the confusion matrix: true classes down, predicted classes across."""
    cells = np.bincount(targets * class_count + predictions, minlength=class_count * class_count)
    return cells.reshape(class_count, class_count)


def compute_balanced_accuracy(matrix: Integers) -> float:
    """Return the mean recall of the classes that occur."""
    totals = matrix.sum(axis=1)
    occurs = totals > 0
    return float((matrix.diagonal()[occurs] / totals[occurs]).mean())


def compute_macro_f1(matrix: Integers) -> float:
    """Return the mean F1 of the classes that occur or were predicted."""
    sizes = matrix.sum(axis=0) + matrix.sum(axis=1)
    occurs = sizes > 0
    return float((2.0 * matrix.diagonal()[occurs] / sizes[occurs]).mean())


def compute_auc(probabilities: Floats, targets: Integers) -> float | None:
    """Return the mean area under the ROC curve of each class against the rest; None where a class does not occur."""
    # Of two classes one says all: the other's area is the same but for rounding.
    classes = range(1, 2) if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    areas = [compute_binary_auc(probabilities[:, k], targets == k) for k in classes]
    known = [area for area in areas if area is not None]
    return float(np.mean(known)) if len(known) == len(areas) else None


def compute_binary_auc(scores: Floats, is_positive: NDArray[np.bool_]) -> float | None:
    """Return the share of (positive, negative) pairs in the right order; ties count half (Mann-Whitney U)."""
    positives = int(is_positive.sum())
    negatives = len(scores) - positives
    if not positives or not negatives:
        return None
    _, places, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (sizes.cumsum() - (sizes - 1) / 2.0)[places]
    u = float(ranks[is_positive].sum()) - positives * (positives + 1) / 2.0
    return u / (positives * negatives)


def _divide(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None
