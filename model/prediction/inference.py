"""A trained network answering: uint8 images in, one probability per class out."""

from __future__ import annotations

import torch

from model.checkpoint import Checkpoint
from model.data.images import Pixels
from model.training.loop import EVALUATION_BATCH, choose_device
from model.transforms import normalize_batch


class Classifier:
    """A checkpoint's network on a device."""

    def __init__(self, checkpoint: Checkpoint, *, device: str) -> None:
        self._device = choose_device(device)
        self._network = checkpoint.build().to(self._device)
        self._mean = torch.tensor(checkpoint.mean, device=self._device)
        self._std = torch.tensor(checkpoint.std, device=self._device)

    @torch.inference_mode()
    def classify(self, pixels: Pixels) -> list[list[float]]:
        """Return the probabilities (N, classes) of images (N, size, size, RGB)."""
        shares: list[list[float]] = []
        for batch in torch.split(torch.from_numpy(pixels), EVALUATION_BATCH):
            images = normalize_batch(batch.to(self._device), self._mean, self._std)
            shares += self._network(images).double().softmax(dim=1).tolist()
        return shares
