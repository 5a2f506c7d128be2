"""Adam and AdamW over a network's weights, and the learning rate of every step."""

from __future__ import annotations

import math

import torch
from torch import nn

# One-cycle begins at a 25th of the highest rate and ends at a ten-thousandth of that (Smith and Topin, 2018; the
# defaults of torch.optim.lr_scheduler.OneCycleLR).
ONE_CYCLE_START = 1.0 / 25.0
ONE_CYCLE_END = 1e-4

# Adam takes a whole step for a gradient as small as its own rounding, 1e-9 to 1e-7 in float32: weights that hardly
# learn then differ by the way in which a batch was divided (by 0.01 after 21 steps of small_resnet, 2026-11; with
# 1e-6, which BERT was trained with, now and then still by 0.0004). With the larger of these, below which a gradient
# makes less than half a step, by 5e-6. The other is PyTorch's.
EPSILON = 1e-8
EXACT_EPSILON = 1e-5

# Where PyTorch has a kernel that makes the whole step in one pass over the memory; on a GPU it also learns from the
# scaler of float16 whether to make the step at all, which the program would have to wait for.
FUSED_DEVICES = frozenset({"cpu", "cuda"})


def build_optimizer(
    network: nn.Module, *, name: str, weight_decay: float, is_exact: bool = False
) -> torch.optim.Optimizer:
    """Return `adam` or `adamw` for what a network learns; the caller sets the learning rate before every step.

    Vectors (biases, the scales of normalisation) do not decay: torchvision's and FFCV's recipes. With `is_exact`, what
    is learnt follows from the gradient but for rounding.
    """
    learnt = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in learnt if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in learnt if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    kind: type[torch.optim.Adam] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    return kind(
        [group for group in groups if group["params"]],
        lr=0.0,
        eps=EXACT_EPSILON if is_exact else EPSILON,
        fused=all(parameter.device.type in FUSED_DEVICES for parameter in learnt),
    )


def compute_learning_rate(step: int, *, highest: float, steps: int, schedule: str, warm_up: float) -> float:
    """Return the learning rate of a step, counted from 0; `warm_up` is the share of the steps in which it rises.

    `cosine` rises in a line and falls along a cosine to zero; `one-cycle` rises and falls along cosines.
    """
    rising = round(steps * warm_up)
    if schedule == "one-cycle":
        lowest = highest * ONE_CYCLE_START
        if step < rising:
            return lowest + (highest - lowest) * _ease(step / rising)
        return highest - (highest - lowest * ONE_CYCLE_END) * _ease((step - rising) / max(1, steps - 1 - rising))
    if step < rising:
        return highest * (step + 1) / rising
    return highest * (1.0 - _ease((step - rising) / max(1, steps - rising)))


def _ease(share: float) -> float:
    """Return 0 to 1 along half a cosine."""
    return 0.5 * (1.0 - math.cos(math.pi * min(1.0, share)))
