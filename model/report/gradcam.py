"""Where a network looked: Grad-CAM, without knowing what the network is built of.

The gradient is multiplied with the feature map place by place before the channels are summed (HiResCAM: Draelos and
Carin, 2020), not averaged over the map first. For networks that end in an average, most of torchvision's, that is the
same; where the last layer takes a maximum (ours) or tells places apart (VGG), the average would light places that the
answer does not depend on. What is derived is the answer's logit against the mean of all: a softmax sees differences
only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import VisionTransformer

# The coarsest map that still says which part of a picture is meant. Networks that shrink their images further are asked
# one stage earlier.
MIN_CELLS = 4

Heat = NDArray[np.float32]


def compute_heat(network: nn.Module, images: Tensor, answers: Sequence[int]) -> Heat | None:
    """Return (N, rows, columns) from 0 to 1: what speaks for each image's answer, at the grain of the network's map.

    `images` are (N, 3, H, W) as the network takes them. None where the network has no map of places. A heat that is 0
    everywhere means that no place speaks for the answer. The network is left as it was, without gradients.
    """
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        # `clone` makes an ordinary tensor of one from inference mode; by its gradient even a frozen network has some.
        with torch.inference_mode(mode=False), torch.enable_grad(), _recorded(network) as maps:
            logits: Tensor = network(images.detach().clone().requires_grad_())
            chosen = maps[-1] if isinstance(network, VisionTransformer) else _choose_grid(maps)
            if chosen is None:
                return None
            places = torch.as_tensor(answers, device=logits.device).reshape(-1, 1)
            contrast = logits.gather(1, places).sum() - logits.mean(dim=1).sum()
            (gradient,) = torch.autograd.grad(contrast, [chosen], allow_unused=True)
    finally:
        for module, was_training in modes.items():
            module.training = was_training
    return None if gradient is None else _stretch_to_one(_sum_channels((gradient * chosen).detach().float()))


@contextmanager
def _recorded(network: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the maps of places that a network computes, in their order."""
    maps: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.requires_grad:
            maps.append(output)

    handles = [module.register_forward_hook(keep) for module in _list_parts(network)]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def _list_parts(network: nn.Module) -> list[nn.Module]:
    if isinstance(network, VisionTransformer):
        # After its last attention only the class token reaches the answer: the tokens of the places are last heard
        # where they enter it.
        return [network.encoder.layers[-1].ln_1]
    return list(network.modules())


def _choose_grid(maps: Sequence[Tensor]) -> Tensor | None:
    """Return the last map that is fine enough, else the last that has places at all."""
    grids = [output for output in maps if output.dim() == 4 and min(output.shape[2:]) > 1]
    fine = [output for output in grids if min(output.shape[2:]) >= MIN_CELLS]
    known = fine or grids
    return known[-1] if known else None


def _sum_channels(product: Tensor) -> Tensor:
    """Return (N, rows, columns) of a map (N, channels, rows, columns) or tokens (N, 1 + rows * columns, channels)."""
    if product.dim() == 4:
        return product.sum(dim=1)
    side = math.isqrt(product.shape[1] - 1)
    return product[:, 1:].sum(dim=2).reshape(-1, side, side)


def _stretch_to_one(heat: Tensor) -> Heat:
    heat = heat.relu()
    highest = heat.amax(dim=(1, 2), keepdim=True)
    scaled: Heat = (heat / highest.clamp(min=1e-30)).cpu().numpy()
    return scaled
