"""From images to a trained model: every fold in turn, then what each says about the images it never learnt from."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.checkpoint import Checkpoint
from model.config import TrainConfig
from model.console import say, warn
from model.data.dataset import Dataset
from model.data.split import Split
from model.device import choose_device, describe_device, let_kernels_be_chosen
from model.errors import DataError, Interrupted
from model.evaluation.calibration import fit_temperature
from model.evaluation.results import EpochLog
from model.inference.classifier import Classifier
from model.interruption import Interruption
from model.networks.catalogue import drop_auxiliary
from model.training.batches import Loader, build_image_set, refuse_unfit_batches
from model.training.distributed import Processes
from model.training.epochs import EpochRunner, Surroundings, keep_finished, name_epoch, pack
from model.training.loop import Evaluation
from model.training.resume import CheckpointKeeper, describe_images, refuse_other_images
from model.training.start import Start, choose_start, refuse_unfit_network
from model.training.state import FinishedFold, TrainingState
from model.training.trainer import Trainer

# Images that are asked about between two looks at whether a signal has come.
ASKED_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained model at rest, and what it says about the images it never learnt from; folds are joined."""

    checkpoint: Checkpoint
    validation: Evaluation
    test: Evaluation
    best_epoch: int  # whose weights are kept; of several folds the median
    epochs: int
    steps: int
    device: str
    precision: str
    processes: int
    training_seconds: float
    images_per_second: float
    wait_seconds: float = 0.0  # of the training's, for images that were not there yet
    earlier_seconds: float = 0.0  # of runs that were stopped before this one
    notes: tuple[str, ...]


def fit(
    config: TrainConfig,
    dataset: Dataset,
    log: EpochLog,
    interruption: Interruption,
    *,
    processes: Processes | None = None,
    unfinished: Checkpoint | None = None,
) -> Fitted:
    """Train a network on each split and return them with their answers.

    1. On a CPU the result is the same, bit for bit, for the same images, settings, machine and versions, however often
       the training was stopped and taken up again as `unfinished`.
    2. When a signal comes, last.pt is written after the step, and Interrupted raised; so it is when the images come no
       more, and DataError raised.
    """
    processes = processes or Processes()
    device = choose_device(config.device)
    let_kernels_be_chosen(device)
    start = choose_start(config, dataset)
    around = Surroundings(
        config=config,
        dataset=dataset,
        data=build_image_set(dataset.pixels, dataset.targets, start.mean, start.std, device, store=dataset.store),
        images=describe_images(dataset),
        log=log,
        keeper=CheckpointKeeper(config.checkpoints / "last.pt"),
        processes=processes,
        interruption=interruption,
        began=time.perf_counter(),
    )
    around.data.between = around.stop_if_alone_and_told
    state, trainer_state = _begin(around, start, unfinished)
    with interruption.shielded():
        for split in dataset.splits[state.fold :]:
            _train_fold(around, start, split, state, trainer_state)
            trainer_state = None
        if processes.is_first:
            keep_finished(around, state)
        return _conclude(around, state)


def _begin(
    around: Surroundings, start: Start, unfinished: Checkpoint | None
) -> tuple[TrainingState, dict[str, Any] | None]:
    """Return the state of a training before its first step, or where it was stopped, with its network and optimizer."""
    device = around.data.device
    if unfinished is None:
        parts = around.config.accumulate * around.processes.count
        state = TrainingState.begin(part_size=math.ceil(around.config.batch_size / parts), device=device)
        doubt = _find_doubt(around, start)
        if doubt:
            state.note(doubt)
            warn(f"{doubt[0].upper()}{doubt[1:]}.")
        return state, None
    refuse_other_images(around.keeper.path, unfinished, around.dataset)
    state = TrainingState.restore(unfinished.training["state"], device)
    if around.processes.is_first:
        around.log.restore(state.lines)
    return state, unfinished.training.get("trainer")


def _find_doubt(around: Surroundings, start: Start) -> str:
    """Return why a network's start makes its figures worth less, or ""."""
    config = around.config
    if config.start_from is not None and start.seen != around.images["digest"]:
        return (
            f"started from {config.start_from.name}, which learnt from other images or another split: it may know some"
            " of the images that it is tested on"
        )
    if config.freeze and config.start_from is None and not config.pretrained:
        return (
            "only the last layer learns, of a network that knows nothing yet: --freeze is for --pretrained or"
            " --start-from"
        )
    return ""


