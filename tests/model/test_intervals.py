from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from model.evaluation.intervals import (
    average_intervals,
    compute_student,
    compute_wilson,
    describe_method,
    estimate_interval,
    number_clusters,
)


@pytest.mark.parametrize(("right", "count"), [(0, 1), (1, 1), (0, 20), (20, 20), (81, 100), (415, 500)])
def test_wilson_is_that_of_scipy(right: int, count: int) -> None:
    expected = stats.binomtest(right, count).proportion_ci(method="wilson")

    assert compute_wilson(right / count, count) == pytest.approx((expected.low, expected.high), abs=1e-7)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 6, 10, 30, 1000])
def test_student_is_that_of_scipy(freedom: int) -> None:
    assert compute_student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=3e-3)


def test_interval_of_single_images_is_wilson() -> None:
    is_right = np.arange(50) < 40

    assert estimate_interval(is_right, np.arange(50)) == compute_wilson(0.8, 50)
    assert estimate_interval(is_right[:0], np.arange(0)) is None


@pytest.mark.parametrize("images", [1, 2, 8])
def test_interval_of_alike_images_is_as_wide_as_of_one_of_each(images: int) -> None:
    is_right = np.arange(40) < 30

    low, high = estimate_interval(np.repeat(is_right, images), np.repeat(np.arange(40), images)) or (0.0, 0.0)

    once = compute_wilson(0.75, 40)
    assert (low, high) == pytest.approx(once, abs=0.015)  # Student's t makes it a little wider
    assert high - low >= once[1] - once[0]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_interval_of_all_right_counts_groups_not_images(share: float) -> None:
    low, high = estimate_interval(np.full(100, share == 1.0), np.repeat(np.arange(5), 20)) or (0.0, 0.0)

    assert low <= share <= high
    assert 0.4 < high - low < 0.45


def test_interval_of_one_group_is_that_of_one_trial() -> None:
    low, high = estimate_interval(np.arange(60) < 45, np.zeros(60, dtype=np.int64)) or (0.0, 0.0)

    assert (low, high) == compute_wilson(0.75, 1)
    assert high - low > 0.8


@pytest.mark.parametrize("group_count", [1, 2, 8, 40])
def test_interval_holds_the_truth_as_often_as_it_says(group_count: int) -> None:
    generator = np.random.default_rng(group_count)
    held = 0
    for _ in range(300):
        sizes = 1 + generator.poisson(7, group_count)
        clusters = np.repeat(np.arange(group_count), sizes)
        easy = generator.beta(4.0, 1.0, group_count)  # a mean of 0.8, images of a group correlated 0.17
        low, high = estimate_interval(generator.random(len(clusters)) < easy[clusters], clusters) or (0.0, 0.0)
        held += low <= 0.8 <= high

    assert held / 300 >= 0.92


def test_mean_of_intervals_holds_the_truth_where_a_class_is_tiny() -> None:
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        answers = [generator.random(count) < truth for count, truth in ((4, 0.9), (100, 0.7))]
        intervals = [estimate_interval(right, np.arange(len(right))) or (0.0, 0.0) for right in answers]
        low, high = average_intervals([float(right.mean()) for right in answers], intervals)
        held += low <= 0.8 <= high

    assert held / 300 >= 0.92


def test_mean_of_one_interval_is_itself() -> None:
    assert average_intervals([0.8], [(0.7, 0.9)]) == pytest.approx((0.7, 0.9))


def test_clusters_are_groups_and_images_without_one() -> None:
    clusters = number_clusters(["a", "", "a", "", ""], [3, 4, 5, 6, 4])

    assert clusters.tolist() == [0, 1, 0, 2, 1]


@pytest.mark.parametrize(
    ("clusters", "words"),
    [([0, 1, 2], "independent"), ([0, 0, 1], "2 groups of"), ([0, 0], "1 group of")],
)
def test_method_says_whether_groups_count(clusters: list[int], words: str) -> None:
    assert words in describe_method(np.array(clusters))
