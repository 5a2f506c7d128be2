"""Pretrained weights of torchvision: found, fetched, checked, and put into a network of other classes and image size.

They are looked for in the place that --weights names, then in PyTorch's cache (TORCH_HOME), then fetched from the hub.
A file's name ends with the beginning of its SHA-256: no other file is taken, and none is run (`weights_only`).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models import VisionTransformer
from torchvision.models.vision_transformer import interpolate_embeddings

from model.digest import digest_file
from model.errors import NetworkError, UsageError, name_reason
from model.networks import stores
from model.networks.catalogue import OURS, load_weights, resolve_arch
from model.networks.heads import name_head

# Inception and GoogLeNet were trained on values from -1 to 1, all others as their weights say.
_BETWEEN_ONES = frozenset({"inception_v3", "googlenet"})

# `resnet18-f37072fd.pth`: what it is of, and how its SHA-256 begins.
_NAME = re.compile(r"(?P<stem>.+)-(?P<digest>[0-9a-f]{8,64})\.pth")

# How DenseNet's layers were called when its weights were made: `norm.1` is `norm1` now.
_OLD_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """Weights on this machine; `mean` and `std` per channel, 0-255, are what they want images normalised by."""

    arch: str
    path: Path
    mean: tuple[float, ...]
    std: tuple[float, ...]


def find_pretrained(arch: str, *, where: str = "") -> Pretrained:
    """Return torchvision's default weights of an architecture, fetched where needed; raises UsageError, SaveError.

    `where` is a folder or s3://bucket/prefix; it may also hold other weights of the architecture, in a file that is
    named as torchvision's are.
    """
    arch = resolve_arch(arch)
    if arch in OURS:
        raise NetworkError(
            f"{arch} has no pretrained weights.", hint="Use --arch resnet18, say, or leave --pretrained out."
        )
    published = models.get_model_weights(arch).DEFAULT
    path = _find_file(arch, published.url, where)
    _refuse_altered(path, path.name, url=published.url)
    transforms = published.transforms()
    mean, std = ((0.5,) * 3, (0.5,) * 3) if arch in _BETWEEN_ONES else (transforms.mean, transforms.std)
    return Pretrained(
        arch=arch, path=path, mean=tuple(255.0 * value for value in mean), std=tuple(255.0 * value for value in std)
    )


def load_pretrained(network: nn.Module, pretrained: Pretrained, *, image_size: int) -> None:
    """Give a network all weights but those of its heads, which stay as they are; raises UsageError."""
    state = _read(pretrained.path)
    # What depends on the classes: of Inception, two layers.
    heads = {f"{layer}.{kind}" for layer in (name_head(network), "AuxLogits.fc") for kind in ("weight", "bias")}
    for name in heads:
        state.pop(name, None)
    try:
        if isinstance(network, VisionTransformer):
            state = interpolate_embeddings(image_size, network.patch_size, state)
        load_weights(network, state, without=heads)
    # Position embeddings that are missing, or of another length.
    except (KeyError, NetworkError, RuntimeError, ValueError) as error:
        why = error.message if isinstance(error, NetworkError) else "Its layers have other shapes."
        raise UsageError(
            f"{pretrained.path} does not hold the weights of {pretrained.arch}. {why}",
            hint="Remove it, or choose the --arch that it is of.",
        ) from error


def _find_file(arch: str, url: str, where: str) -> Path:
    name = url.rpartition("/")[2]
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    searched = [str(cache)]
    check = partial(_refuse_altered, url=url)
    if where:
        place = stores.open_store(where)
        chosen = _choose(name, place.list_names(_parse(name)["stem"]), arch, where)
        if chosen:
            return place.bring(chosen, cache, check)
        searched.insert(0, where)
    if not (cache / name).is_file():
        try:
            stores.download(url, cache / name, check)
        except stores.UnreachableError as error:
            raise UsageError(
                f"{arch}'s pretrained weights, {name}, are not in {' nor in '.join(searched)},"
                f" and cannot be fetched from {url}: {error}.",
                hint=f"Fetch {url} where it can be reached, and put the file into {cache}, or into a folder"
                " or a bucket that --weights names (a folder, or s3://bucket/prefix).",
            ) from error
    return cache / name


def _choose(name: str, found: list[str], arch: str, where: str) -> str | None:
    """Return torchvision's default file where there is one, else the only other of the architecture."""
    if name in found:
        return name
    stem = _parse(name)["stem"]
    others = [other for other in found if (match := _NAME.fullmatch(other)) and match["stem"] == stem]
    if len(others) > 1:
        raise UsageError(
            f"{where} holds {len(others)} files with weights of {arch}: {', '.join(sorted(others))}.",
            hint=f"Leave one of them there, or add {name}, which goes first.",
        )
    return others[0] if others else None


def _refuse_altered(path: Path, called: str, *, url: str) -> None:
    """Raise UsageError unless the file at `path` is what it is called."""
    try:
        digest = digest_file(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {name_reason(error)}.") from error
    name, begins = _parse(called), digest[:8]
    if not digest.startswith(name["digest"]):
        raise UsageError(
            f"{path.with_name(called)} is truncated, altered or another file: its SHA-256 begins with {begins},"
            f" not with {name['digest'][:8]} as its name says.",
            hint=f"Fetch {url} again. Weights of your own are taken from the folder that --weights names, as"
            f" {name['stem']}-{begins}.pth.",
        )


def _parse(name: str) -> re.Match[str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"torchvision names its weights in a new way: {name}")
    return match


def _read(path: Path) -> OrderedDict[str, Tensor]:
    refusal = UsageError(
        f"{path} holds no weights that can be read.", hint="Remove it, or name torchvision's own files."
    )
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    # What a foreign file makes the unpickler raise is unbounded.
    except Exception as error:
        raise refusal from error
    if not isinstance(content, Mapping) or not all(isinstance(tensor, Tensor) for tensor in content.values()):
        raise refusal
    state = OrderedDict((_OLD_DENSENET.sub(r"\1\2", str(name)), tensor) for name, tensor in content.items())
    # What the layers noted of their versions, an attribute of PyTorch's dictionaries; MNASNet insists on it.
    vars(state).update(vars(content) if isinstance(content, OrderedDict) else {})
    return state
