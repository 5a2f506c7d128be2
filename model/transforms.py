"""Whole batches of uint8 images to what a network takes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

# Values that are made floats at a time on a CPU, so that they stay in its cache; and images on a GPU.
CPU_VALUES = 1 << 20
GPU_PART = 1024


def normalize_batch(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Turn uint8 (N, H, W, 3) into channels_last float (N, 3, H, W) around zero; `mean` and `std` are (3,), 0-255."""
    scale, shift = 1.0 / std, -mean / std
    normalized = torch.empty(images.shape, dtype=torch.float32, device=images.device)
    factors = [repeat_for_row(factor, images.shape[2]) for factor in (scale, shift)]
    for part, target in divide_for_cache(images.contiguous(), normalized):
        scale_rows(target.copy_(part), *factors)
    return normalized.permute(0, 3, 1, 2)


def repeat_for_row(channels: Tensor, width: int) -> Tensor:
    """Return what (3,) or (N, 3) say of the channels for a whole row of pixels, as (1, 1, 3 * width) or (N, 1, ...).

    Three numbers at a time are too few for the vector units of a CPU.
    """
    return channels.view(-1, 1, channels.shape[-1]).repeat(1, 1, width)


def scale_rows(values: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Scale and shift float images (N, H, W, 3), which lie in memory so, in place; factors are of repeat_for_row."""
    rows = values.flatten(2)  # a view, of no images too
    torch.addcmul(shift, rows, scale, out=rows)
    return values


def write_bytes(values: Tensor, target: Tensor) -> None:
    """Write floats of 0 to 255 into uint8 of the same shape, what comes after the point left out."""
    if values.is_cuda:
        target.copy_(values)
    else:  # PyTorch (2.15) takes six times as long
        np.copyto(target.numpy(), values.numpy(), casting="unsafe")


def divide_for_cache(images: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield images a few at a time on a CPU, as several passes over a batch would each fetch it from memory; else many.

    With `others`, of as many rows, come their parts.
    """
    size = max(1, CPU_VALUES // images.shape[1:].numel()) if images.device.type == "cpu" else GPU_PART
    return zip(*(torch.split(tensor, size) for tensor in (images, *others)), strict=True)


def resize_batch(images: Tensor, size: int) -> Tensor:
    """Return uint8 images (N, H, W, 3) as (N, size, size, 3)."""
    if images.shape[1] == images.shape[2] == size:
        return images
    resized: Tensor = functional.resize(images.permute(0, 3, 1, 2), [size, size], antialias=True)
    return resized.permute(0, 2, 3, 1)


def measure_channels(images: Tensor) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation per channel, 0-255, of uint8 images (N, H, W, 3)."""
    means, squares = [], []
    for chunk in torch.split(images, 256):
        flat = chunk.reshape(-1, 3).double()
        means.append(flat.sum(dim=0))
        squares.append((flat * flat).sum(dim=0))
    n = images.numel() / 3
    mean = torch.stack(means).sum(dim=0) / n
    variance = (torch.stack(squares).sum(dim=0) / n - mean * mean).clamp(min=0.0)
    # A channel without any contrast would divide by zero.
    return mean.tolist(), variance.sqrt().clamp(min=1.0).tolist()
