"""Mixup and CutMix: pairs of images blended or pasted into each other, and their labels in the same proportion."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from model.transforms import divide_for_cache, write_bytes

# The shapes of the beta distributions, as in torchvision's recipes (Zhang et al., 2018; Yun et al., 2019).
MIXUP_ALPHA = 0.2
CUTMIX_ALPHA = 1.0


def mix_batch(
    images: Tensor, targets: Tensor, *, class_count: int, mixup: float, cutmix: float, seed: int, step: int
) -> tuple[Tensor, Tensor]:
    """Return uint8 images (N, H, W, 3), mixed or not, and soft targets (N, classes).

    `mixup` and `cutmix` are the shares of all batches that are treated so, together at most 1; what happens to a batch
    follows from `seed` and `step` alone.
    """
    soft = functional.one_hot(targets, class_count).float()
    if not mixup and not cutmix:
        return images, soft
    numbers = np.random.Generator(np.random.Philox(key=seed, counter=[1, step, 0, 0]))
    choice = numbers.random()
    if choice >= mixup + cutmix:
        return images, soft
    partners = torch.from_numpy(numbers.permutation(len(images))).to(images.device, non_blocking=True)
    if choice < mixup:
        kept = numbers.beta(MIXUP_ALPHA, MIXUP_ALPHA)
        return _blend(images, partners, kept), soft * kept + soft[partners] * (1.0 - kept)
    height, width = images.shape[1:3]
    top, bottom, left, right = _choose_window(numbers, height, width)
    mixed = images.clone()
    mixed[:, top:bottom, left:right] = images[partners, top:bottom, left:right]
    kept = 1.0 - (bottom - top) * (right - left) / (height * width)
    return mixed, soft * kept + soft[partners] * (1.0 - kept)


def _blend(images: Tensor, partners: Tensor, kept: float) -> Tensor:
    """Return each image with the share `kept`, and its partner with the rest."""
    mixed = torch.empty_like(images, memory_format=torch.contiguous_format)
    flat = images.flatten(1)
    for part, others, target in divide_for_cache(flat, partners, mixed.view_as(flat)):
        blended = (part.float() * kept).add_(flat.index_select(0, others).float(), alpha=1.0 - kept)
        write_bytes(blended.round_(), target)
    return mixed


def _choose_window(numbers: np.random.Generator, height: int, width: int) -> tuple[int, int, int, int]:
    side = math.sqrt(1.0 - numbers.beta(CUTMIX_ALPHA, CUTMIX_ALPHA))
    rows, columns = int(height * side), int(width * side)
    row, column = int(numbers.integers(height)), int(numbers.integers(width))
    top, left = max(0, row - rows // 2), max(0, column - columns // 2)
    return top, min(height, row + rows - rows // 2), left, min(width, column + columns - columns // 2)
