"""Trainings to measure with: ResNet-18 at 224 pixels, as `--preset quick --arch resnet18 --image-size 224` is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.config import TrainConfig
from model.presets import QUICK

if TYPE_CHECKING:
    from torch import Tensor

    from model.data.images import Pixels
    from model.data.store import PixelStore
    from model.training.batches import Batch, Loader
    from model.training.trainer import Trainer

CLASSES = 2
MEAN, STD = (128.0,) * 3, (64.0,) * 3
BATCH = 32


def configure(folder: Path, **options: Any) -> TrainConfig:
    """Return a training of ResNet-18; nothing is mixed, as in the recipe that it is held against."""
    recipe = {"data": folder, "output": folder / "results", "arch": "resnet18", "image_size": 224, "batch_size": BATCH}
    return TrainConfig(**{**vars(QUICK), **recipe, **options})


def make_loader(
    config: TrainConfig, pixels: Pixels, *, learnt: Sequence[int] = (), store: PixelStore | None = None
) -> Loader:
    """Return the loader of the training part, or of all images; a `store` may still be filling them."""
    import torch

    from model.device import choose_device
    from model.training.batches import Loader, build_image_set
    from model.training.distributed import Processes

    targets = [number % CLASSES for number in range(len(pixels))]
    return Loader(
        config=config,
        data=build_image_set(pixels, targets, MEAN, STD, choose_device(config.device), store=store),
        indices=torch.tensor(learnt or range(len(pixels))),
        class_count=CLASSES,
        processes=Processes(),
    )


def make_trainer(loader: Loader) -> Trainer:
    """Return the trainer of a new network; kernels are chosen as in a training, and in torchvision's reference too."""
    from model.device import let_kernels_be_chosen
    from model.networks.catalogue import build_network
    from model.training.trainer import Trainer

    config = loader.config
    let_kernels_be_chosen(loader.data.device)
    return Trainer(
        build_network(config.arch, class_count=CLASSES, image_size=config.image_size),
        config,
        steps=1000,
        class_weights=loader.weigh_classes(),
        device=loader.data.device,
        processes=loader.processes,
    )


def make_epoch(trainer: Trainer, loader: Loader) -> Callable[[], object]:
    """Return the work of an epoch's steps, as in a training, but for what follows each: signals and checkpoints."""
    from model.training.loop import train_one_epoch
    from model.training.state import TrainingState

    def train() -> None:
        state = TrainingState.begin(part_size=loader.config.batch_size, device=loader.data.device)
        train_one_epoch(trainer, loader, state, lambda *_: None)

    return train


def make_batches(loader: Loader) -> Callable[[], object]:
    """Return the work of an epoch's batches, ready for the network."""
    weights = loader.weigh_classes()

    def load() -> None:
        for step, indices in enumerate(loader.draw_batches(1)):
            batch = loader.make_batch(indices, weights, epoch=1, step=step)
            batch.take(slice(None))

    return load


class RepeatingLoader:
    """A stand-in for a loader: one batch, again and again, so that only the steps are measured."""

    def __init__(self, loader: Loader, *, steps: int) -> None:
        self.config, self.data, self.processes = loader.config, loader.data, loader.processes
        self._indices = [loader.draw_batches(1)[0]] * steps
        self._batch = loader.make_batch(self._indices[0], loader.weigh_classes(), epoch=1, step=0)

    def draw_batches(self, _: int) -> Sequence[Tensor]:
        return self._indices

    def make_batch(self, *_: object, **__: object) -> Batch:
        return self._batch
