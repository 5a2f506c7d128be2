"""Where a training stands: all that a resumed one could not work out again from its settings and its images."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(kw_only=True)
class Best:
    """The weights to keep, as far as known: those of `epoch`."""

    epoch: int = 0
    # Balanced accuracy first, then the loss, of the validation part.
    rank: tuple[float, float] = (-1.0, 0.0)
    weights: dict[str, Any] | None = None

    def take(self, epoch: int, rank: tuple[float, float], network: nn.Module) -> None:
        """Keep a copy of a network's weights."""
        self.epoch, self.rank, self.weights = epoch, rank, copy.deepcopy(network.state_dict())


@dataclass(kw_only=True)
class FinishedFold:
    """What is left of a network that has learnt: its weights, and its logits on the images it did not learn from."""

    epoch: int  # whose weights were kept
    epochs: int  # that it learnt
    steps: int
    precision: str
    weights: dict[str, Any]
    validation: Tensor
    test: Tensor


@dataclass(kw_only=True)
class TrainingState:
    """The present epoch and step, counted within the fold that follows the finished ones."""

    epoch: int = 1
    step: int = 0  # steps done in this epoch
    part_size: int  # images that a process computes at once
    loss_sum: Tensor
    # The first step of this epoch whose loss was no number: looked at now and then only, to let the GPU run ahead.
    bad_step: Tensor
    epoch_seconds: float = 0.0  # learning in this epoch
    epoch_wait_seconds: float = 0.0  # of them for images that were not there yet
    seconds: float = 0.0  # learning in all
    wait_seconds: float = 0.0
    images: int = 0  # shown in this time
    spent_seconds: float = 0.0  # of everything, in the runs that were stopped before this one
    best: Best = field(default_factory=Best)
    finished: list[FinishedFold] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)  # of metrics.jsonl
    notes: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, *, part_size: int, device: torch.device) -> TrainingState:
        """Return the state before the first step."""
        return cls(part_size=part_size, loss_sum=_nothing(device), bad_step=_never(device))

    @property
    def fold(self) -> int:
        """The fold that is learning, counted from 0."""
        return len(self.finished)

    def count_step(self, loss: Tensor, images: int) -> None:
        """Add a step's mean loss; nothing waits for the device."""
        self.step += 1
        self.images += images
        self.loss_sum += loss.double() * images
        is_bad = ~torch.isfinite(loss) & torch.isinf(self.bad_step)
        self.bad_step = torch.where(is_bad, float(self.step), self.bad_step)

    def find_bad_step(self) -> int | None:
        """Return the first step of this epoch whose loss was no number; waits for the device."""
        step = float(self.bad_step)
        return None if math.isinf(step) else int(step)

    def note(self, text: str) -> None:
        """Keep a remark for the report, once."""
        if text not in self.notes:
            self.notes.append(text)

    def end_epoch(self) -> None:
        """Go on to the next epoch."""
        self.seconds += self.epoch_seconds
        self.wait_seconds += self.epoch_wait_seconds
        self.epoch, self.step, self.epoch_seconds, self.epoch_wait_seconds = self.epoch + 1, 0, 0.0, 0.0
        self.loss_sum = torch.zeros_like(self.loss_sum)

    def end_fold(self, finished: FinishedFold) -> None:
        """Go on to the next fold."""
        self.end_epoch()
        self.finished.append(finished)
        self.epoch, self.best = 1, Best()

    def state_dict(self) -> dict[str, Any]:
        """Return plain values and tensors, as `torch.load` with `weights_only` takes them back."""
        plain = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return plain | {"best": vars(self.best), "finished": [vars(fold) for fold in self.finished]}

    @classmethod
    def restore(cls, saved: dict[str, Any], device: torch.device) -> TrainingState:
        """Return the state that `state_dict` described."""
        return cls(
            **saved
            | {
                "loss_sum": saved["loss_sum"].to(device),
                "bad_step": saved["bad_step"].to(device),
                "best": Best(**saved["best"]),
                "finished": [FinishedFold(**fold) for fold in saved["finished"]],
            }
        )


def _nothing(device: torch.device) -> Tensor:
    return torch.zeros((), dtype=torch.float64, device=device)


def _never(device: torch.device) -> Tensor:
    return torch.full((), math.inf, dtype=torch.float64, device=device)
