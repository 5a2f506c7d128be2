"""All epochs of one network: learn, examine, write down, keep the best, and stop where there is reason to."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from model.checkpoint import Checkpoint
from model.config import TrainConfig
from model.console import format_duration, say
from model.data.dataset import Dataset
from model.errors import Interrupted, ModelError, SaveError
from model.evaluation.metrics import compute_balanced_accuracy, count_confusions
from model.evaluation.results import EpochLog
from model.interruption import Interruption
from model.networks.catalogue import drop_auxiliary
from model.progress import PROGRESS_SECONDS, every
from model.training.batches import ImageSet, Loader
from model.training.distributed import Processes
from model.training.features import keep_features, may_keep_features
from model.training.loop import Evaluation, evaluate, train_one_epoch
from model.training.profile import EpochProfile
from model.training.resume import CheckpointKeeper, describe_settings
from model.training.state import TrainingState
from model.training.trainer import Trainer

# How often the loss is looked at: each look makes the program wait for the GPU.
LOOK_STEPS = 50


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a training meets besides its network; `log` and `keeper` are those of the first process."""

    config: TrainConfig
    dataset: Dataset
    data: ImageSet
    log: EpochLog
    keeper: CheckpointKeeper
    processes: Processes
    interruption: Interruption
    images: dict[str, Any]  # what tells them from others
    began: float  # by time.perf_counter()

    def stop_if_told(self) -> None:
        """Raise Interrupted in every process when one of them was told to stop; all must ask at the same time."""
        (is_told,) = self.processes.agree(self.interruption.is_received)
        if is_told:
            self.interruption.stop()

    def stop_if_alone_and_told(self) -> None:
        """Raise Interrupted where no other process would wait for this one for ever."""
        if self.processes.count == 1:
            self.stop_if_told()


