"""The baseline: a plain convolutional network that learns from a thousand images, as the first users wrote it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class ConvolutionalNetwork(nn.Module):
    """Five times convolution, normalisation and ReLU, each halving the image, then one linear layer.

    That layer sees both the average and the maximum over the image: an animal in a corner vanishes in an average
    (0.74 against 0.69 balanced accuracy on the aquarium images, mean of two seeds, 2026-11).
    The first convolution halves by its stride: at full resolution a pooled layer costs more than all others together.
    """

    def __init__(self, class_count: int, *, widths: tuple[int, ...] = (32, 64, 96, 192, 256)) -> None:
        super().__init__()
        blocks = [_convolve(3, widths[0], kernel_size=5, stride=2)]
        for channels, width in pairwise(widths):
            blocks += [_convolve(channels, width, kernel_size=3, stride=1), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(0.3)
        self.classifier = nn.Linear(2 * widths[-1], class_count)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, classes) of normalised images (N, 3, H, W)."""
        features: Tensor = self.features(images)
        pooled = torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits


def _convolve(channels: int, width: int, *, kernel_size: int, stride: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel_size, stride, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
