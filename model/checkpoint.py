"""model.pt: all that is needed to build the networks again and feed them; reading the file runs no code."""

from __future__ import annotations

import copy
import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model.atomic import write_file
from model.config import TTAS
from model.console import list_names
from model.errors import CheckpointError, NetworkError, SaveError
from model.networks.catalogue import build_empty, drop_auxiliary, refuse_unfit

# Raised whenever an older reader could not use the file. 2: several networks, temperature, views. 3: no dropout.
FORMAT = 3

# No training makes larger ones; a file that says so wants to fill the memory.
MAX_CLASSES = 100_000
MAX_IMAGE_SIZE = 4096
MAX_NETWORKS = 100


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Networks at rest, and what goes before and behind them.

    An image is decoded upright to RGB, 0-255, squashed to a square of `decode_size` pixels, shrunk to `image_size`, and
    normalised by `mean` and `std` per channel. Several `states` are asked together, and their probabilities averaged.
    `tta` names the views of an image whose probabilities are averaged; the logits are divided by `temperature`.
    `training` is what going on would need.
    """

    arch: str
    classes: tuple[str, ...]
    image_size: int
    decode_size: int = 0  # 0: image_size
    mean: tuple[float, ...]
    std: tuple[float, ...]
    states: tuple[dict[str, Any], ...]
    temperature: float = 1.0
    tta: str = "none"
    training: dict[str, Any] = field(default_factory=dict)
    torch_version: str = str(torch.__version__)

    def __post_init__(self) -> None:
        if not self.decode_size:
            object.__setattr__(self, "decode_size", self.image_size)

    def build(self, place: int = 0) -> nn.Module:
        """Return one of the trained networks, ready to predict; raises NetworkError when its weights do not fit."""
        network = self._build_empty()
        state = drop_auxiliary(self.states[place])
        _refuse_misfit(network, state)
        # `assign`: initial values, which take seconds, are never made. Of copies: who learns on leaves this one alone.
        network.load_state_dict(copy.deepcopy(state), assign=True)
        return network.to(memory_format=torch.channels_last).eval()

    def refuse_misfits(self) -> None:
        """Raise NetworkError when the networks cannot take such images, or the weights are not theirs."""
        refuse_unfit(self.arch, class_count=len(self.classes), image_size=self.image_size)
        network = self._build_empty()
        for state in self.states:
            _refuse_misfit(network, drop_auxiliary(state))

    def _build_empty(self) -> nn.Module:
        return build_empty(self.arch, class_count=len(self.classes), image_size=self.image_size)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint whole or not at all; raises SaveError."""
    content = {
        "format": FORMAT,
        "torch": checkpoint.torch_version,
        "arch": checkpoint.arch,
        "classes": list(checkpoint.classes),
        "image_size": checkpoint.image_size,
        "decode_size": checkpoint.decode_size,
        "mean": list(checkpoint.mean),
        "std": list(checkpoint.std),
        "states": [_pack(state) for state in checkpoint.states],
        "temperature": checkpoint.temperature,
        "tta": checkpoint.tta,
        "training": checkpoint.training,
    }
    # Through memory: torch reports a full disk as a RuntimeError without its reason.
    buffer = io.BytesIO()
    try:
        torch.save(content, buffer)
    except (MemoryError, RuntimeError) as error:  # torch's own where the buffer cannot grow
        raise SaveError(
            f"{path} cannot be written: memory is too short.", hint="Use a machine with more memory."
        ) from error
    write_file(path, buffer.getbuffer())


