"""An average of the weights over the last steps: it sees more images than any single step, and errs less."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


class WeightAverage:
    """The exponential moving average of a network's weights and batch statistics; `network` is that average."""

    def __init__(self, network: nn.Module, half_life_steps: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = 0.5 ** (1.0 / half_life_steps)
        self.follow(network)

    def follow(self, network: nn.Module) -> None:
        """Average what learns in a network from now on; all else is in the average already, and does not change."""
        self._pairs = _pair_up(self.network, network)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights of `step`, counted from 0, into the average; the first ones are soon forgotten."""
        decay = min(self._decay, (1.0 + step) / (10.0 + step))
        averaged, present = self._pairs
        torch._foreach_lerp_(averaged, present, 1.0 - decay)

    def state_dict(self) -> dict[str, Any]:
        """Return the averaged state."""
        return self.network.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up an average that was saved."""
        self.network.load_state_dict(state)


def _pair_up(averaged: nn.Module, present: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Return the tensors of both that are averaged; counters of batches are whole numbers and stay as they are."""
    pairs = [
        (old, new)
        for old_part, part in zip(averaged.modules(), present.modules(), strict=True)
        for (old, new) in zip(_list_own_tensors(old_part), _list_own_tensors(part), strict=True)
        if new.requires_grad or (part.training and new.dtype.is_floating_point and not isinstance(new, nn.Parameter))
    ]
    return [old for old, _ in pairs], [new for _, new in pairs]


def _list_own_tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]
