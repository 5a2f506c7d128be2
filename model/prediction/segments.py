"""From a class for each frame to the stretches of a video that show one class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One frame that was classified: when, which, and its probability for each class."""

    seconds: float
    number: int
    shares: NDArray[np.float64]

    @property
    def best(self) -> int:
        """The position of the most probable class."""
        return int(self.shares.argmax())


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A stretch from `start` up to `end` seconds; `probability` is the mean of its class over its `frames`."""

    start: float
    end: float
    label: str
    probability: float
    frames: int


def find_segments(samples: Sequence[Sample], classes: Sequence[str], *, end: float) -> tuple[Segment, ...]:
    """Join equal neighbours into segments that cover the video from 0 to `end` without a gap.

    A frame stands for the time up to the next one. Flicker goes first: a single frame between two of one other class
    counts as that class; a segment of one frame is left only at the ends, and where three classes meet.
    """
    labels = _still_flicker([sample.best for sample in samples])
    borders = [0, *(k for k in range(1, len(labels)) if labels[k] != labels[k - 1]), len(labels)]
    segments = []
    for first, behind in pairwise(borders):
        shares = [float(sample.shares[labels[first]]) for sample in samples[first:behind]]
        segments.append(
            Segment(
                start=samples[first].seconds if first else 0.0,
                end=samples[behind].seconds if behind < len(samples) else max(end, samples[-1].seconds),
                label=classes[labels[first]],
                probability=sum(shares) / len(shares),
                frames=behind - first,
            )
        )
    return tuple(segments)


def format_timecode(seconds: float) -> str:
    """Return `00:12:34.567`, as players show it and take it."""
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"


def _still_flicker(labels: Sequence[int]) -> list[int]:
    """Give a frame between two of one other class their class; from the start on, so that A B A B A becomes all A."""
    stilled = list(labels)
    for k in range(1, len(stilled) - 1):
        if stilled[k - 1] == stilled[k + 1]:
            stilled[k] = stilled[k - 1]
    return stilled
