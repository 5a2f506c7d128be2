"""What answers about pictures, whoever computes: nothing here waits for PyTorch."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.data.images import Pixels


class Classifies(Protocol):
    """What `Classifier` and `OnnxClassifier` do."""

    @property
    def decode_size(self) -> int:
        """Pixels per side of the images that `classify` takes."""

    def classify(self, pixels: Pixels) -> NDArray[np.float64]:
        """Return the probabilities (N, classes) of images (N, size, size, RGB)."""
