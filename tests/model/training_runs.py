"""Small trainings for the tests of the engine: pictures drawn in memory, and a network that learns in a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.checkpoint import Checkpoint
from model.config import TrainConfig
from model.data.dataset import Dataset
from model.data.samples import Sample
from model.data.split import fold_samples, split_samples
from model.evaluation.results import EpochLog
from model.interruption import Interruption
from model.presets import QUICK
from model.training.fit import Fitted, fit

# Two threads that wait for each other are slower than one wherever another program wants a core.
torch.set_num_threads(1)

SIZE = 32


def configure(output: Path, **options: Any) -> TrainConfig:
    """Return a training of 3 epochs of 3 steps on 32 pixels."""
    recipe = {
        "data": output / "data",
        "output": output,
        "arch": "cnn",
        "image_size": SIZE,
        "test_share": 0.15,
        "batch_size": 12,
        "epochs": 3,
        "ema": 2.0,
        "device": "cpu",
    }
    return TrainConfig(**{**vars(QUICK), **recipe, **options})


def draw_dataset(config: TrainConfig, *, count: int = 48, classes: tuple[str, ...] = ("blue", "red")) -> Dataset:
    """Return noise of as many colours as there are classes, every class `count / classes` times."""
    generator = np.random.default_rng(0)
    side = config.decode_size
    pixels = generator.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    samples = []
    for number in range(count):
        label = classes[number % len(classes)]
        pixels[number, :, :, number % len(classes)] //= 4
        samples.append(Sample(name=f"{number:03d}.png", place=f"{number:03d}.png", label=label, group=""))
    draw = {"seed": config.seed, "validation_share": 0.15}
    splits = (
        fold_samples(samples, folds=config.folds, **draw)
        if config.folds
        else (split_samples(samples, test_share=config.test_share, **draw),)
    )
    return Dataset(samples=tuple(samples), classes=classes, pixels=pixels, splits=splits, source="memory")


def train(
    config: TrainConfig, *, unfinished: Checkpoint | None = None, stop_at: int | None = None, listed: str = ""
) -> Fitted:
    """Train, and be told to stop at the question number `stop_at`; `listed` stands for a folder's images."""
    log = EpochLog(config.output / "metrics.jsonl", is_resumed=unfinished is not None)
    interruption = Interruption() if stop_at is None else Stopping(stop_at)
    dataset = replace(draw_dataset(config), listed=listed)
    return fit(config, dataset, log, interruption, unfinished=unfinished)


class Stopping(Interruption):
    """A signal that comes at a chosen moment: real ones come when they like, and tests must repeat."""

    def __init__(self, question: int) -> None:
        super().__init__()
        self._left = question

    @property
    def is_received(self) -> bool:
        """Say yes from the chosen question on."""
        self._left -= 1
        return self._left < 0
