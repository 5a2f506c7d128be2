"""What a training leaves behind in the output folder: the model, its figures, its answers, and words about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model.atomic import write_json, write_text
from model.checkpoint import save_checkpoint
from model.config import TrainConfig
from model.data.dataset import Dataset
from model.data.samples import Sample
from model.evaluation.assessment import Answers
from model.evaluation.events import EventLog
from model.inference.classifier import Classifier
from model.outcome.card import build_card
from model.outcome.description import collect_answers, describe_training
from model.prediction.table import make_header, make_row, write_rows
from model.report.page import build_report
from model.report.pictures import choose_cases
from model.training.fit import Fitted


def write_outcome(
    config: TrainConfig, dataset: Dataset, fitted: Fitted, epochs: list[dict[str, Any]], *, seconds: float
) -> dict[str, Any]:
    """Write every result and return the content of metrics.json; raises SaveError.

    Each file appears whole. The model comes first: with it, all the others can be made again.
    """
    save_checkpoint(config.output / "model.pt", fitted.checkpoint)
    parts = collect_answers(dataset, fitted)
    metrics = describe_training(config, dataset, fitted, parts, seconds=seconds)
    write_json(config.output / "metrics.json", metrics)
    _write_predictions(config.output / "predictions.csv", dataset, parts)
    write_text(config.output / "model_card.md", build_card(metrics))
    _add_events(EventLog(config.output / "events"), metrics)
    write_text(config.output / "report.html", _build_report(config, dataset, fitted, parts, metrics, epochs))
    return metrics


def _write_predictions(path: Path, dataset: Dataset, parts: dict[str, Answers]) -> None:
    """Write the answers for every validation and test image, beside the truth."""
    has_folds = len(dataset.splits) > 1
    header = [*make_header(dataset.classes), "target", "split", "group", *(["fold"] if has_folds else [])]
    rows = (
        [
            *make_row(sample.name, shares, dataset.classes),
            sample.label,
            name,
            sample.group,
            *([fold] if has_folds else []),
        ]
        for name, answers in parts.items()
        for sample, shares, fold in zip(
            _find_samples(dataset, answers), answers.probabilities.tolist(), answers.folds, strict=True
        )
    )
    write_rows(path, header, rows)


def _add_events(events: EventLog, metrics: dict[str, Any]) -> None:
    # There are none where tensorboard is not installed, which has been told by then.
    if events.is_begun:
        names = ("accuracy", "balanced_accuracy", "macro_f1", "auc", "nll")
        figures = {f"test/{name}": metrics["test"][name] for name in names}
        known = {name: figure for name, figure in figures.items() if figure is not None}
        events.add_figures(known, step=metrics["best_epoch"])


def _build_report(
    config: TrainConfig,
    dataset: Dataset,
    fitted: Fitted,
    parts: dict[str, Answers],
    metrics: dict[str, Any],
    epochs: list[dict[str, Any]],
) -> str:
    # The test parts of folds are all images; their validation parts would show some of them twice.
    shown = [parts["test"]] if len(dataset.splits) > 1 else list(parts.values())
    samples = [sample for answers in shown for sample in _find_samples(dataset, answers)]
    probabilities = np.concatenate([answers.probabilities for answers in shown])
    classifier = Classifier(fitted.checkpoint, device=config.device)
    labels = [sample.label for sample in samples]
    return build_report(metrics, epochs, choose_cases(samples, probabilities, labels, dataset.classes, classifier))


def _find_samples(dataset: Dataset, answers: Answers) -> Sequence[Sample]:
    return [dataset.samples[position] for position in answers.positions]
