"""A small residual network for training from scratch on hundreds or thousands of images."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SmallResNet(nn.Module):
    """Ten-odd layers of a ResNet with the changes that pay on little data.

    Three small convolutions instead of a large one and average pooling in the shortcuts, as in ResNet-D (He et al.,
    Bag of Tricks, 2019); squeeze-and-excitation (Hu et al., 2018); residual branches that begin as zero (Goyal et al.,
    2017); and a last layer that sees both the average and the maximum over the image: an animal in a corner vanishes
    in an average.
    """

    def __init__(
        self,
        class_count: int,
        *,
        widths: tuple[int, ...] = (48, 96, 192, 384),
        depths: tuple[int, ...] = (1, 1, 2, 1),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *_convolve(3, widths[0] // 2, stride=2), *_convolve(widths[0] // 2, widths[0]), nn.MaxPool2d(2)
        )
        blocks: list[nn.Module] = []
        channels = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for place in range(depth):
                blocks.append(_Block(channels, width, stride=2 if stage and not place else 1))
                channels = width
        self.features = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(2 * channels, class_count)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, classes) of normalised images (N, 3, H, W)."""
        features: Tensor = self.features(self.stem(images))
        pooled = torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits


class _Block(nn.Module):
    def __init__(self, channels: int, width: int, *, stride: int) -> None:
        super().__init__()
        branch = _convolve(channels, width, stride=stride) + _convolve(width, width)[:-1]
        nn.init.zeros_(branch[-1].weight)  # type: ignore[arg-type]  # the scale of a BatchNorm2d
        self.branch = nn.Sequential(*branch, _SqueezeExcitation(width))
        shortcut: list[nn.Module] = [nn.AvgPool2d(2, ceil_mode=True)] if stride == 2 else []
        if channels != width:
            shortcut += [nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)]
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.shortcut(features) + self.branch(features))


class _SqueezeExcitation(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width // 8, 1), nn.ReLU(), nn.Conv2d(width // 8, width, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        gated: Tensor = features * self.gate(features).sigmoid()
        return gated


def _convolve(channels: int, width: int, *, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return [convolution, nn.BatchNorm2d(width), nn.ReLU()]
