"""Which of two models is better on the same pictures, and whether it could be chance.

On the same pictures two models are told apart by far fewer of them than their intervals suggest: what both get right or
both get wrong says nothing. Without groups the test is McNemar's, exact. With groups it swaps the two models' answers
in whole groups at a time, because the pictures of one dive are not so many independent trials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.console import count
from model.evaluation.intervals import Interval, compute_student, number_clusters
from model.evaluation.metrics import Integers
from model.report.runs import Run

# Of one comparison; of several the share is divided among them (Bonferroni).
SIGNIFICANT = 0.05

# Below, the exact value says nothing more.
LEAST_P = 0.0001

# All swaps of so many groups are counted through (2^14 = 16,384), those of more are drawn.
MOST_COUNTED = 14
DRAWS = 20_000


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """Two runs on their common test images; `difference` is the second's accuracy there minus the first's."""

    first: str
    second: str
    images: int
    groups: int
    is_same_test: bool
    relabelled: int
    only_first: int
    only_second: int
    difference: float
    interval: Interval | None
    p: float


def pair_runs(first: Run, second: Run) -> Pairing | None:
    """Compare two runs on the images that both were tested on; None where there is none."""
    common = [name for name in first.answers if name in second.answers]
    # An image whose label was mended between the two is right for one and wrong for the other whatever they answer.
    same = [name for name in common if first.answers[name].target == second.answers[name].target]
    if not same:
        return None
    gains = np.array([second.answers[name].is_right - first.answers[name].is_right for name in same], dtype=np.int64)
    groups = [second.answers[name].group or first.answers[name].group for name in same]
    clusters = number_clusters(groups, range(len(same)))
    sums = np.bincount(clusters, weights=gains).astype(np.int64)
    is_grouped = len(sums) < len(same)
    only_first, only_second = int((gains < 0).sum()), int((gains > 0).sum())
    return Pairing(
        first=first.name,
        second=second.name,
        images=len(same),
        groups=len(sums) if is_grouped else 0,
        is_same_test=len(common) == len(first.answers) == len(second.answers),
        relabelled=len(common) - len(same),
        only_first=only_first,
        only_second=only_second,
        difference=float(gains.mean()),
        interval=estimate_gain(gains, clusters),
        p=compute_swaps(sums) if is_grouped else compute_mcnemar(only_first, only_second),
    )


def tell_pairing(pairing: Pairing, *, comparisons: int = 1) -> str:
    """Say in two sentences on which images, who wins, by how much, and whether it could be chance."""
    first, second = pairing.first, pairing.second
    which = "the same" if pairing.is_same_test else "the"
    common = "" if pairing.is_same_test else " that both were tested on"
    left_out = f" ({count(pairing.relabelled, 'image')} with another label left out)" if pairing.relabelled else ""
    where = f"On {which} {count(pairing.images, 'test image')}{common}{left_out}"
    if not pairing.only_first and not pairing.only_second:
        return f"{where} {second} and {first} are right and wrong together."
    winner, loser = (first, second) if pairing.only_first > pairing.only_second else (second, first)
    wins, losses = max(pairing.only_first, pairing.only_second), min(pairing.only_first, pairing.only_second)
    verdict = "more than chance" if pairing.p < SIGNIFICANT / comparisons else "could be chance"
    p = f"p = {pairing.p:.2g}" if pairing.p >= LEAST_P else f"p < {LEAST_P:g}"
    unit = f", by {pairing.groups:,} whole groups" if pairing.groups else ""
    return (
        f"{where} {winner} is right on {wins:,} that {loser} misses, {loser} on {losses:,} that {winner} misses: "
        f"{verdict} ({p}{unit}). {winner} is {_tell_difference(pairing)}."
    )


def _tell_difference(pairing: Pairing) -> str:
    """Say by how much the winner wins."""
    told = f"{100 * abs(pairing.difference):.1f} points better"
    if pairing.interval is None:
        return told
    low, high = sorted(-limit if pairing.difference < 0 else limit for limit in pairing.interval)
    return f"{told} (95% interval {100 * low:+.1f} to {100 * high:+.1f})"


def compute_mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p of McNemar's test: how often a fair coin is as far from half."""
    trials, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(trials, k) for k in range(fewer + 1))
    return float(min(1, 2 * tail / 2**trials))


def compute_swaps(sums: NDArray[np.int64]) -> float:
    """Return the two-sided p of a sum of groups' gains when each group's sign is a fair coin's."""
    moving = sums[sums != 0]
    observed = abs(int(moving.sum()))
    if len(moving) <= MOST_COUNTED:
        numbers = np.arange(2 ** len(moving))[:, None]
        signs = 1 - 2 * (numbers >> np.arange(len(moving)) & 1)
        return float((np.abs(signs @ moving) >= observed).mean())
    signs = np.random.default_rng(0).integers(0, 2, (DRAWS, len(moving)), dtype=np.int8) * 2 - 1
    reached = int((np.abs(signs @ moving) >= observed).sum())
    # What was observed is one of the draws: p is never 0.
    return (reached + 1) / (DRAWS + 1)


def estimate_gain(gains: NDArray[np.int64] | NDArray[np.float64], clusters: Integers) -> Interval | None:
    """Return the 95 % interval of the mean gain by Student's t over the clusters; None where it cannot be known."""
    groups = int(clusters.max()) + 1
    deviations = np.bincount(clusters, weights=gains - gains.mean())
    if groups < 2 or not deviations.any():
        return None
    error = math.sqrt(float(deviations @ deviations) * groups / (groups - 1)) / len(gains)
    half = compute_student(groups - 1) * error
    mean = float(gains.mean())
    return max(-1.0, mean - half), min(1.0, mean + half)