class EpochRunner:
    """One network's epochs, from where `state` stands to the last one."""

    def __init__(self, around: Surroundings, loader: Loader, trainer: Trainer, state: TrainingState) -> None:
        self._around = around
        self._loader = loader
        self._trainer = trainer
        self._state = state
        self._validation = torch.tensor(around.dataset.splits[state.fold].validation)
        self._is_line_due = every(PROGRESS_SECONDS)
        self._began = time.perf_counter()
        self._steps = 0  # since then
        self._first = state.epoch

    def run(self) -> None:
        """Learn until the last epoch or until nothing gets better; raises Interrupted.

        `state.best` is then what to keep. With an average of weights and no patience that is the last epoch: at the
        end of a schedule that ends at zero it is as good as the best, and has not been chosen by the few validation
        images, whose figures would then be too high. Else it is the best of the validation images.
        """
        config, state = self._around.config, self._state
        if may_keep_features(config):
            self._keep_features()
        while state.epoch <= self._loader.epochs and not self._is_tired():
            self._run_epoch()
        if self._keeps_last:
            state.best.take(state.epoch - 1, state.best.rank, self._trainer.learnt)
        elif state.epoch <= self._loader.epochs:
            text = f"stopped after epoch {state.epoch - 1}: {config.patience} epochs without a better one"
            note = f"fold {state.fold + 1} {text}" if config.folds else text
            state.note(note)
            say(note)

    @property
    def _keeps_last(self) -> bool:
        return self._around.config.ema > 0 and self._around.config.patience == 0

    def _is_tired(self) -> bool:
        patience, state = self._around.config.patience, self._state
        return bool(patience) and state.epoch - 1 - state.best.epoch >= patience

    def _run_epoch(self) -> None:
        around, state = self._around, self._state
        self._epoch_began = time.perf_counter() - state.epoch_seconds
        if self._is_profiled:
            self._trainer.phase.start(EpochProfile(around.config.output, around.data, where=self._name_epoch()))
        train_loss = train_one_epoch(self._trainer, self._loader, state, self._after_step)
        state.epoch_seconds = time.perf_counter() - self._epoch_began  # all that was asked of a GPU is done now
        self._trainer.phase.end()
        self._refuse_nonsense()
        examined = evaluate(
            self._trainer.examined,
            self._loader.load_for_evaluation,
            around.data.targets,
            self._validation,
            processes=around.processes,
            between=around.stop_if_alone_and_told,
        )
        if not np.isfinite(examined.loss):
            raise self._diverged(state.step)
        self._meet_all_images()  # before the epoch counts: a signal that comes meanwhile finds it unfinished
        line = self._describe_epoch(train_loss, examined)
        rank = (line["validation_balanced_accuracy"], -examined.loss)
        if not self._keeps_last and rank > state.best.rank:
            state.best.take(state.epoch, rank, self._trainer.learnt)
        state.lines.append(line)
        write_line(around, line)
        say(
            f"{self._name_epoch()}  loss {train_loss:.3f}  val loss {examined.loss:.3f}"
            f"  acc {line['validation_accuracy']:.2f} (balanced {line['validation_balanced_accuracy']:.2f})"
            f"  {line['images_per_second']:,.0f} img/s  ETA {self._estimate_rest()}"
        )
        state.end_epoch()

    def _meet_all_images(self) -> None:
        """At the end of the first epoch of a set that was still being read: tell what only all images show."""
        if not self._around.images["is_complete"]:
            self._around.dataset.complete(self._around.stop_if_alone_and_told)
            self._around.data.raise_unreadable()
            self._around.images["is_complete"] = True

    def _keep_features(self) -> None:
        began, waited_before = time.perf_counter(), self._around.data.seconds_waited
        self._loader = keep_features(self._trainer, self._loader, self._validation, self._after_features)
        self._began = time.perf_counter()
        self._state.epoch_seconds += self._began - began
        self._state.epoch_wait_seconds += self._around.data.seconds_waited - waited_before

    def _after_features(self, done: int, total: int) -> None:
        self._around.stop_if_told()
        if done == total or self._is_line_due():
            say(f"features of {done:,}/{total:,} images")

    def _after_step(self, done: int, steps: int) -> None:
        state = self._state
        self._steps += 1
        state.epoch_seconds = time.perf_counter() - self._epoch_began
        self._around.stop_if_told()
        if done % LOOK_STEPS == 0:
            self._refuse_nonsense()
        if self._around.processes.is_first and self._around.keeper.is_due:
            self.save()
        if done < steps and self._is_line_due():
            say(f"{self._name_epoch()}  step {done}/{steps}")
        self._trainer.phase.count_step()

    @property
    def _is_profiled(self) -> bool:
        """Whether this is the epoch to record: the second of this run, when all is warm, or the only one."""
        is_asked = self._around.config.profile and self._around.processes.is_first and not self._state.finished
        return is_asked and self._state.epoch == min(self._first + 1, self._loader.epochs)

    def save(self) -> bool:
        """Write last.pt, unless the weights are no numbers: then the one before stays, and ModelError is raised."""
        self._refuse_nonsense()
        if not all(bool(torch.isfinite(tensor).all()) for tensor in self._trainer.network.parameters()):
            raise self._diverged(self._state.step)
        weights = drop_auxiliary(self._trainer.learnt.state_dict())
        training = {"state": describe_state(self._around, self._state), "trainer": self._trainer.state_dict()}
        return self._around.keeper.save(pack(self._around, (weights,), training))

    def save_and_tell(self, error: Interrupted) -> None:
        """Write last.pt because of an interruption, and complete its message."""
        state, loader = self._state, self._loader
        where = f"in {self._name_epoch()} after step {state.step} of {loader.steps_per_epoch}"
        if state.epoch > loader.epochs:
            where = "after the last epoch"
        kept = "nothing was saved."
        if self._around.processes.is_first and self.save():
            kept = f"saved {self._around.keeper.path}. The same command with --resume goes on."
        error.message = f"{error.message[:-1]} {where}; {kept}"

    def _describe_epoch(self, train_loss: float, examined: Evaluation) -> dict[str, Any]:
        config, state, loader = self._around.config, self._state, self._loader
        step_seconds = state.epoch_seconds - state.epoch_wait_seconds
        matrix = count_confusions(examined.logits.argmax(axis=1), examined.targets, loader.class_count)
        return {
            "epoch": state.epoch,
            **({"fold": state.fold + 1} if config.folds else {}),
            "train_loss": round(train_loss, 6),
            "validation_loss": round(examined.loss, 6),
            "validation_accuracy": round(float(np.trace(matrix) / matrix.sum()), 6),
            "validation_balanced_accuracy": round(compute_balanced_accuracy(matrix), 6),
            "learning_rate": self._trainer.choose_learning_rate(state.epoch * loader.steps_per_epoch - 1),
            "image_size": loader.choose_size(state.epoch),
            "data_wait_seconds": round(state.epoch_wait_seconds, 3),
            "step_seconds": round(step_seconds, 3),
            "images_per_second": round(len(loader.indices) / max(state.epoch_seconds, 1e-9), 3),
            "step_images_per_second": round(len(loader.indices) / max(step_seconds, 1e-9), 3),
            "seconds": round(time.perf_counter() - self._epoch_began, 3),
        }

    def _name_epoch(self) -> str:
        return name_epoch(self._around.config, self._loader, self._state)

    def _estimate_rest(self) -> str:
        """Return how long all steps to come take, at the pace so far; the folds to come are as long as this one."""
        folds = max(1, self._around.config.folds) - self._state.fold
        rest = (self._loader.epochs * folds - self._state.epoch) * self._loader.steps_per_epoch
        return format_duration((time.perf_counter() - self._began) / max(1, self._steps) * rest)

    def _refuse_nonsense(self) -> None:
        bad_step = self._state.find_bad_step()
        if bad_step is not None:
            raise self._diverged(bad_step)

    def _diverged(self, step: int) -> ModelError:
        path = self._around.keeper.path
        kept = f" {path} holds the training before that." if path.is_file() else ""
        return ModelError(
            f"The training diverged in {self._name_epoch()}, step {step}: the loss or a weight is no longer a number."
            f"{kept}",
            hint=f"Use a smaller --learning-rate than {self._around.config.learning_rate:g}.",
        )


