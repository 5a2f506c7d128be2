from __future__ import annotations

import numpy as np
import pytest

from model.evaluation import calibration
from model.evaluation.calibration import (
    BINS,
    cross_fit_temperatures,
    fit_temperature,
    measure_calibration,
    scale_logits,
)
from model.evaluation.metrics import Floats, Integers, compute_nll


def _answer(count: int, *, temperature: float = 1.0, seed: int = 0) -> tuple[Floats, Integers]:
    """Return logits that mean what they say at `temperature`, and targets drawn so."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0.0, 2.0, (count, 3))
    drawn = scale_logits(logits, 1.0).cumsum(axis=1) < generator.random((count, 1))
    return logits * temperature, np.minimum(drawn.sum(axis=1), 2)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_temperature_is_found(temperature: float) -> None:
    assert fit_temperature(*_answer(4000, temperature=temperature)) == pytest.approx(temperature, rel=0.08)


def test_temperature_makes_unseen_answers_likelier() -> None:
    seen, unseen = _answer(150, temperature=2.5, seed=1), _answer(1000, temperature=2.5, seed=2)

    temperature = fit_temperature(*seen)

    after = compute_nll(scale_logits(unseen[0], temperature), unseen[1])
    assert after < compute_nll(scale_logits(unseen[0], 1.0), unseen[1]) - 0.1


def test_few_images_move_the_temperature_little() -> None:
    logits, targets = _answer(2000, temperature=4.0)

    shares = [abs(np.log(fit_temperature(logits[:count], targets[:count]))) for count in (0, 2, 2000)]

    assert shares[0] == 0.0
    assert shares[0] < shares[1] < shares[2]


@pytest.mark.parametrize("margin", [0.5, 3.0, 50.0, 1e6])
def test_perfect_answers_stay_possible_to_doubt(margin: float) -> None:
    targets = np.arange(100) % 3
    logits = margin * np.eye(3)[targets]

    temperature = fit_temperature(logits, targets)

    assert 0.2 <= temperature <= 5.0
    if margin < 10:
        assert 0.5 < scale_logits(logits, temperature).max() < 0.999


@pytest.mark.parametrize(
    "logits",
    [np.zeros((10, 3)), np.array([[0.0, -np.inf, -np.inf]] * 10), np.full((10, 3), 1e300), -np.eye(3)[[0] * 10] * 1e9],
)
def test_odd_logits_have_a_temperature_and_probabilities(logits: Floats) -> None:
    temperature = fit_temperature(logits, np.zeros(10, dtype=np.int64))

    assert 0.2 <= temperature <= 5.0
    assert np.isfinite(scale_logits(logits, temperature)).all()
    assert scale_logits(logits, temperature).sum(axis=1) == pytest.approx(1.0)


def test_cross_fitted_temperature_never_sees_its_own_images() -> None:
    logits, targets = _answer(300, temperature=2.0)
    folds = np.split(np.arange(300), 3)
    spoiled = targets.copy()
    spoiled[folds[1]] = 0

    honest = cross_fit_temperatures(logits, targets, np.arange(300), folds)
    other = cross_fit_temperatures(logits, spoiled, np.arange(300), folds)

    assert other[1] == honest[1]
    assert other[0] != honest[0]
    assert honest == pytest.approx([2.0] * 3, rel=0.3)


@pytest.mark.parametrize("count", [1, 7, 15, 130, 500])
def test_error_is_that_of_the_definition(count: int) -> None:
    logits, targets = _answer(count, temperature=2.0)
    shares = scale_logits(logits, 1.0)

    measured = measure_calibration(shares, targets, np.arange(count))

    confidence, is_right = shares.max(axis=1), shares.argmax(axis=1) == targets
    parts = np.array_split(np.argsort(confidence), min(BINS, count))
    expected = sum(abs(is_right[part].mean() - confidence[part].mean()) * len(part) for part in parts) / count
    assert measured is not None
    assert measured.ece == pytest.approx(expected)
    assert sum(bin_.count for bin_ in measured.bins) == count
    assert len(measured.bins) == min(BINS, count)
    assert 0.0 <= measured.interval[0] <= measured.ece <= measured.interval[1] <= 1.0


def test_noise_alone_reaches_the_floor_and_its_interval_begins_at_zero() -> None:
    runs = [
        measure_calibration(scale_logits(logits, 1.0), targets, np.arange(130))
        for logits, targets in (_answer(130, seed=seed) for seed in range(30))
    ]

    known = [run for run in runs if run]
    assert np.mean([run.ece for run in known]) == pytest.approx(np.mean([run.noise_floor for run in known]), rel=0.15)
    assert np.mean([run.interval[0] == 0.0 for run in known]) > 0.8


def test_interval_of_a_liar_does_not_reach_zero_and_is_wider_for_groups() -> None:
    logits, targets = _answer(100, temperature=5.0)
    shares = scale_logits(logits, 1.0)

    once = measure_calibration(shares, targets, np.arange(100))
    grouped = measure_calibration(np.repeat(shares, 5, axis=0), np.repeat(targets, 5), np.repeat(np.arange(100), 5))
    alone = measure_calibration(np.repeat(shares, 5, axis=0), np.repeat(targets, 5), np.arange(500))

    assert once is not None
    assert grouped is not None
    assert alone is not None
    assert once.interval[0] > 0.05
    assert grouped.interval[1] - grouped.interval[0] > 1.5 * (alone.interval[1] - alone.interval[0])


def test_error_does_not_depend_on_the_order_of_equal_confidences() -> None:
    shares = np.tile([0.7, 0.3], (90, 1))
    targets = (np.arange(90) >= 63).astype(np.int64)

    measured = measure_calibration(shares, targets, np.arange(90))

    assert measured is not None
    assert measured.ece == pytest.approx(0.0)


def test_no_images_have_no_calibration() -> None:
    assert measure_calibration(np.zeros((0, 2)), np.zeros(0, dtype=np.int64), np.arange(0)) is None


def test_few_draws_of_many_images_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, targets = _answer(4000, temperature=2.0)
    shares = scale_logits(logits, 1.0)

    many = measure_calibration(shares, targets, np.arange(4000))
    monkeypatch.setattr(calibration, "ROWS_DRAWN", 4000)
    few = measure_calibration(shares, targets, np.arange(4000))

    assert many is not None
    assert few is not None
    assert few.ece == many.ece
    assert few.noise_floor == pytest.approx(many.noise_floor, rel=0.1)
    assert few.interval == pytest.approx(many.interval, abs=0.01)
    assert few.interval != many.interval  # the premise: it was drawn less often
