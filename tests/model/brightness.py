"""A classifier that looks at the brightness alone, and needs no PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.images import Pixels
from model.predict import Work
from model.prediction.config import PredictConfig
from model.prediction.sources import find_sources

CLASSES = ("dark", "light")


class Brightness:
    """Light is what is bright; like a network it takes pixels and gives probabilities."""

    decode_size = 16

    def __init__(self) -> None:
        self.seen: list[Pixels] = []

    def classify(self, pixels: Pixels) -> NDArray[np.float64]:
        self.seen.append(pixels.copy())
        light = pixels.reshape(len(pixels), -1).mean(axis=1) / 255.0
        return np.stack([1.0 - light, light], axis=1)


def make_work(classifier: Any, *, what: str = "photos", **options: Any) -> Work:
    """Return the classification of a folder, three images at a time."""
    config = PredictConfig(model=Path("model.pt"), what=(what,), **({"batch_size": 3} | options))
    sources = find_sources(config.what, leave_out=config.sort)
    return Work(config=config, sources=sources, model="of a test", classes=CLASSES, classifier=classifier)
