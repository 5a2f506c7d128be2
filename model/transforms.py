"""Whole batches of uint8 images to what a network takes."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

# Images that a GPU makes floats of at a time.
GPU_PART = 1024


def normalize_batch(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Turn uint8 (N, H, W, 3) into channels_last float (N, 3, H, W) around zero; `mean` and `std` are (3,), 0-255."""
    scale, shift = 1.0 / std, -mean / std
    normalized = torch.empty(images.shape, dtype=torch.float32, device=images.device)
    for part, target in zip(divide_for_cache(images.contiguous()), divide_for_cache(normalized), strict=True):
        scale_channels(target.copy_(part), scale, shift)
    return normalized.permute(0, 3, 1, 2)


def scale_channels(values: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Scale and shift float images (N, H, W, 3), which lie in memory so, by (3,) or by (N, 3), in place."""
    count, height, width, channels = values.shape
    # A whole row at once: three numbers at a time are too few for the vector units of a CPU.
    rows = [factor.view(-1, 1, channels).repeat(1, 1, width) for factor in (shift, scale)]
    flat = values.view(count, height, width * channels)
    torch.addcmul(rows[0], flat, rows[1], out=flat)
    return values


def divide_for_cache(images: Tensor) -> tuple[Tensor, ...]:
    """Return images one by one on a CPU: several passes over a batch would each fetch it from memory; else many."""
    return torch.split(images, 1 if images.device.type == "cpu" else GPU_PART)


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