def load_checkpoint(path: Path) -> Checkpoint:
    """Read model.pt or checkpoints/last.pt; raises CheckpointError."""
    if not path.is_file():
        raise CheckpointError(f"There is no model in {path}.", hint="Name the model.pt that the training wrote.")
    try:
        _refuse_damaged(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        _refuse_newer(path, content["format"])
        checkpoint = _unpack(content)
        _refuse_absurd(checkpoint, path.stat().st_size)
        checkpoint.refuse_misfits()
    except CheckpointError:
        raise
    except PermissionError as error:
        raise CheckpointError(f"{path} may not be read.", hint="Ask its owner, or copy it.") from error
    # What a damaged or foreign file makes the unpickler raise is unbounded: EOFError, UnpicklingError, KeyError ...
    except Exception as error:
        reason = f": {error}" if isinstance(error, (NetworkError, _NotOursError)) else "."
        raise CheckpointError(
            f"{path} is damaged or was not written by this program{reason}", hint="Fetch it again, or train again."
        ) from error
    return checkpoint


def refuse_other_classes(path: Path, checkpoint: Checkpoint, classes: tuple[str, ...], *, hint: str) -> None:
    """Raise CheckpointError when a training on images of these classes cannot go on from a checkpoint."""
    if checkpoint.classes != classes:
        raise CheckpointError(
            f"{path} tells apart {list_names(checkpoint.classes)}; these images are {list_names(classes)}.", hint=hint
        )


class _NotOursError(Exception):
    """What the file says cannot be."""


def _pack(state: dict[str, Any]) -> dict[str, Any]:
    """Return weights as they are kept: on the CPU, in single precision, each alone in its memory."""
    packed = drop_auxiliary(state)
    for name, tensor in packed.items():
        kind = torch.float32 if tensor.is_floating_point() else tensor.dtype
        packed[name] = tensor.detach().to("cpu", kind).clone(memory_format=torch.contiguous_format)
    return packed


def _unpack(content: Mapping[str, Any]) -> Checkpoint:
    is_first_format = content["format"] == 1
    return Checkpoint(
        arch=content["arch"],
        classes=tuple(content["classes"]),
        image_size=content["image_size"],
        mean=tuple(content["mean"]),
        std=tuple(content["std"]),
        states=(content["state_dict"],) if is_first_format else tuple(content["states"]),
        training=content["training"],
        **(
            {}
            if is_first_format
            else {
                "decode_size": content["decode_size"],
                "temperature": content["temperature"],
                "tta": content["tta"],
                "torch_version": content["torch"],
            }
        ),
    )


def _refuse_newer(path: Path, number: int) -> None:
    if type(number) is not int or number < 1:
        raise _NotOursError(f"its format is {number!r}.")
    if number > FORMAT:
        raise CheckpointError(f"{path} was written by a newer version.", hint="Update this installation.")


def _refuse_damaged(path: Path) -> None:
    """Refuse archives that are cut off, changed, or grow when they are read; PyTorch does not look."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise _NotOursError("it is compressed.")
        if sum(member.file_size for member in members) > path.stat().st_size:
            raise _NotOursError("it claims to hold more than it does.")
        if archive.testzip() is not None:
            raise _NotOursError("a checksum is wrong.")


def _refuse_absurd(checkpoint: Checkpoint, file_bytes: int) -> None:
    """Refuse values that no training writes, before anything is built by them."""
    numbers = (*checkpoint.mean, *checkpoint.std, checkpoint.temperature)
    tensors = [tensor for state in checkpoint.states for tensor in state.values()]
    sizes = (checkpoint.image_size, checkpoint.decode_size)
    wrong = {
        "its classes are no distinct names": not all(isinstance(name, str) for name in checkpoint.classes)
        or len(set(checkpoint.classes)) < len(checkpoint.classes),
        f"it has {len(checkpoint.classes):,} classes": not 1 <= len(checkpoint.classes) <= MAX_CLASSES,
        f"its images have {checkpoint.image_size} pixels": not all(
            type(size) is int and 1 <= size <= MAX_IMAGE_SIZE for size in sizes
        ),
        "its normalisation is none": len(checkpoint.mean) != 3
        or len(checkpoint.std) != 3
        or not all(math.isfinite(number) for number in numbers)
        or min(checkpoint.std) <= 0,
        f"its temperature is {checkpoint.temperature}": not checkpoint.temperature > 0,
        f"its views are {checkpoint.tta!r}": checkpoint.tta not in TTAS,
        f"it holds {len(checkpoint.states)} networks": not 1 <= len(checkpoint.states) <= MAX_NETWORKS,
        "what it says of its training is no table": not isinstance(checkpoint.training, dict),
        "its weights are no tensors": not all(isinstance(tensor, Tensor) for tensor in tensors),
    }
    for reason, holds in wrong.items():
        if holds:
            raise _NotOursError(f"{reason}.")
    # A tensor may be a small one repeated without end.
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors) > file_bytes:
        raise _NotOursError("its weights are larger than the file.")
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise _NotOursError("some of its weights are no numbers.")


def _refuse_misfit(network: nn.Module, state: Mapping[str, Any]) -> None:
    expected, found = _list_shapes(network.state_dict()), _list_shapes(state)
    if found != expected:
        name = min(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        was, should = found.get(name, "missing"), expected.get(name, "unknown")
        raise NetworkError(f"its weights do not fit; {name} is {was} instead of {should}.")


def _list_shapes(state: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}" for name, tensor in state.items()}
