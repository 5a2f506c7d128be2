"""All epochs: learn, examine, remember the best, and save what there is when a signal ends it."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from typing import Any

import torch

from model.checkpoint import Checkpoint, save_checkpoint
from model.config import TrainConfig
from model.console import format_duration, say
from model.data.dataset import PROGRESS_SECONDS, Dataset, every
from model.errors import Interrupted, ModelError
from model.evaluation.metrics import compute_metrics
from model.evaluation.results import EpochLog
from model.interruption import Interruption
from model.networks.catalogue import build_network
from model.training.loop import (
    Evaluation,
    ImageSet,
    Trainer,
    build_image_set,
    build_trainer,
    choose_device,
    count_steps,
    describe_device,
    evaluate,
    train_one_epoch,
)
from model.transforms import measure_channels

# A checkpoint for the case that nobody gets to send a signal; oftener would slow short epochs down.
CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """The best epoch's network at rest, and what it says about the images it never learnt from."""

    checkpoint: Checkpoint
    validation: Evaluation
    test: Evaluation
    best_epoch: int
    device: str
    precision: str
    training_seconds: float
    images_per_second: float


@dataclass
class _Progress:
    """What changes while epochs pass."""

    epoch: int = 0
    best_epoch: int = 0
    best_rank: tuple[float, float] = (-1.0, 0.0)
    best_state: dict[str, Any] | None = None
    training_seconds: float = 0.0


def fit(config: TrainConfig, dataset: Dataset, log: EpochLog, interruption: Interruption) -> Fitted:
    """Train for `config.epochs` and return the best by balanced accuracy on the validation images.

    1. On CPU the result is the same for the same images, configuration, machine and versions.
    2. When a signal comes, checkpoints/last.pt is written and Interrupted raised.
    """
    torch.manual_seed(config.seed)
    device = choose_device(config.device)
    torch.backends.cudnn.benchmark = True  # every batch has one of two sizes: trying algorithms once pays
    network = build_network(config.arch, class_count=len(dataset.classes), image_size=config.image_size).to(device)
    mean, std = measure_channels(torch.from_numpy(dataset.pixels[list(dataset.split.train)]))
    data = build_image_set(dataset.pixels, dataset.targets, mean, std, device)
    train = torch.tensor(dataset.split.train)
    epochs = config.count_epochs(len(train))
    trainer = build_trainer(
        network,
        targets=data.targets[train.to(device)],
        class_count=len(dataset.classes),
        learning_rate=config.learning_rate,
        steps=epochs * count_steps(len(train), config.batch_size),
        seed=config.seed,
    )
    parameters = sum(parameter.numel() for parameter in network.parameters())
    say(f"{config.arch} with {parameters:,} parameters on {describe_device(device)}, {_name(trainer.precision)}")

    progress = _Progress()
    try:
        _run_epochs(config, dataset, data, trainer, progress, log, interruption)
        network.load_state_dict(progress.best_state or network.state_dict())
        validation = evaluate(network, data, torch.tensor(dataset.split.validation))
        test = evaluate(network, data, torch.tensor(dataset.split.test))
    except Interrupted as error:
        path = config.checkpoints / "last.pt"
        save_checkpoint(path, _pack(config, dataset, data, trainer, progress))
        epoch = min(progress.epoch + 1, epochs)
        error.message = f"{error.message[:-1]} in epoch {epoch} of {epochs}; saved {path}"
        raise
    return Fitted(
        checkpoint=_pack(config, dataset, data, None, progress),
        validation=validation,
        test=test,
        best_epoch=progress.best_epoch,
        device=describe_device(device),
        precision=_name(trainer.precision),
        training_seconds=progress.training_seconds,
        images_per_second=epochs * len(train) / progress.training_seconds,
    )


