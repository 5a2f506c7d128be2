"""checkpoints/last.pt: a model that predicts, and beside it all that going on needs; refused where it does not fit."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.checkpoint import Checkpoint, load_checkpoint, refuse_other_classes, save_checkpoint
from model.config import TrainConfig
from model.console import format_setting, list_names, say, warn
from model.data.dataset import Dataset, digest_samples
from model.data.samples import collect_labelled_images
from model.digest import digest_file
from model.errors import CheckpointError, DataError, SaveError

# What a resumed training may be told anew: where things are, and on what it computes. All else makes another model;
# the number of epochs too, as the learning rate of every step follows from it. A preset is known by its values.
MAY_CHANGE = frozenset(
    {"data", "output", "targets", "weights", "preset", "device", "resume", "cache", "cache_gb", "compile", "profile"}
)
# What no option names: it follows from the preset, or from --steps where that is given.
BOUNDS = {"min_epochs": "epochs of the preset, at least", "max_epochs": "epochs of the preset, at most"}

# A checkpoint at least so often; oftener where it costs less than this share of the time.
CHECKPOINT_SECONDS = 60.0
CHECKPOINT_SHARE = 0.02

# How far, of 255, an image's mean may be from what it was: other versions of a decoder differ by less than that.
MEAN_TOLERANCE = 1.0


class CheckpointKeeper:
    """Writes last.pt now and then; where it cannot be written, the training goes on and one warning tells."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self.path = path
        self._clock = clock
        self._saved_at = clock()
        self._pause = 0.0
        self._is_warned = False

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next checkpoint; it is at the start."""
        return self._clock() - self._saved_at >= self._pause

    def save(self, checkpoint: Checkpoint) -> bool:
        """Write a checkpoint and say whether that went well."""
        began = self._clock()
        try:
            save_checkpoint(self.path, checkpoint)
        except SaveError as error:
            self.warn(error)
            return False
        finally:
            self._saved_at = self._clock()
            self._pause = min(CHECKPOINT_SECONDS, (self._saved_at - began) / CHECKPOINT_SHARE)
        return True

    def warn(self, error: SaveError) -> None:
        """Tell that a file cannot be written, once; what waits is tried again with the next one."""
        if not self._is_warned:
            warn(f"{error.message} The training goes on; free some space before it ends and needs it for the results.")
        self._is_warned = True


def remove_checkpoint(config: TrainConfig) -> None:
    """Remove last.pt when the results are written: they are all that is left of a finished training."""
    with suppress(OSError):
        (config.checkpoints / "last.pt").unlink(missing_ok=True)
        if config.checkpoints.parent == config.output:
            config.checkpoints.rmdir()


def find_unfinished(config: TrainConfig) -> Checkpoint | None:
    """Return what last.pt holds, or None, having said so, when the training is finished; raises CheckpointError."""
    last, model = config.checkpoints / "last.pt", config.output / "model.pt"
    if last.is_file():
        checkpoint = load_checkpoint(last)
        if "state" not in checkpoint.training:
            raise CheckpointError(f"{last} holds no training to go on with.", hint="Leave --resume out to begin anew.")
        refuse_other_settings(last, checkpoint, config)
        return checkpoint
    if not model.is_file():
        raise CheckpointError(
            f"There is nothing to resume: neither {last} nor {model} exists.", hint="Leave --resume out to begin."
        )
    finished = load_checkpoint(model)
    refuse_other_settings(model, finished, config)
    lines = config.output / "metrics.jsonl"
    if lines.is_file() and lines.read_bytes().count(b"\n") != sum(finished.training.get("epochs", ())):
        raise CheckpointError(
            f"{model} is of an earlier training, and the one that began after it left no checkpoint.",
            hint="Leave --resume out to begin anew.",
        )
    _refuse_other_listing(model, finished, config)
    say(f"the training is finished, and {model} is its result; there is nothing to resume")
    return None


def _refuse_other_listing(model: Path, finished: Checkpoint, config: TrainConfig) -> None:
    """Raise CheckpointError when a finished model learnt from images of other names or labels."""
    listed = finished.training.get("images", {}).get("listed", "")
    try:
        found = collect_labelled_images(config.data, config.targets, group_from=config.group_from)
    except DataError:  # images that are gone do not make the training less finished
        return
    if listed and listed != digest_samples(found.samples):
        raise CheckpointError(
            f"{model} was trained on other images than those of {config.data}.",
            hint="Give the images of then, or leave --resume out to begin anew.",
        )


def describe_settings(config: TrainConfig) -> dict[str, Any]:
    """Return all that the result follows from, besides the images."""
    without = {*MAY_CHANGE, *BOUNDS} if config.epochs else MAY_CHANGE
    names = [entry.name for entry in fields(config) if entry.name not in without]
    settings = {name: getattr(config, name) for name in names}
    if config.start_from is not None:
        settings["start_from"] = _name_content(config.start_from)
    return settings


@cache
def _name_content(model: Path) -> str:
    """Return what stays the same when a model is moved, also while it is being trained on."""
    return f"the model with SHA-256 {digest_file(model)[:16]}"


def refuse_other_settings(path: Path, checkpoint: Checkpoint, config: TrainConfig) -> None:
    """Raise CheckpointError when the training of a checkpoint was told anything else."""
    then, now = checkpoint.training.get("settings", {}), describe_settings(config)
    changed = [
        f"{BOUNDS.get(name, '--' + name.replace('_', '-'))} {format_setting(then[name])}, now {format_setting(value)}"
        for name, value in now.items()
        if name in then and then[name] != value
    ]
    if changed:
        raise CheckpointError(
            f"{path} was trained with other settings: {'; '.join(changed)}.",
            hint="Give the settings of then (only --device and where things are may change), or leave --resume out.",
        )


def describe_images(dataset: Dataset) -> dict[str, Any]:
    """Return what tells these images, labels and parts from others."""
    parts = [str((split.train, split.validation, split.test)) for split in dataset.splits]
    return {
        "count": len(dataset.samples),
        "digest": digest_samples(dataset.samples, parts=parts),
        "listed": dataset.listed,
        "is_complete": dataset.store is None,
        "means": _measure_means(dataset),
    }


def has_begun_with_more(checkpoint: Checkpoint, dataset: Dataset) -> bool:
    """Say whether a training was stopped before it had read all its images, some of which hold no picture."""
    images = checkpoint.training["images"]
    is_of_these = images.get("listed") == dataset.listed  # of other images it is refused
    return is_of_these and not images.get("is_complete", True) and bool(images["count"] > len(dataset.samples))


def _measure_means(dataset: Dataset) -> torch.Tensor:
    """Return the mean of each image; while images are loading, no number stands for those that are not there yet."""
    if dataset.store is not None:
        return torch.from_numpy(dataset.store.means)  # filled further
    return torch.from_numpy(np.stack([image.mean() for image in dataset.pixels]).astype(np.float32))


def refuse_other_images(path: Path, checkpoint: Checkpoint, dataset: Dataset) -> None:
    """Raise CheckpointError when the training of a checkpoint had other classes or images."""
    hint = "Give the images of then, or leave --resume out to begin anew."
    refuse_other_classes(path, checkpoint, dataset.classes, hint=hint)
    then, now = checkpoint.training["images"], describe_images(dataset)
    if then["count"] != now["count"]:
        raise CheckpointError(f"{path} was trained on {then['count']:,} images; here are {now['count']:,}.", hint=hint)
    if then["digest"] != now["digest"]:
        raise CheckpointError(f"{path} was trained on images of other names, labels or groups.", hint=hint)
    changed = (then["means"] - now["means"]).abs() > MEAN_TOLERANCE
    if changed.any():
        names = [dataset.samples[k].name for k in changed.nonzero().flatten().tolist()]
        raise CheckpointError(f"{path} was trained on other pictures of these names: {list_names(names)}.", hint=hint)
