"""What a training leaves behind: model.pt, metrics.json, predictions.csv and report.html in the output folder."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

import torch

from model.atomic import write_json, write_text
from model.checkpoint import save_checkpoint
from model.config import TrainConfig
from model.data.dataset import Dataset
from model.evaluation.metrics import compute_metrics
from model.evaluation.results import write_predictions
from model.report.page import build_report
from model.training.fit import Fitted


def write_outcome(
    config: TrainConfig, dataset: Dataset, fitted: Fitted, epochs: list[dict[str, Any]], *, seconds: float
) -> dict[str, Any]:
    """Write every result and return the content of metrics.json; raises SaveError."""
    metrics = describe_training(config, dataset, fitted, seconds=seconds)
    parts = {"validation": (dataset.split.validation, fitted.validation), "test": (dataset.split.test, fitted.test)}
    rows = [(name, dataset.samples[k]) for name, (positions, _) in parts.items() for k in positions]
    shares = [row for _, evaluation in parts.values() for row in evaluation.probabilities.tolist()]

    save_checkpoint(config.output / "model.pt", fitted.checkpoint)
    write_json(config.output / "metrics.json", metrics)
    write_predictions(
        config.output / "predictions.csv",
        [sample.name for _, sample in rows],
        shares,
        dataset.classes,
        {"target": [sample.label for _, sample in rows], "split": [name for name, _ in rows]},
    )
    write_text(config.output / "report.html", build_report(metrics, epochs, []))
    return metrics


def describe_training(config: TrainConfig, dataset: Dataset, fitted: Fitted, *, seconds: float) -> dict[str, Any]:
    """Return the content of metrics.json."""
    evaluations = {"validation": fitted.validation, "test": fitted.test}
    return {
        name: asdict(compute_metrics(evaluation.probabilities, evaluation.targets, dataset.classes))
        for name, evaluation in evaluations.items()
    } | {
        "arch": config.arch,
        "image_size": config.image_size,
        "seed": config.seed,
        "epochs": config.count_epochs(len(dataset.split.train)),
        "best_epoch": fitted.best_epoch,
        "batch_size": config.batch_size,
        "learning_rate": config.learning_rate,
        "precision": fitted.precision,
        "device": fitted.device,
        "torch": str(torch.__version__),
        "seconds": round(seconds, 3),
        "training_seconds": round(fitted.training_seconds, 3),
        "images_per_second": round(fitted.images_per_second, 3),
        "classes": list(dataset.classes),
        "source": dataset.source,
        "images": {
            "used": len(dataset.samples),
            "train": len(dataset.split.train),
            "validation": len(dataset.split.validation),
            "test": len(dataset.split.test),
            "skipped": len(dataset.bad),
            "unlabelled": len(dataset.unlabelled),
            "duplicates": len(dataset.duplicates),
            "by_class": dict(sorted(Counter(sample.label for sample in dataset.samples).items())),
        },
        "skipped": [{"filename": file.name, "reason": file.reason} for file in dataset.bad],
    }
