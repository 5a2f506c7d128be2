"""The training loop: one epoch of learning, one pass of evaluation. Pixels stay uint8 until they reach the device."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from model.data.images import Pixels
from model.errors import UsageError
from model.transforms import augment_batch, normalize_batch

EVALUATION_BATCH = 128


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """All images on the device: `images` uint8 (N, H, W, 3), `targets` (N,), `mean` and `std` (3,), 0-255."""

    images: Tensor
    targets: Tensor
    mean: Tensor
    std: Tensor

    def load(self, indices: Tensor) -> Tensor:
        """Return a normalised batch."""
        indices = indices.to(self.images.device)
        return normalize_batch(self.images[indices], self.mean, self.std)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Probabilities (N, classes), targets (N,) and the mean cross-entropy of one part of the data."""

    probabilities: NDArray[np.float64]
    targets: NDArray[np.int64]
    loss: float


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """What learns, and by which rules."""

    network: nn.Module
    criterion: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Callable[[int], float]  # the learning rate of a step, counted from 0 over all epochs
    scaler: torch.amp.GradScaler
    precision: torch.dtype
    generator: torch.Generator


def build_trainer(
    network: nn.Module, *, targets: Tensor, class_count: int, learning_rate: float, steps: int, seed: int
) -> Trainer:
    """Put Adam, a warm-up with cosine decay over `steps`, and a loss that favours rare classes around a network."""
    device = targets.device
    precision = choose_precision(device)
    counts = torch.bincount(targets, minlength=class_count).clamp(min=1).float()
    # Half way between counting images alike and counting classes alike: balanced accuracy matters, and so do
    # probabilities.
    weight = (counts.sum() / (class_count * counts)).sqrt()
    return Trainer(
        network=network,
        criterion=nn.CrossEntropyLoss(weight=weight, label_smoothing=0.05),
        optimizer=torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.02),
        schedule=partial(compute_learning_rate, highest=learning_rate, steps=steps),
        scaler=torch.amp.GradScaler(device.type, enabled=precision is torch.float16),
        precision=precision,
        generator=torch.Generator().manual_seed(seed),
    )


def compute_learning_rate(step: int, *, highest: float, steps: int) -> float:
    """Return the learning rate of a step: up to `highest` in the first eighth, then down a cosine to a hundredth."""
    warm_up = max(1, steps // 8)
    if step < warm_up:
        return highest * (step + 1) / warm_up
    share = (step - warm_up) / max(1, steps - warm_up)
    return highest * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * share)))


def count_steps(image_count: int, batch_size: int) -> int:
    """Return the steps of an epoch."""
    return math.ceil(image_count / batch_size)


def train_one_epoch(
    trainer: Trainer,
    data: ImageSet,
    indices: Tensor,
    *,
    batch_size: int,
    first_step: int,
    shielded: Callable[[], AbstractContextManager[None]],
    progress: Callable[[int, int], None],
) -> float:
    """Show the network every image once and return the mean loss; `first_step` counts the steps of the epochs before.

    `shielded` keeps signals away from a step of the weights; `progress` gets the steps done and the steps in all.
    """
    trainer.network.train()
    order = indices[torch.randperm(len(indices), generator=trainer.generator)]
    # Parts of nearly equal size: a last batch of one image cannot be normalised.
    batches = order.tensor_split(count_steps(len(order), batch_size))
    total = torch.zeros((), device=data.images.device)
    for step, batch in enumerate(batches):
        for group in trainer.optimizer.param_groups:
            group["lr"] = trainer.schedule(first_step + step)
        images = augment_batch(data.load(batch), trainer.generator)
        targets = data.targets[batch.to(data.targets.device)]
        with torch.autocast(images.device.type, trainer.precision, enabled=trainer.precision is not torch.float32):
            loss = trainer.criterion(trainer.network(images), targets)
        trainer.optimizer.zero_grad(set_to_none=True)
        trainer.scaler.scale(loss).backward()
        with shielded():
            trainer.scaler.step(trainer.optimizer)
            trainer.scaler.update()
        total += loss.detach() * len(batch)
        progress(step + 1, len(batches))
    return float(total) / len(order)


@torch.inference_mode()
def evaluate(network: nn.Module, data: ImageSet, indices: Tensor) -> Evaluation:
    """Return what the network says about images, in full precision."""
    network.eval()
    logits = torch.cat([network(data.load(batch)) for batch in torch.split(indices, EVALUATION_BATCH)]).double()
    targets = data.targets[indices.to(data.targets.device)]
    return Evaluation(
        probabilities=logits.softmax(dim=1).cpu().numpy(),
        targets=targets.cpu().numpy(),
        loss=float(functional.cross_entropy(logits, targets)),
    )


def build_image_set(
    pixels: Pixels, targets: list[int], mean: list[float], std: list[float], device: torch.device
) -> ImageSet:
    """Move images, targets and channel statistics to the device."""
    return ImageSet(
        images=torch.from_numpy(pixels).to(device),
        targets=torch.tensor(targets, device=device),
        mean=torch.tensor(mean, device=device),
        std=torch.tensor(std, device=device),
    )


def choose_device(name: str) -> torch.device:
    """Return the device for `auto`, `cpu` or `cuda`; raises UsageError when there is no GPU that PyTorch can use."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("PyTorch finds no GPU on this machine.", hint="Use --device cpu, or mend the NVIDIA driver.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """Return `NVIDIA A10G` or `cpu (2 threads)`."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({torch.get_num_threads()} threads)"


def choose_precision(device: torch.device) -> torch.dtype:
    """Return bfloat16 where it has its own circuits, float16 on older GPUs, else float32.

    Elsewhere bfloat16 is emulated: 4.5 times slower on a CPU without AMX (measured, ResNet-18, Cascade Lake, 2026-11).
    """
    if device.type == "cuda":
        major, _minor = torch.cuda.get_device_capability(device)
        return torch.bfloat16 if major >= 8 else torch.float16
    return torch.bfloat16 if "amx_bf16" in _read_cpu_flags() else torch.float32


def _read_cpu_flags() -> frozenset[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return frozenset(line.partition(":")[2].split())
