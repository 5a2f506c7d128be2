"""A body that does not learn says the same of a picture in every epoch: it is asked once, the head learns from that.

The features of 50,000 pictures (ResNet-50, 2,048 of them) take 0.4 GB. Where they would take more than a part of the
memory they lie in a file, which is gone when the training ends, however it ends.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from model.atomic import save_error
from model.config import TrainConfig
from model.memory import answer_in_parts
from model.networks.heads import find_head
from model.training.batches import Batch, Loader
from model.training.randomness import derive_seed, list_head_dropouts
from model.training.trainer import Trainer

# Pictures that are asked about between two looks at whether a signal has come; every process takes its share of them.
ASKED_AT_ONCE = 1024
PART_SIZE = 128
# Of the memory of the machine, or of what a GPU has free.
MEMORY_SHARE = 0.25


def may_keep_features(config: TrainConfig) -> bool:
    """Say whether every epoch would show a frozen body the same pictures."""
    is_mixed = config.mixup > 0 or config.cutmix > 0
    return config.freeze and config.augment == "none" and not is_mixed and config.progressive == 1.0


@dataclass(frozen=True, kw_only=True)
class FeatureLoader(Loader):
    """Makes the batches of a training part from features (N, D) of all images; those of other parts are not filled."""

    features: Tensor

    def make_batch(self, indices: Tensor, weights: Tensor, *, epoch: int, step: int) -> Batch:  # noqa: ARG002
        """Return this process's rows of a batch; `step` counts from 0 over all epochs."""
        mine = self.processes.share(len(indices))
        labels = self.data.targets[indices].to(self.data.device, non_blocking=True)
        targets = functional.one_hot(labels, self.class_count).float()
        return Batch(
            images=self.load_for_evaluation(indices[mine]),
            targets=targets[mine],
            first=mine.start,
            total=len(indices),
            weight=(targets @ weights).sum(),
            seed=derive_seed(self.config.seed, step),
        )

    def load_for_evaluation(self, indices: Tensor) -> Tensor:
        """Return features on the device."""
        rows = self.features[indices.to(self.features.device, non_blocking=True)]
        return rows.to(self.data.device, non_blocking=True)


class Tail(nn.Sequential):
    """What follows the body of a network: its own dropout, as far as no layer comes in between, and its head."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(*list_head_dropouts(network), find_head(network))


def keep_features(trainer: Trainer, loader: Loader, validation: Tensor, tell: Callable[[int, int], None]) -> Loader:
    """Return a loader of the features of the training and validation images, and let the trainer learn from those.

    Where the head is not the last that a network does (SqueezeNet), nothing changes. `tell` gets the images done and
    the images in all; all processes call it at the same time, and it may raise.
    """
    head = find_head(trainer.network)
    # First what the first epoch shows, in its order: images that are still being read come in this order.
    shown = torch.cat([*loader.draw_batches(1), loader.indices, validation])
    wanted = torch.tensor(list(dict.fromkeys(shown.tolist())))
    if not isinstance(head, nn.Linear) or not _ask_body(trainer, loader, wanted[:1])[1]:
        return loader
    features = _allocate(len(loader.data.targets), head.in_features, loader)
    for first in range(0, len(wanted), ASKED_AT_ONCE):
        positions = wanted[first : first + ASKED_AT_ONCE]
        mine = answer_in_parts(
            lambda part: _ask_body(trainer, loader, part)[0],
            positions[loader.processes.share(len(positions))],
            part_size=PART_SIZE,
        )
        found = torch.from_numpy(loader.processes.join(mine.float().cpu().numpy()))
        features[positions.to(features.device)] = found.to(features.device)
        tell(first + len(positions), len(wanted))
    trainer.learn_from_features(Tail)
    return FeatureLoader(**vars(loader), features=features)


@torch.inference_mode()
def _ask_body(trainer: Trainer, loader: Loader, positions: Tensor) -> tuple[Tensor, bool]:
    """Return the features (N, D) that the head is given, and whether its answer is that of the network."""
    caught: list[tuple[Tensor, Tensor]] = []

    def catch(_head: nn.Module, given: tuple[Tensor, ...], said: Tensor) -> None:
        caught.append((given[0], said))

    network, precision = trainer.network.eval(), trainer.precision
    images = loader.load_for_evaluation(positions)
    hook = find_head(network).register_forward_hook(catch)
    try:
        with torch.autocast(images.device.type, precision, enabled=precision is not torch.float32):
            answer = network(images)
    finally:
        hook.remove()
    ((features, said),) = caught
    return features, answer is said and features.ndim == 2


def _allocate(rows: int, columns: int, loader: Loader) -> Tensor:
    """Return room for features: on the GPU, in memory, or in a file without a name beside the checkpoints."""
    needed = 4 * rows * columns
    device = loader.data.device
    if device.type == "cuda" and needed < MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]:
        return torch.zeros(rows, columns, device=device)
    if needed < MEMORY_SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        return torch.zeros(rows, columns)
    return map_file(rows, columns, loader.config.checkpoints)


def map_file(rows: int, columns: int, folder: Path) -> Tensor:
    """Return zeros in a file that has its space from the start: a disk that is full later would end the process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, 4 * rows * columns)
            return torch.from_numpy(np.memmap(file, dtype=np.float32, mode="w+", shape=(rows, columns)))
    except OSError as error:
        raise save_error(folder / "features", error) from error
