"""Probabilities that mean what they say: one temperature for a network, and how far confidence is from the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.evaluation.intervals import Interval, count_clusters
from model.evaluation.metrics import Floats, Integers

BINS = 15

# Of more than 10,000 images fewer draws, whose rows are this many in all: their figures vary so much less that the
# interval is as sharp, and 100,000 images take 1.5 seconds of one core instead of 15 (2026-11).
MOST_DRAWS, LEAST_DRAWS = 1000, 100
ROWS_DRAWN = 10_000_000

# A network of ours outside these needs another training, not another temperature; they also end the search.
LOWEST, HIGHEST = 0.2, 5.0
# The temperature that we expect before we look: log-normal around 1, two in three between 0.6 and 1.6. It weighs as
# much as a handful of images, so it decides where there are few, or where all answers are right and the likelihood
# alone would choose 0.
EXPECTED_SPREAD = 0.5

# Numbers in one table of draws: 32 MB, however many images there are.
_CELLS = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Images of like confidence: the mean of it, and how many of them were right."""

    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How far confidence is from accuracy.

    `ece` is measured, over BINS bins of equally many images. With few images it is far above zero for perfect
    probabilities too: `noise_floor` is what they would show on average (simulated: at an accuracy of 0.85 it is 0.084
    of 130 images, 0.058 of 270, 0.041 of 500; at 0.95 0.030, 0.023 and 0.016). `interval` is that of the true error,
    at 95 %.
    """

    ece: float
    interval: Interval
    noise_floor: float
    bins: tuple[Bin, ...]


def scale_logits(logits: Floats, temperature: float) -> NDArray[np.float64]:
    """Return the probabilities (N, classes) at a temperature: above 1 less certain, below 1 more, never reordered."""
    shares: NDArray[np.float64] = np.exp(_scale_to_logarithms(logits, temperature))
    return shares


def fit_temperature(logits: Floats, targets: Integers) -> float:
    """Return the most probable temperature of images that the network did not learn from; 1 without images.

    Minimises the negative log-likelihood by golden section. Where n images are all right, the next one still may be
    wrong: a target counts as 1 - 1 / (n + 2), as in Platt's scaling, so that no answer becomes certain.
    """
    count = len(targets)
    if not count:
        return 1.0
    rows = np.arange(count)
    doubt = 1.0 / (count + 2)

    def cost(log_temperature: float) -> float:
        shares = _scale_to_logarithms(logits, math.exp(log_temperature))
        likelihood = (1.0 - doubt) * shares[rows, targets].sum() + doubt * shares.mean(axis=1).sum()
        return -float(likelihood) + 0.5 * (log_temperature / EXPECTED_SPREAD) ** 2

    low, high = math.log(LOWEST), math.log(HIGHEST)
    golden = (math.sqrt(5.0) - 1.0) / 2.0
    while high - low > 1e-4:
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if cost(left) <= cost(right) else (left, high)
    return math.exp((low + high) / 2.0)


def cross_fit_temperatures(
    logits: Floats, targets: Integers, positions: Integers, folds: Sequence[Integers]
) -> tuple[float, ...]:
    """Return one temperature for each fold's images: fitted on all rows that show none of them (`positions`)."""
    temperatures = []
    for fold in folds:
        others = ~np.isin(positions, fold)
        temperatures.append(fit_temperature(logits[others], targets[others]))
    return tuple(temperatures)


def measure_calibration(
    probabilities: Floats, targets: Integers, clusters: Integers, *, seed: int = 0
) -> Calibration | None:
    """Compare the confidence of the answers with how often they are right; None without images.

    The interval is a bootstrap's over `clusters`, turned around the measured value (basic): what is measured is too
    high by about as much as the draws are above it. It begins at 0 where perfect probabilities would show as much.
    Simulated with 130 to 500 images it holds the true error in 81 to 98 of 100 cases, the usual percentiles of the
    draws in none where the error is 0.
    """
    if not len(targets):
        return None
    order = np.argsort(probabilities.max(axis=1), kind="stable")
    confidence = probabilities.max(axis=1)[order]
    is_right = _share_ties(confidence, (probabilities.argmax(axis=1) == targets)[order])
    generator = np.random.default_rng(seed)
    ece = float(_measure_errors(confidence, is_right[None])[0])
    noise = _draw_noise(confidence, generator)
    drawn = _draw_errors(confidence, is_right, np.unique(clusters, return_inverse=True)[1][order], generator)
    low, high = (float(value) for value in np.quantile(drawn, [0.025, 0.975]))
    is_noise = ece <= float(np.quantile(noise, 0.975))
    return Calibration(
        ece=ece,
        interval=(0.0 if is_noise else min(ece, max(0.0, 2.0 * ece - high)), min(1.0, max(ece, 2.0 * ece - low))),
        noise_floor=float(noise.mean()),
        bins=_fill_bins(confidence, is_right),
    )


