"""One step of two processes, run by torchrun: the second runs out of memory in the middle of its first backward pass.

The first process prints whether the gradients are those of one process, and how many images are computed at once.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from training_runs import SIZE, configure

from model.launch import read_launch
from model.training.batches import Batch
from model.training.distributed import Processes, join_processes
from model.training.loop import compute_gradient
from model.training.state import TrainingState
from model.training.trainer import Trainer

CPU = torch.device("cpu")
ROWS = 8


class ShortOnce(torch.autograd.Function):
    """Passes features on; the first gradient that comes back finds no memory."""

    is_short = False

    @staticmethod
    def forward(_context: object, features: Tensor) -> Tensor:
        return features.clone()

    @staticmethod
    def backward(_context: object, gradient: Tensor) -> Tensor:
        if ShortOnce.is_short:
            ShortOnce.is_short = False
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return gradient


class Network(nn.Module):
    """Two layers in buckets of their own; when the gradients of the head are on their way the memory is gone."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Linear(3 * SIZE * SIZE, 400, bias=False)
        self.head = nn.Linear(400, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(ShortOnce.apply(self.body(images.flatten(1))))
        return logits


def make_trainer(processes: Processes) -> Trainer:
    config = configure(Path(sys.argv[1]), augment="none", ema=0.0)
    return Trainer(Network(), config, steps=9, class_weights=torch.ones(2), device=CPU, processes=processes)


def make_batch(processes: Processes) -> Batch:
    images = torch.rand(ROWS, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    mine = processes.share(ROWS)
    return Batch(
        images=images[mine],
        targets=torch.eye(2)[torch.arange(ROWS) % 2][mine],
        first=mine.start,
        total=ROWS,
        weight=torch.tensor(float(ROWS)),
        seed=0,
    )


with join_processes(read_launch(), CPU) as together:
    ShortOnce.is_short = not together.is_first
    state = TrainingState.begin(part_size=ROWS // 2, device=CPU)
    shared, alone = make_trainer(together), make_trainer(Processes())
    compute_gradient(shared, make_batch(together), state)
    compute_gradient(alone, make_batch(Processes()), TrainingState.begin(part_size=ROWS, device=CPU))
    gradients = zip(shared.network.parameters(), alone.network.parameters(), strict=True)
    is_same = all(torch.allclose(mine.grad, theirs.grad, atol=1e-6) for mine, theirs in gradients)
    if together.is_first:
        print(f"same gradients: {is_same}, at once: {state.part_size}")
