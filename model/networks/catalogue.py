"""Every network by its name: ours, and the classifiers of torchvision."""

from __future__ import annotations

import difflib

import torch
from torch import nn
from torchvision import models

from model.errors import NetworkError
from model.networks.cnn import ConvolutionalNetwork
from model.networks.small_resnet import SmallResNet

OURS = {"small_resnet": SmallResNet, "cnn": ConvolutionalNetwork}


def list_archs() -> list[str]:
    """Return every name that `build_network` knows."""
    return [*OURS, *models.list_models(module=models)]


def build_network(arch: str, *, class_count: int, image_size: int) -> nn.Module:
    """Build an untrained network; raises NetworkError for an unknown name or a size that it cannot take."""
    known = list_archs()
    if arch not in known:
        close = difflib.get_close_matches(arch, known, n=1)
        hint = f"Did you mean {close[0]}?" if close else "Use small_resnet, or one of torchvision's, such as resnet18."
        raise NetworkError(f"There is no architecture {arch!r}.", hint=hint)
    if arch in OURS:
        network: nn.Module = OURS[arch](class_count)
    else:
        network = _build_torchvision(arch, class_count, image_size)
    return network.to(memory_format=torch.channels_last)


def _build_torchvision(arch: str, class_count: int, image_size: int) -> nn.Module:
    options: dict[str, object] = {}
    if arch in {"googlenet", "inception_v3"}:
        options = {"aux_logits": False, "init_weights": True}
    elif arch.startswith("vit_"):
        options = {"image_size": image_size}
    try:
        network: nn.Module = models.get_model(arch, weights=None, num_classes=class_count, **options)
        with torch.inference_mode():
            network.eval()(torch.zeros(1, 3, image_size, image_size))
    # Each architecture refuses a size that does not fit in its own way.
    except (AssertionError, RuntimeError, ValueError) as error:
        raise NetworkError(
            f"{arch} cannot take images of {image_size} pixels.", hint="Try --image-size 224, or another --arch."
        ) from error
    return network.train()
