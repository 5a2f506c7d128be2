"""The files of a training besides model.pt: metrics.json, metrics.jsonl and predictions.csv."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from model.atomic import save_error, write_text


def write_predictions(
    path: Path,
    names: Sequence[str],
    probabilities: Sequence[Sequence[float]],
    classes: Sequence[str],
    extra: dict[str, Sequence[str]] | None = None,
) -> None:
    """Write filename, label, probability, one p_<class> column each, then the extra columns; raises SaveError."""
    extra = extra or {}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["filename", "label", "probability", *(f"p_{name}" for name in classes), *extra])
    for row, (name, shares) in enumerate(zip(names, probabilities, strict=True)):
        best = max(range(len(classes)), key=shares.__getitem__)
        digits = [f"{share:.6f}" for share in shares]
        writer.writerow([name, classes[best], digits[best], *digits, *(column[row] for column in extra.values())])
    write_text(path, text.getvalue())


class EpochLog:
    """metrics.jsonl: one line for each epoch, on disk as soon as the epoch is over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.epochs: list[dict[str, Any]] = []
        self._write([], mode="w")

    def append(self, epoch: dict[str, Any]) -> None:
        """Add an epoch; raises SaveError."""
        self.epochs.append(epoch)
        self._write([epoch], mode="a")

    def _write(self, epochs: Iterable[dict[str, Any]], *, mode: str) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open(mode, encoding="utf-8") as file:
                file.writelines(json.dumps(epoch, allow_nan=False) + "\n" for epoch in epochs)
        except OSError as error:
            raise save_error(self._path, error) from error
