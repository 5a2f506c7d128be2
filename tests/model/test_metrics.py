from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn

from model.evaluation.metrics import compute_class_metrics, compute_metrics, compute_nll


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


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_class_metrics_are_those_of_scikit_learn(classes: int) -> None:
    probabilities, targets = _answers(count=150, classes=classes, seed=classes, ties=False)

    ours = compute_class_metrics(probabilities, targets, classes)

    predictions = probabilities.argmax(axis=1)
    precision, recall, f1, counts = sklearn.precision_recall_fscore_support(targets, predictions)
    for k, figures in enumerate(ours):
        assert figures.precision == pytest.approx(precision[k])
        assert figures.recall == pytest.approx(recall[k])
        assert figures.f1 == pytest.approx(f1[k])
        assert figures.count == counts[k]
        assert figures.auc == pytest.approx(sklearn.roc_auc_score(targets == k, probabilities[:, k]))
    assert compute_nll(probabilities, targets) == pytest.approx(sklearn.log_loss(targets, probabilities))


def test_class_metrics_are_none_where_nothing_can_be_said() -> None:
    never_called, absent, alone = compute_class_metrics(
        np.array([[0.1, 0.2, 0.7], [0.2, 0.1, 0.7]]), np.array([0, 2]), 3
    )

    assert (never_called.precision, never_called.recall, never_called.f1) == (None, 0.0, 0.0)
    assert (absent.precision, absent.recall, absent.f1, absent.auc, absent.count) == (None, None, None, None, 0)
    assert (alone.precision, alone.recall) == (0.5, 1.0)


def test_nll_of_a_certain_mistake_is_a_number() -> None:
    assert compute_nll(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(34.5, abs=0.1)


def test_confusion_matrix_has_true_classes_as_rows() -> None:
    probabilities = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]])

    metrics = compute_metrics(probabilities, np.array([0, 0, 1]), ("cat", "dog"))

    assert metrics.confusion_matrix == ((0, 2), (0, 1))


def test_auc_is_none_when_a_class_does_not_occur() -> None:
    metrics = compute_metrics(np.full((3, 3), 1 / 3), np.array([0, 1, 1]), ("a", "b", "c"))

    assert metrics.auc is None
