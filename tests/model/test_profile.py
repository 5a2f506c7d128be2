"""--profile: a trace that opens, a table whose shares are all of the time, and advice that follows from them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from training_runs import configure, train

from model.training.profile import NETWORK_ADVICE, advise

SHARES = {
    "waiting for images": 0.01,
    "making batches": 0.1,
    "forward": 0.3,
    "backward": 0.5,
    "optimizer": 0.05,
    "other": 0.04,
}


def test_a_profile_is_a_trace_of_one_epoch_and_a_table(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train(configure(tmp_path, profile=True))

    with gzip.open(tmp_path / "trace.json.gz", "rt") as file:
        events = json.load(file)["traceEvents"]
    phases = [event["name"] for event in events if event.get("cat") == "user_annotation"]
    assert phases.count("forward") == phases.count("data") == 3  # the steps of one epoch
    assert any(event["name"] == "aten::convolution" for event in events)
    said = capfd.readouterr()
    assert "profiler_st" not in said.err + said.out  # what PyTorch's own profiler says while it records
    table = said.out.partition("epoch 2/3, 3 steps in ")[2].splitlines()[1:7]
    assert sum(float(line.split()[-2]) for line in table) == pytest.approx(100.0, abs=0.5)


def test_every_epoch_tells_waiting_and_computing_apart(tmp_path: Path) -> None:
    train(configure(tmp_path))

    for line in map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines()):
        learning = line["data_wait_seconds"] + line["step_seconds"]
        assert 0.0 == line["data_wait_seconds"] < line["step_seconds"] < line["seconds"]  # all images are in memory
        assert line["images_per_second"] * learning == pytest.approx(34, rel=0.05)
        assert line["step_images_per_second"] * line["step_seconds"] == pytest.approx(34, rel=0.05)


def test_without_a_profile_there_is_no_trace(tmp_path: Path) -> None:
    train(configure(tmp_path, epochs=1))

    assert not (tmp_path / "trace.json.gz").exists()


def test_a_trace_that_cannot_be_written_costs_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trace.json.gz").mkdir()

    fitted = train(configure(tmp_path, epochs=1, profile=True))

    assert fitted.epochs == 1
    assert "trace.json.gz cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({}, NETWORK_ADVICE),
        ({"waiting for images": 0.3, "optimizer": 0.3}, "--cache"),
        ({"making batches": 0.4}, "--augment"),
        ({"optimizer": 0.3}, "--batch-size"),
        ({"other": 0.5}, "--batch-size"),
    ],
)
def test_the_advice_is_about_what_takes_the_time(changes: dict[str, float], advice: str) -> None:
    assert advice in advise(SHARES | changes)
