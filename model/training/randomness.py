"""Chance that belongs to a step and a place in its batch, and to nothing else.

Then a step draws the same whether it is computed at once, in parts, in several processes, or again after a resume, and
no generator's state has to be kept.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from model.networks.heads import find_head


def derive_seed(*numbers: int) -> int:
    """Return a seed that follows from whole numbers alone."""
    text = " ".join(map(str, numbers))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


class Rows:
    """Which rows of the whole batch a network is about to see: `count` from `first` on, of `total`."""

    first = 0
    count = 1
    total = 1

    def choose(self, first: int, count: int, total: int, *, seed: int) -> None:
        """Name the rows; the next draws follow from `seed`."""
        self.first, self.count, self.total = first, count, total
        torch.manual_seed(seed)


class RowDropout(nn.Module):
    """Dropout that draws for the whole batch and uses its own rows; `whole` drops all of an image's features or none.

    It has no state, so that a checkpoint of the network does not know of it.
    """

    def __init__(self, rate: float, rows: Rows, *, whole: bool = False) -> None:
        super().__init__()
        self.rate = rate
        self.rests = False
        self._rows = rows
        self._whole = whole

    def forward(self, features: Tensor) -> Tensor:
        """Return the features, some of them zero and the others larger in proportion."""
        if self.rests or not self.training or not self.rate:
            return features
        times = len(features) // self._rows.count  # windows of an image, each a row, in some transformers
        shape = [self._rows.total * times, *([1] * (features.ndim - 1) if self._whole else features.shape[1:])]
        first = self._rows.first * times
        drawn = torch.rand(shape, device=features.device)[first : first + len(features)]
        return features * ((drawn >= self.rate).to(features.dtype) / (1.0 - self.rate))


def share_randomness(network: nn.Module) -> Rows:
    """Replace every dropout and stochastic depth of a network, and return what tells them their rows."""
    rows = Rows()
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Dropout):
                setattr(module, name, RowDropout(child.p, rows))
            elif isinstance(child, StochasticDepth):
                setattr(module, name, RowDropout(child.p, rows, whole=True))
    return rows


def list_head_dropouts(network: nn.Module) -> list[RowDropout]:
    """Return the dropouts between the last layer with weights before the head, and the head."""
    modules = list(network.modules())
    before = modules[: next(place for place, module in enumerate(modules) if module is find_head(network))]
    last = max((place for place, module in enumerate(before) if [*module.parameters(recurse=False)]), default=0)
    return [module for module in before[last:] if isinstance(module, RowDropout)]


def rest_body(network: nn.Module, *, rests: bool) -> None:
    """Let a body that does not learn answer as it will when it is asked: without dropout; the head keeps its own."""
    kept = list_head_dropouts(network)
    for module in network.modules():
        if isinstance(module, RowDropout):
            module.rests = rests and module not in kept
