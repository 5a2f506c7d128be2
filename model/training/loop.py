"""The training loop: one epoch of learning, the gradient of one batch, one pass of evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from model.console import count, warn
from model.errors import ModelError
from model.memory import answer_in_parts, free_cached_memory, is_out_of_memory, leave_onednn
from model.training.batches import Batch, Loader
from model.training.distributed import Processes
from model.training.state import TrainingState
from model.training.trainer import Trainer

EVALUATION_BATCH = 128


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Logits (N, classes), targets (N,) and positions (N,) of one part of the data, and the mean cross-entropy.

    Of several views or networks the probabilities are averaged; `logits` are then the logarithms of these averages.
    """

    logits: NDArray[np.float64]
    targets: NDArray[np.int64]
    positions: NDArray[np.int64]
    loss: float

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The softmax of the logits, without a temperature."""
        powers = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return shares


def train_one_epoch(
    trainer: Trainer, loader: Loader, state: TrainingState, after_step: Callable[[int, int], None]
) -> float:
    """Show the network the images of an epoch, from `state.step` on, and return their mean loss.

    `after_step` gets the steps done and the steps in all. There the weights are whole and every process holds the same:
    the place for signals and checkpoints.
    """
    trainer.learning.train()
    batches = loader.draw_batches(state.epoch)
    for place in range(state.step, len(batches)):
        step = (state.epoch - 1) * len(batches) + place
        waited_before = loader.data.seconds_waited
        with trainer.phase("data"):
            batch = loader.make_batch(batches[place], trainer.class_weights, epoch=state.epoch, step=step)
        state.epoch_wait_seconds += loader.data.seconds_waited - waited_before
        trainer.begin_step(step)  # now: images that do not come leave the step before as it was
        loss = compute_gradient(trainer, batch, state)
        with trainer.phase("optimizer"):
            trainer.scaler.step(trainer.optimizer)
            trainer.scaler.update()
            if trainer.average is not None:
                trainer.average.update(step)
        state.count_step(loss, batch.total)
        after_step(place + 1, len(batches))
    return float(state.loss_sum) / sum(map(len, batches))


def compute_gradient(trainer: Trainer, batch: Batch, state: TrainingState) -> Tensor:
    """Leave the gradient of the whole batch in the network and return its mean loss.

    When memory is short, all processes halve what they compute at once and begin the batch again; raises ModelError
    when it is short for a single image. The batch statistics have then seen a few images twice.
    """
    while True:
        trainer.optimizer.zero_grad(set_to_none=True)
        is_short_here = False
        try:
            loss = _add_up_parts(trainer, batch, state.part_size)
        except (RuntimeError, MemoryError) as error:
            if not trainer.give_up_compiling(error):
                if not is_out_of_memory(error):
                    raise
                leave_onednn(error)
                is_short_here = True
            loss = None
        # Outside of `except`: the error holds the tensors that are to be freed.
        with trainer.phase("backward"):
            trainer.exchange.finish()
        is_short, must_repeat = trainer.processes.agree(is_short_here, loss is None)
        if loss is not None and not must_repeat:
            return trainer.processes.exchange(trainer.network, loss)
        if is_short:
            _halve_parts(state, len(batch.images), size=batch.images.shape[-2])


def _add_up_parts(trainer: Trainer, batch: Batch, part_size: int) -> Tensor:
    total = torch.zeros((), device=batch.images.device)
    for first in range(0, len(batch.images), part_size):
        rows = slice(first, first + part_size)
        targets = batch.targets[rows]
        trainer.rows.choose(batch.first + first, len(targets), batch.total, seed=batch.seed)
        with trainer.phase("forward"):
            images = batch.take(rows)
            with torch.autocast(images.device.type, trainer.precision, enabled=trainer.precision is not torch.float32):
                answer = trainer.answer(images)
            loss = trainer.compute_loss(answer, targets) / batch.weight
        if first + part_size >= len(batch.images):
            trainer.exchange.open()
        with trainer.phase("backward"):
            torch.autograd.backward(trainer.scaler.scale(loss))
        total += loss.detach()
    return total


def _halve_parts(state: TrainingState, rows: int, *, size: int) -> None:
    free_cached_memory()
    computed = min(state.part_size, rows)
    if computed <= 1:
        raise ModelError(
            f"Memory is too short for a single image of {size} pixels.",
            hint="Use a smaller --image-size or --arch, or a machine with more memory.",
        )
    state.part_size = (computed + 1) // 2
    note = f"out of memory with {count(computed, 'image')} at once; going on with {state.part_size} and the same batch"
    state.note(note)
    warn(f"{note[0].upper()}{note[1:]}.")


@torch.inference_mode()
def evaluate(
    network: nn.Module,
    load: Callable[[Tensor], Tensor],
    targets: Tensor,
    indices: Tensor,
    *,
    processes: Processes,
    between: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Return what a network says about images, in full precision; every process answers for its share.

    `load` returns what the network takes for positions in the whole set, to which `targets` belong too. `between` is
    called between batches, and may raise.
    """
    network.eval()

    def answer(part: Tensor) -> Tensor:
        logits: Tensor = network(load(part)).double().cpu()
        between()
        return logits

    mine = answer_in_parts(answer, indices[processes.share(len(indices))], part_size=EVALUATION_BATCH)
    logits = torch.from_numpy(processes.join(mine.numpy()))
    return Evaluation(
        logits=logits.numpy(),
        targets=targets[indices].numpy(),
        positions=indices.numpy(),
        loss=float(functional.cross_entropy(logits, targets[indices])),
    )
