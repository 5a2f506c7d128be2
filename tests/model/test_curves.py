from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn

from model.evaluation.curves import MOST_POINTS, draw_curves


@pytest.mark.parametrize("count", [2, 30, 30_000])
@pytest.mark.parametrize("digits", [1, 9])
def test_curves_are_those_of_scikit_learn(count: int, digits: int) -> None:
    generator = np.random.default_rng(count)
    is_positive = np.arange(count) % 3 == 0
    scores = (generator.normal(size=count) + is_positive).round(digits)

    curves = draw_curves(scores, is_positive)

    rates = sklearn.roc_curve(is_positive, scores)
    precision, recall, _ = sklearn.precision_recall_curve(is_positive, scores)
    assert curves.average_precision == pytest.approx(sklearn.average_precision_score(is_positive, scores))
    assert len(curves.roc) <= MOST_POINTS
    assert len(curves.precision_recall) <= MOST_POINTS
    assert (curves.roc[0], curves.roc[-1]) == ((0.0, 0.0), (1.0, 1.0))
    assert curves.precision_recall[0] == (0.0, 1.0)
    assert curves.precision_recall[-1] == pytest.approx((recall[0], precision[0]), abs=1e-6)
    # The same area under fewer points: the shape was kept.
    assert _area(curves.roc) == pytest.approx(sklearn.auc(rates[0], rates[1]), abs=2e-4)
    assert _area(curves.precision_recall) == pytest.approx(sklearn.auc(recall, precision), abs=2e-3)


def _area(points: tuple[tuple[float, float], ...]) -> float:
    return float(sklearn.auc([x for x, _ in points], [y for _, y in points]))


def test_perfect_and_equal_scores_have_the_simplest_curves() -> None:
    is_positive = np.array([True, True, False, False, False])

    assert draw_curves(np.array([4.0, 5.0, 1.0, 2.0, 3.0]), is_positive).roc == ((0, 0), (0, 1), (1, 1))
    assert draw_curves(np.zeros(5), is_positive).roc == ((0, 0), (1, 1))
    assert draw_curves(np.zeros(5), is_positive).average_precision == pytest.approx(0.4)


@pytest.mark.parametrize(("positive", "precision_recall"), [(False, ()), (True, ((0, 1), (1, 1)))])
def test_a_class_alone_or_absent_has_no_roc(positive: bool, precision_recall: tuple[tuple[int, int], ...]) -> None:
    curves = draw_curves(np.array([0.1, 0.2, 0.3]), np.full(3, positive))

    assert curves.roc == ()
    assert curves.precision_recall == precision_recall
    assert curves.average_precision == (1.0 if positive else None)
