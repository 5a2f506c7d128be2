"""How far a share may be from the truth: 95 % intervals that know that pictures of one dive are not independent.

Wilson's score interval where every image stands for itself. Where images come in groups, Wilson's with the number of
independent images that the groups are worth, and Student's t for few groups (after Korn and Graubard, 1998). Simulated
with 8 images a group, correlated 0.05 to 0.3, shares of 0.8 and 0.95: it holds the truth in 92 to 100 of 100 cases from
1 to 150 groups, where a bootstrap over the groups holds it in 32 to 55 with 2 groups and in 70 to 87 with 8.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from model.console import count
from model.evaluation.metrics import Integers

Interval = tuple[float, float]

# The normal distribution's 97.5 % point, and Student's for 1 to 4 degrees of freedom, where no short series holds.
NORMAL = 1.959963985
STUDENT = (12.706205, 4.302653, 3.182446, 2.776445)


def number_clusters(groups: Sequence[str], positions: Sequence[int]) -> Integers:
    """Return one number for each row: that of its group or, where it has none, of its image (`positions`)."""
    keys: dict[Hashable, int] = {}
    rows = zip(groups, positions, strict=True)
    return np.array([keys.setdefault(group or position, len(keys)) for group, position in rows], dtype=np.int64)


def count_clusters(clusters: Integers) -> int:
    """Return how many different clusters there are."""
    return len(np.unique(clusters))


def describe_method(clusters: Integers) -> str:
    """Say in a few words how the intervals of these clusters are made."""
    number = count_clusters(clusters)
    if number == len(clusters):
        return "Wilson score interval, 95 %; each image counts as independent"
    return f"Wilson score interval, 95 %; images of one group count as alike ({count(number, 'group')} of images)"


def estimate_interval(is_right: NDArray[np.bool_], clusters: Integers) -> Interval | None:
    """Return the interval of the share of True among rows that come in clusters; None without rows."""
    total = len(is_right)
    if not total:
        return None
    share = float(is_right.mean())
    places = np.unique(clusters, return_inverse=True)[1]
    groups = int(places.max()) + 1
    if groups == total:
        return compute_wilson(share, total)
    # If the images of a group were all one picture: the groups are never worth fewer trials than this.
    sizes = np.bincount(places)
    alike = compute_wilson(share, total**2 / float(sizes @ sizes))
    # Deviations of the groups' sums, squared: the variance of a ratio, as a bootstrap over very many groups finds it.
    deviations = np.bincount(places, weights=is_right - share)
    variance = float(deviations @ deviations) / total**2 * groups / max(1, groups - 1)
    if groups == 1 or not variance:
        return alike
    worth = min(float(total), share * (1.0 - share) / variance)
    measured = compute_wilson(share, worth, quantile=compute_student(groups - 1))
    return min(measured, alike, key=lambda interval: interval[1] - interval[0])


def average_intervals(shares: Sequence[float], intervals: Sequence[Interval]) -> Interval:
    """Return the interval of the mean of shares from the interval of each (Zou and Donner's MOVER, 2008)."""
    mean = sum(shares) / len(shares)
    below = math.sqrt(sum((share - low) ** 2 for share, (low, _) in zip(shares, intervals, strict=True)))
    above = math.sqrt(sum((high - share) ** 2 for share, (_, high) in zip(shares, intervals, strict=True)))
    return max(0.0, mean - below / len(shares)), min(1.0, mean + above / len(shares))


def compute_wilson(share: float, trials: float, *, quantile: float = NORMAL) -> Interval:
    """Return Wilson's score interval of a share seen among so many independent trials (not always a whole number)."""
    square = quantile * quantile / trials
    centre = (share + square / 2.0) / (1.0 + square)
    half = math.sqrt(max(0.0, square * (share * (1.0 - share) + square / 4.0))) / (1.0 + square)
    # The share itself is inside but for rounding: 0 and 1 are their own limits.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def compute_student(freedom: int) -> float:
    """Return the 97.5 % point of Student's distribution, to 0.003; no freedom counts as one degree."""
    if freedom <= len(STUDENT):
        return STUDENT[max(1, freedom) - 1]
    z, n = NORMAL, freedom
    # Abramowitz and Stegun 26.7.5.
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )
