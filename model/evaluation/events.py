"""TensorBoard's events, in <output>/events: the curves of metrics.jsonl while they grow, and the figures of the end.

Written record by record, not by torch's SummaryWriter: its thread dies with a traceback on a full disk, and its files
have a new name each time, so that a resumed training shows epochs twice.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.atomic import append_to_file
from model.console import say, warn
from model.errors import SaveError

# TensorBoard reads every file whose name holds `tfevents`.
FILE = "events.out.tfevents.training"

NOTE = "note: no TensorBoard events are written: tensorboard is not installed (pip install tensorboard)"


class EventLog:
    """A file of events that grows by whole records; what goes wrong costs a note or a warning, not the training."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._is_off = False

    @property
    def is_begun(self) -> bool:
        """Whether there are any events."""
        return self._path.is_file()

    def restore(self, epochs: Sequence[Mapping[str, Any]]) -> None:
        """Begin anew with these epochs; the file of an earlier training goes."""
        with contextlib.suppress(OSError):
            self._path.unlink()
        for epoch in epochs:
            self.append(epoch)

    def append(self, epoch: Mapping[str, Any]) -> None:
        """Add the figures of an epoch, a step of TensorBoard's."""
        self.add_figures(*_describe_epoch(epoch))

    def add_figures(self, figures: Mapping[str, float], step: int) -> None:
        """Add single figures, such as those of the test part."""
        if self._is_off:
            return
        try:
            append_to_file(self._path, _write_records(figures, step, is_first=not self.is_begun))
        except ModuleNotFoundError:
            self._is_off = True
            say(NOTE)
        except SaveError as error:
            self._is_off = True
            warn(f"{error.message} The training goes on without TensorBoard events.")


def _describe_epoch(epoch: Mapping[str, Any]) -> tuple[dict[str, float], int]:
    """Return figures under the names by which TensorBoard puts them together: `train/loss`, `validation/accuracy`."""
    fold = f"fold {epoch['fold']}/" if "fold" in epoch else ""
    figures = {
        fold + name.replace("train_", "train/").replace("validation_", "validation/"): float(value)
        for name, value in epoch.items()
        if name not in {"epoch", "fold"} and isinstance(value, (int, float))
    }
    return figures, int(epoch["epoch"])


def _write_records(figures: Mapping[str, float], step: int, *, is_first: bool) -> bytes:
    """Return records of an event file; raises ModuleNotFoundError without tensorboard."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    records = io.BytesIO()
    writer = RecordWriter(records)
    if is_first:
        writer.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
    values = [Summary.Value(tag=name, simple_value=value) for name, value in figures.items()]
    writer.write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)).SerializeToString())
    return records.getvalue()