def name_epoch(config: TrainConfig, loader: Loader, state: TrainingState) -> str:
    """Return `epoch 3/40`, with folds `fold 2/5 epoch 3/40`."""
    fold = f"fold {state.fold + 1}/{config.folds} " if config.folds else ""
    return f"{fold}epoch {min(state.epoch, loader.epochs)}/{loader.epochs}"


def keep_finished(around: Surroundings, state: TrainingState) -> None:
    """Write last.pt when all folds are finished: what is left to do are the results."""
    weights = tuple(fold.weights for fold in state.finished)
    around.keeper.save(pack(around, weights, {"state": describe_state(around, state)}))


def describe_state(around: Surroundings, state: TrainingState) -> dict[str, Any]:
    """Return the state as a run to come will find it: what this one has spent is then spent before."""
    spent = state.spent_seconds + time.perf_counter() - around.began
    return state.state_dict() | {"spent_seconds": spent}


def pack(
    around: Surroundings, weights: tuple[dict[str, Any], ...], training: dict[str, Any], *, temperature: float = 1.0
) -> Checkpoint:
    """Return networks at rest; several are asked together. `training` is what going on would need."""
    config, data = around.config, around.data
    return Checkpoint(
        arch=config.arch,
        classes=around.dataset.classes,
        image_size=config.image_size,
        decode_size=config.decode_size,
        mean=tuple(data.mean.tolist()),
        std=tuple(data.std.tolist()),
        states=weights,
        temperature=temperature,
        tta=config.tta,
        training={"settings": describe_settings(config), "images": around.images} | training,
    )


def write_line(around: Surroundings, line: dict[str, Any]) -> None:
    """Add a line to metrics.jsonl; a full disk costs a warning, not the training."""
    if not around.processes.is_first:
        return
    try:
        around.log.append(line)
    except SaveError as error:
        around.keeper.warn(error)