def _scale_to_logarithms(logits: Floats, temperature: float) -> NDArray[np.float64]:
    # A probability that was rounded to nothing has a logarithm of minus infinity.
    scaled = np.nan_to_num(np.asarray(logits, dtype=np.float64), neginf=-1e6) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    logarithms: NDArray[np.float64] = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return logarithms


def _share_ties(confidence: Floats, is_right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give rows of one confidence their mean, or the order of the files would decide which bin they are in."""
    _, places, sizes = np.unique(confidence, return_inverse=True, return_counts=True)
    means: NDArray[np.float64] = np.bincount(places, weights=is_right) / sizes
    return means[places]


def _find_bins(count: int) -> NDArray[np.int64]:
    """Return where each bin begins among `count` sorted rows: equally many in each, the first ones one more."""
    bins = min(BINS, count)
    sizes = np.full(bins, count // bins) + (np.arange(bins) < count % bins)
    return np.concatenate([[0], sizes.cumsum()[:-1]])


def _fill_bins(confidence: Floats, is_right: Floats) -> tuple[Bin, ...]:
    starts = _find_bins(len(confidence))
    counts = np.diff(np.append(starts, len(confidence)))
    sums = [np.add.reduceat(values, starts) / counts for values in (confidence, is_right)]
    return tuple(
        Bin(confidence=float(mean), accuracy=float(share), count=int(count))
        for mean, share, count in zip(*sums, counts, strict=True)
    )


def _measure_errors(confidence: Floats, is_right: Floats | NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the expected calibration error of each row of `is_right` (draws, N), sorted by `confidence` (N,)."""
    gaps = np.add.reduceat(is_right - confidence, _find_bins(len(confidence)), axis=1)
    errors: NDArray[np.float64] = np.abs(gaps).sum(axis=1) / len(confidence)
    return errors


def _draw_noise(confidence: Floats, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return the errors that would be measured if every confidence were the truth."""
    parts = []
    for draws in _split_draws(len(confidence)):
        parts.append(_measure_errors(confidence, generator.random((draws, len(confidence))) < confidence))
    return np.concatenate(parts)


def _draw_errors(
    confidence: Floats, is_right: Floats, clusters: Integers, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Return the errors of as many clusters drawn anew, each with all its rows; bins of equal weight."""
    count = count_clusters(clusters)
    parts = []
    for draws in _split_draws(len(confidence)):
        drawn = generator.multinomial(count, np.full(count, 1.0 / count), size=draws)
        weights = drawn[:, clusters].astype(np.float64)
        totals = weights.sum(axis=1, keepdims=True)
        middles = (weights.cumsum(axis=1) - weights / 2.0) / totals
        places = np.minimum((middles * BINS).astype(np.int64), BINS - 1) + BINS * np.arange(draws)[:, None]
        gaps = np.bincount(places.ravel(), (weights * (is_right - confidence)).ravel(), minlength=BINS * draws)
        parts.append(np.abs(gaps.reshape(draws, BINS)).sum(axis=1) / totals[:, 0])
    return np.concatenate(parts)


def _split_draws(count: int) -> list[int]:
    """Return how many draws of `count` rows are made at a time, so that they fit in memory."""
    draws = max(LEAST_DRAWS, min(MOST_DRAWS, ROWS_DRAWN // count))
    size = max(1, min(draws, _CELLS // count))
    return [min(size, draws - start) for start in range(0, draws, size)]
