"""Every network by its name: ours, and the classifiers of torchvision."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models
from torchvision.models.inception import (
    BasicConv2d,
    InceptionA,
    InceptionAux,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE,
)

from model.errors import NetworkError
from model.networks.cnn import ConvolutionalNetwork
from model.networks.heads import set_dropout
from model.networks.small_resnet import SmallResNet

OURS = {"small_resnet": SmallResNet, "cnn": ConvolutionalNetwork}
ALIASES = {"mobilenet_v3": "mobilenet_v3_large"}

# Heads in the middle of a network that help it learn and have no say in its answer.
AUXILIARY = ("AuxLogits.", "aux1.", "aux2.")

# What to propose in place of a size that does not fit; each architecture takes one of them.
USUAL_SIZES = (64, 96, 128, 160, 192, 224, 256, 299, 320, 384, 448, 512)


def list_archs() -> list[str]:
    """Return every name that `build_network` knows."""
    return [*OURS, *ALIASES, *models.list_models(module=models)]


def resolve_arch(arch: str) -> str:
    """Return the full name of an architecture; raises NetworkError for an unknown one."""
    known = list_archs()
    if arch not in known:
        close = difflib.get_close_matches(arch, known, n=1)
        hint = f"Did you mean {close[0]}?" if close else "Use small_resnet, or one of torchvision's, such as resnet18."
        raise NetworkError(f"There is no architecture {arch!r}.", hint=hint)
    return ALIASES.get(arch, arch)


def build_network(
    arch: str, *, class_count: int, image_size: int, dropout: float | None = None, auxiliary: bool = False
) -> nn.Module:
    """Build an untrained network; raises NetworkError for an unknown name or a size that it cannot take.

    `dropout` is the share of features dropped before the last layer, where the network drops any; None is the
    network's own. With `auxiliary`, inception_v3 answers (logits, logits of its auxiliary head) while it learns.
    """
    arch = resolve_arch(arch)
    refuse_unfit(arch, class_count=class_count, image_size=image_size, auxiliary=auxiliary)
    network = _construct(arch, class_count, image_size, auxiliary=auxiliary)
    if dropout is not None:
        set_dropout(network, dropout)
    return network.to(memory_format=torch.channels_last)


def build_empty(arch: str, *, class_count: int, image_size: int, auxiliary: bool = False) -> nn.Module:
    """Build a network without memory for its weights: their names and shapes; raises NetworkError."""
    arch = resolve_arch(arch)
    # RegNet asks tensors for their values while it is built.
    device = torch.device("cpu" if arch.startswith("regnet_") else "meta")
    try:
        with device:
            return _construct(arch, class_count, image_size, auxiliary=auxiliary).to("meta")
    # Each architecture refuses a size that does not fit in its own way, here or when it meets images.
    except (AssertionError, RuntimeError, ValueError) as error:
        raise NetworkError(f"{arch} cannot take images of {image_size} pixels.") from error


def refuse_unfit(arch: str, *, class_count: int, image_size: int, batch_size: int = 2, auxiliary: bool = False) -> None:
    """Raise NetworkError when a network cannot learn from so many images of this size at once; computes nothing."""
    arch = resolve_arch(arch)
    if _fits(arch, class_count, image_size, batch_size, auxiliary=auxiliary):
        return
    if batch_size < 2 and _fits(arch, class_count, image_size, 2, auxiliary=auxiliary):
        raise NetworkError(
            f"{arch} cannot learn from one image of {image_size} pixels at a time: batch normalisation needs two.",
            hint="Use a larger --batch-size or --image-size, a smaller --accumulate, or --freeze-norm.",
        )
    nearest = sorted(USUAL_SIZES, key=lambda size: abs(size - image_size))
    fitting = next((size for size in nearest if _fits(arch, class_count, size, 2, auxiliary=auxiliary)), None)
    hint = "Use another --arch." if fitting is None else f"Try --image-size {fitting}, or another --arch."
    raise NetworkError(f"{arch} cannot take images of {image_size} pixels.", hint=hint)


def takes_other_sizes(arch: str) -> bool:
    """Say whether a network that was built for one size of images takes others too."""
    return not resolve_arch(arch).startswith(("vit_", "maxvit_"))


def drop_auxiliary(state: dict[str, Any]) -> dict[str, Any]:
    """Return the weights without those of auxiliary heads."""
    kept = copy.copy(state)  # with what the layers noted of their versions, an attribute of PyTorch's dictionaries
    for name in state:
        if name.startswith(AUXILIARY):
            del kept[name]
    return kept


def load_weights(network: nn.Module, state: Mapping[str, Any], *, without: Collection[str] = ()) -> None:
    """Copy weights into a network; raises NetworkError where they differ.

    Auxiliary heads may be in one of them only, and what `without` names in the network only.
    """
    try:
        result = network.load_state_dict(state, strict=False)
    except (AssertionError, RuntimeError) as error:
        raise NetworkError("The weights do not fit the network: layers have other shapes.") from error
    missing = [name for name in result.missing_keys if not name.startswith(AUXILIARY) and name not in without]
    unexpected = [name for name in result.unexpected_keys if not name.startswith(AUXILIARY)]
    if missing or unexpected:
        why = f"{missing[0]} is missing" if missing else f"{unexpected[0]} is too much"
        raise NetworkError(f"The weights do not fit the network: {why}.")


def _fits(arch: str, class_count: int, image_size: int, batch_size: int, *, auxiliary: bool) -> bool:
    try:
        network = build_empty(arch, class_count=class_count, image_size=image_size, auxiliary=auxiliary)
        network.train()(torch.empty(batch_size, 3, image_size, image_size, device="meta"))
    except (NetworkError, AssertionError, RuntimeError, ValueError):
        return False
    return True


def _construct(arch: str, class_count: int, image_size: int, *, auxiliary: bool = False) -> nn.Module:
    if arch in OURS:
        ours: nn.Module = OURS[arch](class_count)
        return ours
    options: dict[str, object] = {}
    if arch == "inception_v3":
        options = {"aux_logits": auxiliary, "init_weights": True, "inception_blocks": _INCEPTION_BLOCKS}
    elif arch == "googlenet":
        options = {"aux_logits": False, "init_weights": True}
    elif arch.startswith("vit_"):
        options = {"image_size": image_size}
    elif arch.startswith("maxvit_"):
        options = {"input_size": (image_size, image_size)}
    network: nn.Module = models.get_model(arch, weights=None, num_classes=class_count, **options)
    return network


class _AuxiliaryHead(InceptionAux):  # type: ignore[misc]  # torchvision has no types
    """Inception's auxiliary head, for images smaller than the 299 pixels that it was made for."""

    SIDE = 17  # of the features of images of 299 pixels

    def forward(self, features: Tensor) -> Tensor:
        if min(features.shape[-2:]) < self.SIDE:
            features = functional.interpolate(features, size=(self.SIDE, self.SIDE))
        logits: Tensor = super().forward(features)
        return logits


_INCEPTION_BLOCKS = [BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, _AuxiliaryHead]