def _train_fold(
    around: Surroundings, start: Start, split: Split, state: TrainingState, saved: dict[str, Any] | None
) -> None:
    config = around.config
    loader = Loader(
        config=config,
        data=around.data,
        indices=torch.tensor(split.train),
        class_count=len(around.dataset.classes),
        processes=around.processes,
    )
    refuse_unfit_batches(loader)
    refuse_unfit_network(loader)
    trainer = Trainer(
        start.build(state.fold),
        config,
        steps=loader.epochs * loader.steps_per_epoch,
        class_weights=loader.weigh_classes(),
        device=around.data.device,
        processes=around.processes,
    )
    if saved is not None:
        trainer.load_state_dict(saved, steps_done=(state.epoch - 1) * loader.steps_per_epoch + state.step)
    _introduce(around, loader, trainer, state, is_resumed=saved is not None)
    runner = EpochRunner(around, loader, trainer, state)
    try:
        runner.run()
        weights = drop_auxiliary(state.best.weights or {})
        classifier = Classifier(pack(around, (weights,), {}), device=str(around.data.device))
        finished = FinishedFold(
            epoch=state.best.epoch,
            epochs=state.epoch - 1,
            steps=(state.epoch - 1) * loader.steps_per_epoch,
            precision=str(trainer.precision).removeprefix("torch."),
            weights=weights,
            validation=_ask(around, classifier, split.validation),
            test=_ask(around, classifier, split.test),
        )
    except Interrupted as error:
        runner.save_and_tell(error)
        raise
    except DataError:  # the images come no more: what was learnt so far is kept
        if around.processes.is_first:
            runner.save()
        raise
    state.end_fold(finished)


def _introduce(
    around: Surroundings, loader: Loader, trainer: Trainer, state: TrainingState, *, is_resumed: bool
) -> None:
    config, processes = around.config, around.processes.count
    if state.fold == 0 or is_resumed:
        parameters = sum(parameter.numel() for parameter in trainer.network.parameters())
        shared = f", {processes} processes" if processes > 1 else ""
        say(
            f"{config.arch} with {parameters:,} parameters on {describe_device(around.data.device)}{shared},"
            f" {str(trainer.precision).removeprefix('torch.')}; preset {config.preset},"
            f" {loader.epochs * loader.steps_per_epoch:,} steps of {config.batch_size} images"
            + (f", {config.folds} folds" if config.folds else "")
        )
    if is_resumed:
        say(f"going on after step {state.step} of {loader.steps_per_epoch} in {name_epoch(config, loader, state)}")


def _ask(around: Surroundings, classifier: Classifier, positions: tuple[int, ...]) -> Tensor:
    """Return the logarithms of the probabilities (N, classes) that model.pt would give these images."""
    mine = positions[around.processes.share(len(positions))]
    answers = [np.zeros((0, len(around.dataset.classes)))]
    for first in range(0, len(mine), ASKED_AT_ONCE):
        pixels = around.dataset.pixels[list(mine[first : first + ASKED_AT_ONCE])]
        answers.append(np.asarray(classifier.classify(pixels)))
        around.stop_if_alone_and_told()
    shares = around.processes.join(np.concatenate(answers))
    return torch.from_numpy(np.log(np.maximum(shares, np.finfo(np.float64).tiny)))


def _conclude(around: Surroundings, state: TrainingState) -> Fitted:
    folds, splits = state.finished, around.dataset.splits
    validation = _join(around, [(split.validation, fold.validation) for split, fold in zip(splits, folds, strict=True)])
    test = _join(around, [(split.test, fold.test) for split, fold in zip(splits, folds, strict=True)])
    return Fitted(
        checkpoint=pack(
            around,
            tuple(fold.weights for fold in folds),
            {
                "images": {name: around.images[name] for name in ("count", "digest", "listed")},
                "best_epoch": [fold.epoch for fold in folds],
                "epochs": [fold.epochs for fold in folds],
            },
            temperature=fit_temperature(validation.logits, validation.targets),
        ),
        validation=validation,
        test=test,
        best_epoch=statistics.median_low([fold.epoch for fold in folds]),
        epochs=statistics.median_low([fold.epochs for fold in folds]),
        steps=sum(fold.steps for fold in folds),
        device=describe_device(around.data.device),
        precision=folds[0].precision,
        processes=around.processes.count,
        training_seconds=state.seconds,
        images_per_second=state.images / max(state.seconds, 1e-9),
        wait_seconds=state.wait_seconds,
        earlier_seconds=state.spent_seconds,
        notes=tuple(state.notes),
    )


def _join(around: Surroundings, answers: list[tuple[tuple[int, ...], Tensor]]) -> Evaluation:
    positions = np.concatenate([np.array(place, dtype=np.int64) for place, _ in answers])
    logits = np.concatenate([logits.numpy() for _, logits in answers])
    targets = np.array(around.dataset.targets, dtype=np.int64)[positions]
    told = logits[np.arange(len(targets)), targets]
    loss = -float(told.mean()) if len(told) else 0.0  # a trial of a tuning has no test part
    return Evaluation(logits=logits, targets=targets, positions=positions, loss=loss)
