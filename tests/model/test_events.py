"""metrics.jsonl and TensorBoard's events: what is there at any moment, after a resume, and on a full disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from model.errors import SaveError
from model.evaluation.events import FILE, EventLog
from model.evaluation.results import EpochLog


def _epoch(number: int, **more: Any) -> dict[str, Any]:
    return {"epoch": number, **more, "train_loss": 1.0 / number, "validation_accuracy": 0.5, "learning_rate": 1e-3}


def _read_events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder)).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def _read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_epochs_are_on_disk_as_they_come(tmp_path: Path) -> None:
    log = EpochLog(tmp_path / "out" / "metrics.jsonl", events=EventLog(tmp_path / "out" / "events"))
    for number in (1, 2):
        log.append(_epoch(number))

        assert len(_read_lines(tmp_path / "out" / "metrics.jsonl")) == number
        events = _read_events(tmp_path / "out" / "events")
        assert [step for step, _ in events["train/loss"]] == list(range(1, number + 1))

    assert events["train/loss"] == [(1, 1.0), (2, 0.5)]
    assert set(events) == {"train/loss", "validation/accuracy", "learning_rate"}
    assert log.epochs == _read_lines(tmp_path / "out" / "metrics.jsonl")


def test_a_new_training_forgets_the_one_before(tmp_path: Path) -> None:
    EpochLog(tmp_path / "metrics.jsonl", events=EventLog(tmp_path)).append(_epoch(1))

    EpochLog(tmp_path / "metrics.jsonl", events=EventLog(tmp_path))

    assert _read_lines(tmp_path / "metrics.jsonl") == []
    assert not (tmp_path / FILE).exists()


def test_a_resumed_training_tells_nothing_twice(tmp_path: Path) -> None:
    first = EpochLog(tmp_path / "metrics.jsonl", events=EventLog(tmp_path))
    for number in (1, 2, 3):
        first.append(_epoch(number))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 4, "trai')  # killed here; the checkpoint is that of epoch 2

    resumed = EpochLog(tmp_path / "metrics.jsonl", events=EventLog(tmp_path), is_resumed=True)
    untouched = (tmp_path / "metrics.jsonl").read_text()
    resumed.restore([_epoch(1), _epoch(2)])
    resumed.append(_epoch(3))

    assert untouched.endswith('"trai')
    assert [epoch["epoch"] for epoch in _read_lines(tmp_path / "metrics.jsonl")] == [1, 2, 3]
    assert [step for step, _ in _read_events(tmp_path)["train/loss"]] == [1, 2, 3]


def test_folds_have_curves_of_their_own(tmp_path: Path) -> None:
    events = EventLog(tmp_path)
    for fold in (1, 2):
        events.append(_epoch(1, fold=fold))
    events.add_figures({"test/accuracy": 0.75}, step=1)

    assert {"fold 1/train/loss", "fold 2/train/loss", "test/accuracy"} < set(_read_events(tmp_path))


def test_events_without_tensorboard_are_one_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # An entry of None is how Python itself says that a module cannot be imported.
    for name in ("event_pb2", "summary_pb2"):
        monkeypatch.setitem(sys.modules, f"tensorboard.compat.proto.{name}", None)
    events = EventLog(tmp_path)

    events.append(_epoch(1))
    events.append(_epoch(2))

    assert capsys.readouterr().out.count("pip install tensorboard") == 1
    assert list(tmp_path.iterdir()) == []


def test_events_that_cannot_be_written_do_not_end_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events").touch()
    events = EventLog(tmp_path / "events")

    events.append(_epoch(1))
    events.append(_epoch(2))

    assert capsys.readouterr().err.count("The training goes on without TensorBoard events") == 1


def test_a_line_that_was_refused_comes_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = EpochLog(path)
    log.append(_epoch(1))
    path.rename(tmp_path / "kept")
    path.mkdir()

    with pytest.raises(SaveError, match=r"metrics\.jsonl cannot be written"):
        log.append(_epoch(2))
    path.rmdir()
    (tmp_path / "kept").rename(path)
    log.append(_epoch(3))

    assert [epoch["epoch"] for epoch in _read_lines(path)] == [1, 2, 3]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    path = tmp_path / "metrics.jsonl"
    log = EpochLog(path)
    log.append(_epoch(1))
    before = path.read_bytes()
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
    try:
        with pytest.raises(SaveError):
            log.append(_epoch(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)

    assert path.read_bytes() == before
    log.append(_epoch(3))
    assert [epoch["epoch"] for epoch in _read_lines(path)] == [1, 2, 3]


def test_a_log_refuses_what_is_no_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        EpochLog(tmp_path / "metrics.jsonl").append({"epoch": 1, "train_loss": float("nan")})
