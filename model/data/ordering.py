"""In what order images are shown: drawn from the seed and the epoch alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def draw_order(count: int, *, seed: int, epoch: int, shares: NDArray[np.float64] | None = None) -> NDArray[np.int64]:
    """Return the places 0 to `count` - 1 in the order of an epoch; with `shares`, drawn by them with replacement."""
    numbers = np.random.Generator(np.random.Philox(key=seed, counter=[2, epoch, 0, 0]))
    drawn: NDArray[np.int64] = (
        numbers.permutation(count) if shares is None else numbers.choice(count, size=count, p=shares)
    )
    return drawn
