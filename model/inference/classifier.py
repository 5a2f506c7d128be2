"""A trained model answering: uint8 images in, one probability per class out."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.checkpoint import Checkpoint
from model.data.images import Pixels
from model.device import choose_device
from model.inference.views import choose_batch_size, compute_logits
from model.memory import answer_in_parts
from model.transforms import normalize_batch, resize_batch


class Classifier:
    """A checkpoint's networks on a device; `decode_size` is the side of the images that it takes."""

    def __init__(self, checkpoint: Checkpoint, *, device: str) -> None:
        self._device = choose_device(device)
        self._image_size = checkpoint.image_size
        self._temperature = checkpoint.temperature
        self._tta = checkpoint.tta
        self._mean = torch.tensor(checkpoint.mean, device=self._device)
        self._std = torch.tensor(checkpoint.std, device=self._device)
        self.classes = checkpoint.classes
        self.decode_size = checkpoint.decode_size
        self.networks: tuple[nn.Module, ...] = tuple(
            checkpoint.build(place).to(self._device) for place in range(len(checkpoint.states))
        )

    def classify(self, pixels: Pixels) -> NDArray[np.float64]:
        """Return the probabilities (N, classes) of images (N, size, size, RGB).

        1. Each network's logits are those of the average over the views, divided by the temperature; the probabilities
           of several networks are averaged.
        2. An image's answer does not depend on those beside it, but for rounding.
        """
        logits = self.compute_logits(pixels)
        shares: NDArray[np.float64] = (logits / self._temperature).softmax(dim=2).mean(dim=0).numpy()
        return shares

    def compute_logits(self, pixels: Pixels) -> Tensor:
        """Return what each network says, (networks, N, classes), before the temperature."""
        images = torch.from_numpy(np.ascontiguousarray(pixels))
        if not len(images):
            return torch.empty(len(self.networks), 0, len(self.classes), dtype=torch.float64)
        part_size = choose_batch_size(self._image_size)
        return torch.stack(
            [answer_in_parts(partial(self._ask, network), images, part_size=part_size) for network in self.networks]
        )

    def _ask(self, network: nn.Module, images: Tensor) -> Tensor:
        images = images.to(self._device)
        return compute_logits(
            network, images, size=self._image_size, tta=self._tta, mean=self._mean, std=self._std
        ).cpu()

    def prepare(self, pixels: Pixels) -> Tensor:
        """Return images (N, size, size, RGB) as the networks take them, (N, 3, H, W): the whole picture's view."""
        images = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device)
        return normalize_batch(resize_batch(images, self._image_size), self._mean, self._std)
