"""All that metrics.json says about one part of the data: figures with their intervals, by class, by group, curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.evaluation.calibration import measure_calibration
from model.evaluation.curves import draw_curves
from model.evaluation.intervals import (
    average_intervals,
    describe_method,
    estimate_interval,
    number_clusters,
)
from model.evaluation.metrics import Floats, Integers, compute_class_metrics, compute_metrics, compute_nll

# The worst of more groups than a page can show.
SHOWN_GROUPS = 50


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a model said about one part: a row for each image, and again for each fold that it was in.

    `probabilities` and `uncalibrated` are (N, classes), `targets` (N,), `positions` those of the images in the data
    set, `groups` "" where an image has none, `folds` counted from 1, `temperatures` one for each fold.
    """

    probabilities: NDArray[np.float64]
    uncalibrated: NDArray[np.float64]
    targets: Integers
    positions: Integers
    groups: tuple[str, ...]
    folds: tuple[int, ...]
    temperatures: tuple[float, ...]


def assess(answers: Answers, classes: tuple[str, ...]) -> dict[str, Any]:
    """Return the description of a part in values that JSON knows; what cannot be said is None, never NaN."""
    probabilities, targets = answers.probabilities, answers.targets
    is_right = probabilities.argmax(axis=1) == targets
    clusters = number_clusters(answers.groups, answers.positions.tolist())
    by_class = _describe_classes(probabilities, targets, is_right, clusters, classes)
    seen = [row for row in by_class if row["count"]]
    curves = {label: draw_curves(probabilities[:, k], targets == k) for k, label in enumerate(classes)}
    for row in by_class:
        row["average_precision"] = curves[row["label"]].average_precision
    return asdict(compute_metrics(probabilities, targets, classes)) | {
        "accuracy_interval": estimate_interval(is_right, clusters),
        "balanced_accuracy_interval": average_intervals(
            [row["recall"] for row in seen], [row["recall_interval"] for row in seen]
        ),
        "interval_method": describe_method(clusters),
        "nll": compute_nll(probabilities, targets),
        "by_class": by_class,
        "by_group": _describe_groups(is_right, answers.groups),
        "group_count": len(set(answers.groups) - {""}),
        "roc": {label: curve.roc for label, curve in curves.items()},
        "precision_recall": {label: curve.precision_recall for label, curve in curves.items()},
        "calibration": {
            name: asdict(measured) if (measured := measure_calibration(shares, targets, clusters)) else None
            for name, shares in (("before", answers.uncalibrated), ("after", probabilities))
        },
    }


def _describe_classes(
    probabilities: Floats,
    targets: Integers,
    is_right: NDArray[np.bool_],
    clusters: Integers,
    classes: Sequence[str],
) -> list[dict[str, Any]]:
    figures = compute_class_metrics(probabilities, targets, len(classes))
    return [
        {"label": label}
        | asdict(figure)
        | {"recall_interval": estimate_interval(is_right[targets == k], clusters[targets == k])}
        for k, (label, figure) in enumerate(zip(classes, figures, strict=True))
    ]


def _describe_groups(is_right: NDArray[np.bool_], groups: Sequence[str]) -> list[dict[str, Any]]:
    """Return the accuracy of each group, the worst first and of equals the larger; images without one are left out."""
    names, places = np.unique(np.array(groups, dtype=object), return_inverse=True)
    counts = np.bincount(places)
    shares = np.bincount(places, weights=is_right) / counts
    rows: list[dict[str, Any]] = [
        {"group": str(name), "count": int(count), "accuracy": float(share)}
        for name, count, share in zip(names, counts, shares, strict=True)
        if name
    ]
    return sorted(rows, key=lambda row: (row["accuracy"], -row["count"], row["group"]))[:SHOWN_GROUPS]
