"""The views of an image that a network is asked about; training and prediction ask in the same way."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from model.transforms import normalize_batch, resize_batch

# What the smaller view shows of each side: objects near the edge stay in it, small ones come nearer.
CROP_SHARE = 0.85

# Pixels of all images that a network looks at together: 128 images of 128 pixels. More are no faster on a CPU, and what
# VGG keeps of them fits into 4 GB.
BATCH_PIXELS = 128 * 128 * 128
MAX_BATCH = 256


def list_views(images: Tensor, *, size: int, tta: str) -> list[Tensor]:
    """Return the views of uint8 images (N, S, S, 3), each uint8 (N, size, size, 3).

    `none` is the whole image; `flip` adds its mirror; `crops` adds its middle, enlarged, and the mirror of that.
    """
    views = [resize_batch(images, size)]
    if tta == "crops":
        side = images.shape[1]
        margin = (side - max(1, round(side * CROP_SHARE))) // 2
        views.append(resize_batch(images[:, margin : side - margin, margin : side - margin], size))
    if tta != "none":
        views += [view.flip(2) for view in views]
    return views


def choose_batch_size(size: int) -> int:
    """Return how many images of `size` by `size` pixels a network is asked about at a time."""
    return max(1, min(MAX_BATCH, BATCH_PIXELS // (size * size)))


@torch.inference_mode()
def compute_logits(network: nn.Module, images: Tensor, *, size: int, tta: str, mean: Tensor, std: Tensor) -> Tensor:
    """Return the logarithms (N, classes) of the probabilities of uint8 images, averaged over their views."""
    views = [
        network(normalize_batch(view, mean, std)).double().log_softmax(dim=1)
        for view in list_views(images, size=size, tta=tta)
    ]
    return torch.logsumexp(torch.stack(views), dim=0) - math.log(len(views))
