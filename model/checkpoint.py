"""model.pt: all that is needed to build the network again and feed it; reading the file runs no code."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from model.atomic import write_file
from model.errors import CheckpointError, NetworkError
from model.networks.catalogue import build_network

# Raised whenever an older reader could not use the file.
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A network at rest; `mean` and `std` are per channel, 0-255. `training` is what going on would need."""

    arch: str
    classes: tuple[str, ...]
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    state: dict[str, Any]
    training: dict[str, Any]

    def build(self) -> nn.Module:
        """Return the trained network, ready to predict."""
        network = build_network(self.arch, class_count=len(self.classes), image_size=self.image_size)
        network.load_state_dict(self.state)
        return network.eval()


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint whole or not at all; raises SaveError."""
    content = {
        "format": FORMAT,
        "arch": checkpoint.arch,
        "classes": list(checkpoint.classes),
        "image_size": checkpoint.image_size,
        "mean": list(checkpoint.mean),
        "std": list(checkpoint.std),
        "state_dict": checkpoint.state,
        "training": checkpoint.training,
    }
    # Through memory: torch reports a full disk as a RuntimeError without its reason.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_file(path, buffer.getvalue())


def load_checkpoint(path: Path) -> Checkpoint:
    """Read model.pt or checkpoints/last.pt; raises CheckpointError."""
    if not path.is_file():
        raise CheckpointError(f"There is no model in {path}.", hint="Name the model.pt that the training wrote.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        _refuse_newer(path, content["format"])
        checkpoint = Checkpoint(
            arch=content["arch"],
            classes=tuple(content["classes"]),
            image_size=content["image_size"],
            mean=tuple(content["mean"]),
            std=tuple(content["std"]),
            state=content["state_dict"],
            training=content["training"],
        )
        checkpoint.build()
    except (CheckpointError, NetworkError):
        raise
    # What a damaged file makes the unpickler raise is unbounded: EOFError, RuntimeError, UnpicklingError, KeyError ...
    except Exception as error:
        raise CheckpointError(
            f"{path} is damaged or was not written by this program.", hint="Fetch it again, or train again."
        ) from error
    return checkpoint


def _refuse_newer(path: Path, number: int) -> None:
    if number > FORMAT:
        raise CheckpointError(f"{path} was written by a newer version.", hint="Update this installation.")
