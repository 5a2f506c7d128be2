"""Whole batches of uint8 images to what the network takes; augmentation is one affine sampling for all at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

# How far an image may be turned, enlarged, moved, and changed in brightness and contrast. Mild: what shows the class
# must stay in the picture.
MAX_DEGREES = 12.0
MIN_ZOOM = 0.75
MAX_SHIFT = 0.1
MAX_LIGHT = 0.25
# How far each colour channel may be scaled on its own, as another white balance or another depth of water would.
MAX_TINT = 0.25


def normalize_batch(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Turn uint8 (N, H, W, 3) into channels_last float (N, 3, H, W) around zero; `mean` and `std` are (3,), 0-255."""
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


def augment_batch(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror, turn, zoom, shift and relight each image of a normalised batch in its own way.

    `generator` is a CPU generator: the same seed gives the same pictures on every device.
    """
    n = batch.shape[0]
    mirror = torch.randint(0, 2, (n,), generator=generator) * 2.0 - 1.0
    angle = _uniform(n, math.radians(MAX_DEGREES), generator)
    zoom = MIN_ZOOM + (1.0 - MIN_ZOOM) * torch.rand(n, generator=generator)
    shift = _uniform(2 * n, MAX_SHIFT, generator).reshape(2, n)
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    rows = (mirror * cos, -sin, shift[0], mirror * sin, cos, shift[1])
    affine = torch.stack(rows, dim=1).reshape(n, 2, 3).to(batch.device)
    grid = functional.affine_grid(affine, list(batch.shape), align_corners=False)
    moved: Tensor = functional.grid_sample(batch, grid, padding_mode="reflection", align_corners=False)
    contrast = (
        1.0 + _uniform(n, MAX_LIGHT, generator).reshape(n, 1) + _uniform(3 * n, MAX_TINT, generator).reshape(n, 3)
    )
    brightness = _uniform(n, MAX_LIGHT, generator).reshape(n, 1) + _uniform(3 * n, MAX_TINT, generator).reshape(n, 3)
    light = torch.stack([contrast, brightness]).reshape(2, n, 3, 1, 1).to(batch.device)
    relit: Tensor = moved * light[0] + light[1]
    return relit.contiguous(memory_format=torch.channels_last)


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


def _uniform(n: int, limit: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(n, generator=generator) * 2.0 - 1.0) * limit
