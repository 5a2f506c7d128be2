"""Metrics and epochs as a training writes them, made of random answers: what reports and comparisons are tested on."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model.evaluation.assessment import Answers, assess

EVIL = '<script>alert("1")</script>&'

MANY = tuple(f"species_{number:02d}_with-a-long-name" for number in range(40))


def pretend_part(
    classes: Sequence[str], *, count: int = 60, skill: float = 4.0, seed: int = 0, group_size: int = 0
) -> dict[str, Any]:
    """Return the description of a part by the real assessment; `skill` 0 is guessing."""
    generator = np.random.default_rng(seed)
    targets = np.arange(count) % len(classes)
    logits = generator.normal(size=(count, len(classes)))
    logits[np.arange(count), targets] += skill
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    answers = Answers(
        probabilities=shares,
        uncalibrated=shares,
        targets=targets,
        positions=np.arange(count),
        groups=tuple(f"dive {number // group_size}" if group_size else "" for number in range(count)),
        folds=(1,) * count,
        temperatures=(1.0,),
    )
    part = assess(answers, tuple(classes))
    part["calibration"] = {"temperature": 1.5, **part["calibration"]}
    # Through JSON, as a file of metrics is read: no tuple, no numpy.
    loaded: dict[str, Any] = json.loads(json.dumps(part))
    return loaded


def pretend_metrics(
    classes: Sequence[str] = (EVIL, "plain"), *, part: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """Return the content of a metrics.json of format 2."""
    part = part or pretend_part(classes)
    values: dict[str, Any] = {
        "format": 2,
        "validation": part,
        "test": part,
        "preset": "standard",
        "arch": "cnn",
        "image_size": 64,
        "seed": 0,
        "epochs": 2,
        "best_epoch": 2,
        "steps": 40,
        "batch_size": 32,
        "learning_rate": 0.002,
        "precision": "float32",
        "device": "cpu",
        "processes": 1,
        "torch": "2",
        "seconds": 90.0,
        "training_seconds": 80.0,
        "images_per_second": 100.0,
        "cost": {"usd": 0.21, "usd_per_hour": 0.526},
        "recipe": {"arch": "cnn", "folds": 0, "ema": 350.0, "pretrained": False, "start_from": None},
        "notes": [],
        "floors": {
            "majority": {"label": classes[0], "accuracy": 0.5},
            "nearest_neighbour": {"neighbours": 5, "accuracy": 0.6},
        },
        "leaks": {
            "groups": 9,
            "leaked_groups": 0,
            "leaked_images": 0,
            "near_duplicates": [],
            "near_duplicate_count": 0,
        },
        "source": "targets.csv",
        "classes": list(classes),
        "images": {
            "used": 100,
            "train": 60,
            "validation": 20,
            "test": 20,
            "skipped": 1,
            "unlabelled": 0,
            "duplicates": 0,
            "by_class": dict.fromkeys(classes, 50),
            "suggested_folds": 5,
        },
        "skipped": [{"filename": EVIL, "reason": "is empty"}],
    }
    return values | changes


def make_old(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the same as version 1 of the file told it."""
    new = ("format", "preset", "steps", "processes", "cost", "recipe", "notes", "floors", "leaks", "training_seconds")
    kept = ("accuracy", "balanced_accuracy", "macro_f1", "auc", "count", "labels", "confusion_matrix")
    old = {key: value for key, value in metrics.items() if key not in new}
    return old | {name: {key: metrics[name][key] for key in kept} for name in ("validation", "test")}


def pretend_epochs(count: int = 2, *, folds: int = 0) -> list[dict[str, Any]]:
    """Return the lines of a metrics.jsonl."""
    return [
        {
            "epoch": epoch,
            **({"fold": fold} if folds else {}),
            "train_loss": 0.9 / epoch,
            "validation_loss": 1.0 / epoch,
            "validation_accuracy": 1 - math.exp(-epoch),
            "validation_balanced_accuracy": 1 - math.exp(-epoch),
            "learning_rate": 1e-3 / epoch,
            "image_size": 64,
            "images_per_second": 100.0,
            "seconds": 1.0,
        }
        for fold in range(1, max(1, folds) + 1)
        for epoch in range(1, count + 1)
    ]


def write_run(
    folder: Path, metrics: dict[str, Any], answers: Sequence[Sequence[str]] | None, *, epochs: int = 2
) -> Path:
    """Write a folder of results; `answers` are rows of filename, label, target, group of the test part."""
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    lines = [json.dumps(epoch) + "\n" for epoch in pretend_epochs(epochs)]
    (folder / "metrics.jsonl").write_text("".join(lines), encoding="utf-8")
    if answers is not None:
        with (folder / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["filename", "label", "probability", "p_a", "p_b", "target", "split", "group"])
            writer.writerow(["never tested.png", "a", "1.0", "1.0", "0.0", "b", "validation", ""])
            for name, label, target, group in answers:
                writer.writerow([name, label, "0.9", "0.9", "0.1", target, "test", group])
    return folder
