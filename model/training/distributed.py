"""Several processes that learn together: each computes its rows of every batch, and all make the same step.

1. After a step every process holds the same network, batch statistics and average included: gradients are summed while
   they are computed (model/training/exchange.py), the loss is summed and statistics are averaged after that.
2. Before anything is done with them all agree that nobody has run out of memory; after the step, that nobody was told
   to stop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

from model.errors import ModelError
from model.launch import Launch

# A process may decode, or write a report, for long while the others wait for it.
WAIT = timedelta(minutes=30)

# What gloo and NCCL say of a connection whose other end is gone.
_LOST = re.compile(r"gloo|nccl|connection (closed|reset|refused)|broken pipe|timed? ?out|socket", re.IGNORECASE)


@dataclass(frozen=True)
class Processes:
    """All processes of a training, seen from one of them; without torchrun a single one, which exchanges nothing."""

    rank: int = 0
    count: int = 1
    words: Any = None  # for what is said on the CPU, also when gradients go from GPU to GPU

    @property
    def is_first(self) -> bool:
        """Whether this is the process that prints, writes and decides."""
        return self.rank == 0

    def share(self, total: int) -> slice:
        """Return this process's rows of `total`; the shares differ by one row at most."""
        return slice(total * self.rank // self.count, total * (self.rank + 1) // self.count)

    def agree(self, *questions: bool) -> tuple[bool, ...]:
        """Return for each question whether any process says yes."""
        if self.count == 1:
            return questions
        answers = torch.tensor(questions, dtype=torch.int32)
        distributed.all_reduce(answers, op=distributed.ReduceOp.MAX, group=self.words)
        return tuple(bool(answer) for answer in answers)

    def exchange(self, network: nn.Module, loss: Tensor) -> Tensor:
        """Sum the loss over the processes and average the batch statistics; return the sum of the losses."""
        if self.count == 1:
            return loss
        statistics = _list_learnt_buffers(network)
        tensors = [loss, *statistics]
        parts = [loss, *(statistic / self.count for statistic in statistics)]
        flat = torch.cat([part.reshape(-1).float() for part in parts])
        distributed.all_reduce(flat)
        for tensor, summed in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(summed.view_as(tensor))
        return loss

    def join(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rows of all processes, in the order of their shares."""
        if self.count == 1:
            return rows
        everybody: list[NDArray[np.float64] | None] = [None] * self.count
        distributed.all_gather_object(everybody, rows, group=self.words)
        return np.concatenate([part for part in everybody if part is not None])


@contextmanager
def join_processes(launch: Launch, device: torch.device) -> Iterator[Processes]:
    """Meet the processes that torchrun started, and part from them in the end."""
    if launch.count == 1:
        yield Processes()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with _telling_of_lost_processes():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=WAIT)
        words = distributed.new_group(backend="gloo", timeout=WAIT)
        yield Processes(rank=launch.rank, count=launch.count, words=words)
        distributed.destroy_process_group()


def _list_learnt_buffers(network: nn.Module) -> list[Tensor]:
    """Return the batch statistics that the last step changed; frozen ones are in evaluation mode."""
    learning = [module for module in network.modules() if module.training]
    buffers = [buffer for module in learning for buffer in module.buffers(recurse=False)]
    return [buffer for buffer in buffers if buffer.is_floating_point()]


@contextmanager
def _telling_of_lost_processes() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if not _LOST.search(str(error)):
            raise
        raise ModelError(
            "Another process of this training has ended; without it the training cannot go on.",
            hint="What it said stands above. The same command with --resume goes on from the last checkpoint.",
        ) from error