def _run_epochs(
    config: TrainConfig,
    dataset: Dataset,
    data: ImageSet,
    trainer: Trainer,
    progress: _Progress,
    log: EpochLog,
    interruption: Interruption,
) -> None:
    train, validation = torch.tensor(dataset.split.train), torch.tensor(dataset.split.validation)
    is_checkpoint_due, is_line_due = every(CHECKPOINT_SECONDS), every(PROGRESS_SECONDS)
    started = time.perf_counter()
    epochs = config.count_epochs(len(train))
    for epoch in range(1, epochs + 1):
        epoch_started = time.perf_counter()
        prefix = f"epoch {epoch}/{epochs}"

        def tell(step: int, steps: int, prefix: str = prefix) -> None:
            if step < steps and is_line_due():
                say(f"{prefix}  step {step}/{steps}")

        train_loss = train_one_epoch(
            trainer,
            data,
            train,
            batch_size=config.batch_size,
            first_step=(epoch - 1) * count_steps(len(train), config.batch_size),
            shielded=interruption.shielded,
            progress=tell,
        )
        training_seconds = time.perf_counter() - epoch_started
        examined = evaluate(trainer.network, data, validation)
        _refuse_nonsense(train_loss, examined.loss, epoch)
        metrics = compute_metrics(examined.probabilities, examined.targets, dataset.classes)
        with interruption.shielded():
            progress.epoch = epoch
            progress.training_seconds += training_seconds
            rank = (metrics.balanced_accuracy, -examined.loss)
            if rank > progress.best_rank:
                progress.best_rank, progress.best_epoch = rank, epoch
                progress.best_state = copy.deepcopy(trainer.network.state_dict())
            log.append(
                {
                    "epoch": epoch,
                    "train_loss": round(train_loss, 6),
                    "validation_loss": round(examined.loss, 6),
                    "validation_accuracy": round(metrics.accuracy, 6),
                    "validation_balanced_accuracy": round(metrics.balanced_accuracy, 6),
                    "learning_rate": trainer.optimizer.param_groups[0]["lr"],
                    "seconds": round(time.perf_counter() - epoch_started, 3),
                }
            )
        eta = (time.perf_counter() - started) / epoch * (epochs - epoch)
        say(
            f"{prefix}  loss {train_loss:.3f}  val loss {examined.loss:.3f}"
            f"  acc {metrics.accuracy:.2f} (balanced {metrics.balanced_accuracy:.2f})"
            f"  {len(train) / training_seconds:,.0f} img/s  ETA {format_duration(eta)}"
        )
        if epoch < epochs and is_checkpoint_due():
            save_checkpoint(config.checkpoints / "last.pt", _pack(config, dataset, data, trainer, progress))


def _refuse_nonsense(train_loss: float, validation_loss: float, epoch: int) -> None:
    if not (math.isfinite(train_loss) and math.isfinite(validation_loss)):
        raise ModelError(
            f"The training diverged in epoch {epoch}: the loss is no longer a number.",
            hint="Use a smaller --learning-rate.",
        )


def _pack(
    config: TrainConfig, dataset: Dataset, data: ImageSet, trainer: Trainer | None, progress: _Progress
) -> Checkpoint:
    """Return the best network, or with a trainer the present one and all that going on needs."""
    training: dict[str, Any] = {
        "seed": config.seed,
        "epochs": config.count_epochs(len(dataset.split.train)),
        "best_epoch": progress.best_epoch,
    }
    state = progress.best_state or {}
    if trainer is not None:
        state = trainer.network.state_dict()
        training |= {
            "epoch": progress.epoch,
            "optimizer": trainer.optimizer.state_dict(),
            "scaler": trainer.scaler.state_dict(),
            "generator": trainer.generator.get_state(),
            "best_state": progress.best_state,
        }
    return Checkpoint(
        arch=config.arch,
        classes=dataset.classes,
        image_size=config.image_size,
        mean=tuple(data.mean.tolist()),
        std=tuple(data.std.tolist()),
        state=state,
        training=training,
    )


def _name(precision: torch.dtype) -> str:
    return str(precision).removeprefix("torch.")
