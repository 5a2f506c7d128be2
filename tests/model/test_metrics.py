from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn

from model.evaluation.metrics import compute_metrics


def _answers(*, count: int, classes: int, seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities that lean towards the target, and targets in which every class occurs."""
    generator = np.random.default_rng(seed)
    targets = np.concatenate([np.arange(classes), generator.integers(0, classes, count - classes)])
    logits = generator.normal(size=(count, classes)) + np.eye(classes)[targets]
    if ties:
        logits = logits.round()
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True), targets


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_metrics_are_those_of_scikit_learn(classes: int, ties: bool, seed: int) -> None:
    probabilities, targets = _answers(count=120, classes=classes, seed=seed, ties=ties)
    labels = tuple(f"c{k}" for k in range(classes))

    ours = compute_metrics(probabilities, targets, labels)

    predictions = probabilities.argmax(axis=1)
    scores = probabilities[:, 1] if classes == 2 else probabilities
    assert ours.accuracy == pytest.approx(sklearn.accuracy_score(targets, predictions))
    assert ours.balanced_accuracy == pytest.approx(sklearn.balanced_accuracy_score(targets, predictions))
    assert ours.macro_f1 == pytest.approx(sklearn.f1_score(targets, predictions, average="macro"))
    assert ours.auc == pytest.approx(sklearn.roc_auc_score(targets, scores, multi_class="ovr", average="macro"))
    assert [list(row) for row in ours.confusion_matrix] == sklearn.confusion_matrix(targets, predictions).tolist()
    assert ours.count == 120


def test_confusion_matrix_has_true_classes_as_rows() -> None:
    probabilities = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]])

    metrics = compute_metrics(probabilities, np.array([0, 0, 1]), ("cat", "dog"))

    assert metrics.confusion_matrix == ((0, 2), (0, 1))


def test_auc_is_none_when_a_class_does_not_occur() -> None:
    metrics = compute_metrics(np.full((3, 3), 1 / 3), np.array([0, 1, 1]), ("a", "b", "c"))

    assert metrics.auc is None
