"""In what order the training images are shown, and what a rare class is worth."""

from __future__ import annotations

import torch
from torch import Tensor

from model.data.ordering import draw_order


def order_samples(indices: Tensor, targets: Tensor, *, class_count: int, balance: str, seed: int, epoch: int) -> Tensor:
    """Return the positions of one epoch in the order of showing; the same for the same seed and epoch.

    `targets` are the labels of `indices`. With `balance="sampler"` images are drawn with replacement, every class as
    often as any other; else every image is shown once.
    """
    shares = None
    if balance == "sampler":
        counts = torch.bincount(targets, minlength=class_count).double()
        shares = (1.0 / counts[targets]).numpy()
        shares /= shares.sum()
    return indices[torch.from_numpy(draw_order(len(indices), seed=seed, epoch=epoch, shares=shares))]


def weigh_classes(targets: Tensor, *, class_count: int) -> Tensor:
    """Return a weight for each class, rare ones above 1.

    Half way between counting images alike and counting classes alike: balanced accuracy matters, and so do
    probabilities.
    """
    counts = torch.bincount(targets, minlength=class_count).clamp(min=1).float()
    return (counts.sum() / (class_count * counts)).sqrt()
