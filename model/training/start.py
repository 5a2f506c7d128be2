"""The network that a training begins with: untrained, torchvision's, or that of an earlier model.pt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from model.checkpoint import Checkpoint, load_checkpoint, refuse_other_classes
from model.config import TrainConfig
from model.console import say
from model.data.dataset import Dataset
from model.device import choose_device
from model.errors import CheckpointError, NetworkError
from model.networks.catalogue import build_network, load_weights, refuse_unfit, resolve_arch, takes_other_sizes
from model.networks.weights import Pretrained, find_pretrained, load_pretrained
from model.training.batches import Loader
from model.training.randomness import derive_seed
from model.transforms import measure_channels


@dataclass(frozen=True, kw_only=True)
class Start:
    """Builds the network of each fold; `mean` and `std` per channel, 0-255, are what its images are normalised by."""

    config: TrainConfig
    class_count: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pretrained: Pretrained | None = None
    weights: dict[str, Any] | None = None  # of an earlier model
    seen: str = ""  # the digest of the images and parts that it learnt from

    def build(self, fold: int) -> nn.Module:
        """Return a network that follows from the seed and the fold; raises NetworkError."""
        config = self.config
        torch.manual_seed(derive_seed(config.seed, fold))
        network = build_network(
            config.arch,
            class_count=self.class_count,
            image_size=config.image_size,
            dropout=config.dropout,
            auxiliary=not config.freeze,  # it helps the body learn
        )
        if self.pretrained is not None:
            load_pretrained(network, self.pretrained, image_size=config.image_size)
        if self.weights is not None:
            load_weights(network, self.weights)
        return network


def refuse_impossible(config: TrainConfig) -> None:
    """Raise UsageError for what needs no images to be seen: they may take minutes to decode."""
    choose_device(config.device)
    refuse_unfit(config.arch, class_count=2, image_size=config.image_size)
    if config.start_from is not None:
        _refuse_other_arch(config.start_from, config, load_checkpoint(config.start_from))
    elif config.pretrained:
        find_pretrained(config.arch, where=config.weights)


def choose_start(config: TrainConfig, dataset: Dataset) -> Start:
    """Return what the settings ask for; raises CheckpointError when an earlier model does not fit."""
    class_count = len(dataset.classes)
    if config.start_from is not None:
        earlier = load_checkpoint(config.start_from)
        _refuse_misfit(config.start_from, config, dataset, earlier)
        return Start(
            config=config,
            class_count=class_count,
            mean=earlier.mean,
            std=earlier.std,
            weights=earlier.states[0],
            seen=earlier.training.get("images", {}).get("digest", ""),
        )
    if config.pretrained:
        pretrained = find_pretrained(config.arch, where=config.weights)
        say(f"pretrained weights: {pretrained.path}")
        mean, std = pretrained.mean, pretrained.std
        return Start(config=config, class_count=class_count, mean=mean, std=std, pretrained=pretrained)
    learnt = dataset.measured or sorted({position for split in dataset.splits for position in split.train})
    measured = measure_channels(torch.from_numpy(dataset.pixels[list(learnt)]))
    return Start(config=config, class_count=class_count, mean=tuple(measured[0]), std=tuple(measured[1]))


def refuse_unfit_network(loader: Loader) -> None:
    """Raise NetworkError when the network cannot learn from such images, or from so few at once."""
    config = loader.config
    smallest = loader.choose_size(1)
    if smallest != config.image_size and not takes_other_sizes(config.arch):
        raise NetworkError(
            f"{config.arch} takes images of one size, {config.image_size} pixels, and they would grow from {smallest}.",
            hint="Use --progressive 1, or another --arch.",
        )
    rows = len(loader.indices) // loader.steps_per_epoch // loader.processes.count
    part = min(rows, math.ceil(config.batch_size / config.accumulate / loader.processes.count))
    rests = config.freeze or config.freeze_norm
    refuse_unfit(
        config.arch, class_count=loader.class_count, image_size=smallest, batch_size=2 if rests else max(1, part)
    )


def _refuse_misfit(path: Path, config: TrainConfig, dataset: Dataset, earlier: Checkpoint) -> None:
    _refuse_other_arch(path, config, earlier)
    hint = "Start from a model of the same classes, or leave --start-from out."
    refuse_other_classes(path, earlier, dataset.classes, hint=hint)
    networks = len(earlier.states)
    if networks > 1:
        raise CheckpointError(
            f"{path} holds {networks} networks, one for each fold; a training starts from one.",
            hint="Start from a model that was trained with --folds 0.",
        )


def _refuse_other_arch(path: Path, config: TrainConfig, earlier: Checkpoint) -> None:
    if resolve_arch(config.arch) != earlier.arch:
        raise CheckpointError(
            f"{path} is a {earlier.arch}, and this training is of a {config.arch}.",
            hint=f"Add --arch {earlier.arch} --image-size {earlier.image_size}.",
        )
