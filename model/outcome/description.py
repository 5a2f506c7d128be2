"""The content of metrics.json: what was trained, on what, how good it is, and what it must be compared with."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.config import TrainConfig
from model.console import say
from model.data.dataset import Dataset
from model.data.leaks import Leaks
from model.data.split import suggest_folds
from model.evaluation.assessment import Answers, assess
from model.evaluation.calibration import cross_fit_temperatures, scale_logits
from model.evaluation.floors import measure_majority, measure_neighbours
from model.progress import PROGRESS_SECONDS, every
from model.training.fit import Fitted
from model.training.loop import Evaluation

# Raised whenever a reader of the last one would misread it.
FORMAT = 2

# The price of the machine, for a job that somebody pays for; `deployer train` sets it.
PRICE_VARIABLE = "DEPLOYER_USD_PER_HOUR"

SHOWN_NEAR_DUPLICATES = 50


def describe_training(
    config: TrainConfig, dataset: Dataset, fitted: Fitted, parts: dict[str, Answers], *, seconds: float
) -> dict[str, Any]:
    """Return the content of metrics.json; `parts` are what `collect_answers` gave, `seconds` this process's time."""
    # A training that was taken up again has behind it what other processes learnt.
    seconds = max(seconds, fitted.training_seconds)
    described = {name: assess(answers, dataset.classes) for name, answers in parts.items()}
    for name, answers in parts.items():
        described[name]["calibration"] = {
            "temperature": fitted.checkpoint.temperature,
            "by_fold": list(answers.temperatures),
            **described[name]["calibration"],
        }
    return described | {
        "format": FORMAT,
        "preset": config.preset,
        "arch": config.arch,
        "image_size": config.image_size,
        "seed": config.seed,
        "epochs": fitted.epochs,
        "best_epoch": fitted.best_epoch,
        "steps": fitted.steps,
        "batch_size": config.batch_size,
        "learning_rate": config.learning_rate,
        "precision": fitted.precision,
        "device": fitted.device,
        "processes": fitted.processes,
        "torch": str(torch.__version__),
        "seconds": round(seconds, 3),
        "training_seconds": round(fitted.training_seconds, 3),
        "data_wait_seconds": round(fitted.wait_seconds, 3),
        "images_per_second": round(fitted.images_per_second, 3),
        "cost": _compute_cost(seconds),
        "classes": list(dataset.classes),
        "source": dataset.source,
        "images": _count_images(dataset) | {"suggested_folds": suggest_folds(dataset.samples, by=config.split)},
        "floors": _measure_floors(dataset),
        "leaks": _describe_leaks(dataset.leaks),
        "skipped": [{"filename": file.name, "reason": file.reason} for file in dataset.bad],
        "recipe": _describe_recipe(config),
        "notes": [*dataset.notes, *fitted.notes],
    }


def collect_answers(dataset: Dataset, fitted: Fitted) -> dict[str, Answers]:
    """Return what the model says about the validation and the test part, at its temperature; folds are joined.

    With folds each image's temperature is fitted without it: on the validation images of all folds that are not in
    its own part. The model's is fitted on all of them.
    """
    known = fitted.validation
    parts = {
        "validation": (known, [split.validation for split in dataset.splits]),
        "test": (fitted.test, [split.test for split in dataset.splits]),
    }
    answers = {}
    for name, (evaluation, folds) in parts.items():
        temperatures: tuple[float, ...] = (fitted.checkpoint.temperature,)
        if len(folds) > 1:
            positions = [np.array(fold, dtype=np.int64) for fold in folds]
            temperatures = cross_fit_temperatures(known.logits, known.targets, known.positions, positions)
        answers[name] = _apply_temperatures(evaluation, temperatures, [len(fold) for fold in folds], dataset)
    return answers


def _apply_temperatures(
    evaluation: Evaluation, temperatures: Sequence[float], sizes: Sequence[int], dataset: Dataset
) -> Answers:
    """Divide each fold's rows, which follow each other, by the fold's temperature."""
    edges = np.cumsum(sizes)[:-1]
    scaled = [
        scale_logits(logits, temperature)
        for logits, temperature in zip(np.split(evaluation.logits, edges), temperatures, strict=True)
    ]
    return Answers(
        probabilities=np.concatenate(scaled),
        uncalibrated=scale_logits(evaluation.logits, 1.0),
        targets=evaluation.targets,
        positions=evaluation.positions,
        groups=tuple(dataset.samples[position].group for position in evaluation.positions),
        folds=tuple(int(fold) for fold in np.repeat(np.arange(1, len(sizes) + 1), sizes)),
        temperatures=tuple(temperatures),
    )


def _compute_cost(seconds: float) -> dict[str, float] | None:
    """Return what the time cost at the price in the environment; None when none is told that can be one."""
    try:
        price = float(os.environ.get(PRICE_VARIABLE, ""))
    except ValueError:
        return None
    if not math.isfinite(price) or price < 0.0:
        return None
    return {"usd": round(price * seconds / 3600.0, 6), "usd_per_hour": price}


def _count_images(dataset: Dataset) -> dict[str, Any]:
    # Of folds: what the first one learns from and validates on, but all that are tested.
    return {
        "used": len(dataset.samples),
        "train": len(dataset.split.train),
        "validation": len(dataset.split.validation),
        "test": sum(len(split.test) for split in dataset.splits),
        "skipped": len(dataset.bad),
        "unlabelled": len(dataset.unlabelled),
        "duplicates": len(dataset.duplicates),
        "groups": len({sample.group for sample in dataset.samples} - {""}),
        "by_class": dict(sorted(Counter(sample.label for sample in dataset.samples).items())),
    }


def _measure_floors(dataset: Dataset) -> dict[str, Any]:
    is_due = every(PROGRESS_SECONDS)

    def tell(done: int, total: int) -> None:
        if done < total and is_due():
            say(f"comparing thumbnails {done:,}/{total:,}")

    targets = np.array(dataset.targets, dtype=np.int64)
    majority = measure_majority(targets, dataset.classes, dataset.splits)
    neighbours = measure_neighbours(dataset.pixels, targets, dataset.splits, progress=tell)
    return {
        "majority": asdict(majority) if majority else None,
        "nearest_neighbour": asdict(neighbours) if neighbours else None,
    }


def _describe_leaks(leaks: Leaks) -> dict[str, Any]:
    return {
        "groups": leaks.groups,
        "leaked_groups": leaks.leaked_groups,
        "leaked_images": leaks.leaked_images,
        "near_duplicate_count": len(leaks.near_duplicates),
        "near_duplicates": [asdict(pair) for pair in leaks.near_duplicates[:SHOWN_NEAR_DUPLICATES]],
    }


def _describe_recipe(config: TrainConfig) -> dict[str, Any]:
    """Return every setting that counted; a training that was stopped and taken up again is the same training."""
    # With so many epochs asked for, the preset's steps had no say.
    unused = {"resume", "profile", *(("steps", "min_epochs", "max_epochs") if config.epochs else ("epochs",))}
    values = {entry.name: getattr(config, entry.name) for entry in fields(config) if entry.name not in unused}
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
