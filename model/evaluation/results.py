"""metrics.jsonl: what a program reads while a training runs, a line for each epoch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.atomic import append_to_file, write_text
from model.evaluation.events import EventLog


class EpochLog:
    """metrics.jsonl and, where an `EventLog` is given, TensorBoard's events: both grow by an epoch at a time.

    1. An epoch is on disk as soon as `append` returns.
    2. A line that a full disk refused is not left in half, and is written with the next one that fits.
    3. A resumed training calls `restore` with the epochs that it has behind it; nothing is told twice.
    """

    def __init__(self, path: Path, *, events: EventLog | None = None, is_resumed: bool = False) -> None:
        """Begin an empty file, or with `is_resumed` leave it as it is until `restore`; raises SaveError."""
        self.epochs: list[dict[str, Any]] = []
        self._path = path
        self._events = events
        self._waiting: list[dict[str, Any]] = []
        if not is_resumed:
            self.restore(())

    def restore(self, epochs: Sequence[dict[str, Any]]) -> None:
        """Begin anew with these epochs; raises SaveError."""
        self.epochs = list(epochs)
        self._waiting = []
        write_text(self._path, _write_lines(self.epochs))
        if self._events:
            self._events.restore(self.epochs)

    def append(self, epoch: dict[str, Any]) -> None:
        """Add an epoch; raises SaveError."""
        self.epochs.append(epoch)
        self._waiting.append(epoch)
        if self._events:
            self._events.append(epoch)
        append_to_file(self._path, _write_lines(self._waiting).encode())
        self._waiting = []


def _write_lines(epochs: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(epoch, allow_nan=False) + "\n" for epoch in epochs)
