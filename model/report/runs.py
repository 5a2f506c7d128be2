"""The results of finished trainings, read back: metrics.json, and metrics.jsonl and predictions.csv where they are."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import DataError, UsageError, name_reason

METRICS = "metrics.json"

# The newest metrics.json that is understood; 1 carries no number.
FORMAT = 2


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a run said about one test image, and what is true."""

    target: str
    label: str
    group: str

    @property
    def is_right(self) -> bool:
        """Whether the answer is the true class."""
        return self.label == self.target


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training; `answers` are those on the test images by their names, {} where predictions.csv is missing."""

    name: str
    folder: Path
    metrics: Mapping[str, Any]
    epochs: Sequence[Mapping[str, Any]]
    answers: Mapping[str, Answer]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes in the order of the confusion matrix."""
        return tuple(self.metrics["test"]["labels"])


def load_runs(wanted: Sequence[Path]) -> list[Run]:
    """Read runs, each a folder of results or its metrics.json; raises UsageError and DataError naming the run."""
    folders = [_find_folder(path) for path in wanted]
    if len(folders) < 2:
        raise UsageError("One run cannot be compared.", hint="Name two or more folders of results.")
    for place, folder in enumerate(folders):
        if folder.resolve() in [other.resolve() for other in folders[:place]]:
            raise UsageError(f"{folder} is named twice.", hint="Name each run once.")
    runs = [_load(folder, name) for folder, name in zip(folders, _name(folders), strict=True)]
    for run in runs[1:]:
        _refuse_other_classes(runs[0], run)
    return runs


def _find_folder(path: Path) -> Path:
    folder = path.parent if path.is_file() else path
    if not folder.is_dir():
        raise UsageError(f"There is no run {path}.", hint="Name a folder of results, or the metrics.json in it.")
    if not (folder / METRICS).is_file():
        raise DataError(
            f"{folder} has no {METRICS}: the training has not ended, or this is no folder of results.",
            hint=f"Name the --output folder of a training that wrote its {METRICS}.",
        )
    return folder


def _name(folders: Sequence[Path]) -> list[str]:
    """Return the last parts of the paths, as many as tell the runs apart."""
    paths = [folder.resolve().parts for folder in folders]
    names = ["/".join(parts[-1:]) for parts in paths]
    for length in range(2, max(map(len, paths)) + 1):
        if len(set(names)) == len(names):
            break
        names = ["/".join(parts[-length:]) for parts in paths]
    return names


def _load(folder: Path, name: str) -> Run:
    try:
        metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        newer = metrics.get("format", 1) > FORMAT
        test = metrics["test"]
        # What every page needs; all else may be missing.
        _ = metrics["validation"], test["accuracy"], test["count"], len(test["labels"]), test["confusion_matrix"]
    except OSError as error:
        raise DataError(
            f"{folder / METRICS} cannot be read: {name_reason(error)}.", hint="Look at its permissions."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{folder / METRICS} is damaged or was not written by this program.", hint="Fetch it again, or train again."
        ) from error
    if newer:
        raise DataError(f"{folder / METRICS} was written by a newer version.", hint="Update this installation.")
    return Run(
        name=name,
        folder=folder,
        metrics=metrics,
        epochs=_read_epochs(folder / "metrics.jsonl"),
        answers=_read_answers(folder / "predictions.csv"),
    )


def _read_epochs(path: Path) -> list[dict[str, Any]]:
    """Return the epochs of a file, [] where there is none; raises DataError."""
    if not path.is_file():
        return []
    try:
        epochs = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: it is damaged.", hint="Fetch it again, or remove it.") from error
    return [epoch for epoch in epochs if isinstance(epoch, dict)]


def _read_answers(path: Path) -> dict[str, Answer]:
    """Return the answers on test images by name, {} where there is no file; raises DataError."""
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {
                row["filename"]: Answer(target=row["target"], label=row["label"], group=row.get("group") or "")
                for row in csv.DictReader(file, strict=True)
                if _is_test(row)
            }
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: it is damaged.", hint="Fetch it again, or remove it.") from error


def _is_test(row: Mapping[str, str | None]) -> bool:
    if None in (row["filename"], row["target"], row["label"], row["split"]):
        raise ValueError("a line ends early")
    return row["split"] == "test"


def _refuse_other_classes(first: Run, other: Run) -> None:
    missing, extra = set(first.classes) - set(other.classes), set(other.classes) - set(first.classes)
    if not missing and not extra:
        return
    told = [f"knows no {', '.join(map(repr, sorted(missing)[:5]))}"] if missing else []
    told += [f"knows {', '.join(map(repr, sorted(extra)[:5]))} besides"] if extra else []
    raise DataError(
        f"{other.name} has other classes than {first.name}: it {' and '.join(told)}.",
        hint="Compare trainings on the same classes.",
    )
