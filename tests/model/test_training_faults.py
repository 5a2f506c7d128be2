"""What can go wrong while a training runs, and what is left then: numbers that are none, disks, folders in use."""

from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from training_runs import configure, draw_dataset, train

from model.checkpoint import load_checkpoint
from model.claim import claim, remove_leftovers
from model.config import TrainConfig
from model.data.ordering import draw_order
from model.data.store import PixelStore
from model.errors import Interrupted, ModelError, SaveError, SourceGone, UsageError
from model.evaluation.results import EpochLog
from model.interruption import Interruption
from model.train import main
from model.training import batches
from model.training.fit import fit
from model.training.resume import remove_checkpoint

SHORT = ("--epochs", "1", "--image-size", "32", "--arch", "cnn", "--device", "cpu")


def _is_finite(weights: dict[str, Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in weights.values())


@pytest.mark.parametrize("ema", [0.0, 5.0])
def test_a_loss_that_is_no_number_ends_the_training_and_keeps_the_last_good_checkpoint(
    ema: float, tmp_path: Path
) -> None:
    config = configure(tmp_path, learning_rate=1e30, ema=ema, epochs=20, warm_up=0.0)

    with pytest.raises(ModelError, match=r"diverged in epoch \d+/20, step [1-3]: the loss or a weight") as raised:
        train(config)

    assert raised.value.exit_code == 1
    assert "smaller --learning-rate" in raised.value.hint
    path = tmp_path / "checkpoints" / "last.pt"
    assert str(path) in raised.value.message
    kept = load_checkpoint(path)
    assert _is_finite(kept.states[0])
    assert _is_finite(kept.training["trainer"]["network"])


class _Coming:
    """Stands for the reading of images that goes on while the network learns."""

    def __init__(self, store: PixelStore) -> None:
        self.store = store


@pytest.mark.parametrize("recipe", [{}, {"head_share": 0.5, "epochs": 1}])
@pytest.mark.parametrize("ends_by", ["S3", "a signal"])
def test_a_training_whose_images_come_no_more_goes_on_from_its_last_step(
    ends_by: str, recipe: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "LOOK_SECONDS", 0.01)
    config = configure(tmp_path / "stopped", **recipe)
    whole = draw_dataset(config)
    shown = np.array(whole.split.train)[draw_order(len(whole.split.train), seed=config.seed, epoch=1)].tolist()
    there = set(shown[:24])
    is_over = threading.Event()

    class Watching(Interruption):
        """Says when two steps are done, and perhaps that a signal came while the third one waits."""

        questions = 0

        @property
        def is_received(self) -> bool:
            self.questions += 1
            if self.questions == 2:
                is_over.set()
            return self.questions > 2 and ends_by == "a signal"

    def fill(position: int) -> NDArray[np.uint8]:
        if position not in there:
            is_over.wait()
            stay_away.wait()
            raise SourceGone("s3://photos/set does not answer.")
        return np.array(whole.pixels[position])

    stay_away = threading.Event()
    if ends_by == "S3":
        stay_away.set()
    store = PixelStore(np.zeros_like(whole.pixels), fill, [*shown, *whole.split.validation, *whole.split.test])
    coming = replace(whole, pixels=store.pixels, measured=tuple(shown[:24]), loading=_Coming(store))  # type: ignore[arg-type]
    store.wait(shown[:24])

    with pytest.raises(SourceGone if ends_by == "S3" else Interrupted):
        fit(config, coming, EpochLog(config.output / "metrics.jsonl"), Watching())

    stay_away.set()
    unfinished = load_checkpoint(config.checkpoints / "last.pt")
    assert unfinished.training["state"]["step"] == 2
    known = replace(whole, measured=coming.measured)
    log = EpochLog(config.output / "metrics.jsonl", is_resumed=True)
    actual = fit(config, known, log, Interruption(), unfinished=unfinished)
    other = EpochLog(tmp_path / "metrics.jsonl")
    expected = fit(configure(tmp_path / "whole", **recipe), known, other, Interruption())
    for name, tensor in expected.checkpoint.states[0].items():
        assert torch.equal(actual.checkpoint.states[0][name], tensor)


def test_checkpoints_that_cannot_be_written_cost_one_warning_and_not_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configure(tmp_path)
    config.checkpoints.write_text("a file where the folder should be")

    fitted = train(config)

    assert fitted.epochs == 3
    errors = capsys.readouterr().err
    assert errors.count("Warning") == 1
    assert "last.pt cannot be written" in errors
    assert "The training goes on" in errors


def test_results_that_cannot_be_written_are_written_by_a_resume_without_training_again(
    class_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    (output / "model.pt").mkdir(parents=True)
    command = ["model.train", "--data", str(class_folders), "--output", str(output), *SHORT]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SaveError, match=r"model\.pt cannot be written: is a directory") as raised:
        main()
    assert "--resume" in raised.value.hint
    capsys.readouterr()

    (output / "model.pt").rmdir()
    monkeypatch.setattr(sys, "argv", [*command, "--resume"])
    main()

    assert "epoch 1/1" not in capsys.readouterr().out
    assert load_checkpoint(output / "model.pt").classes == ("blue", "red")
    assert not (output / "checkpoints").exists()


def test_results_without_a_checkpoint_promise_no_resume(
    class_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    (output / "model.pt").mkdir(parents=True)
    (output / "checkpoints").touch()
    monkeypatch.setattr(sys, "argv", ["model.train", "--data", str(class_folders), "--output", str(output), *SHORT])

    with pytest.raises(SaveError, match=r"model\.pt cannot be written") as raised:
        main()

    assert "--resume" not in raised.value.hint
    assert "train again" in raised.value.hint


def test_a_signal_after_the_results_says_that_all_is_done(
    class_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tidy_and_signal(config: TrainConfig) -> None:
        remove_checkpoint(config)
        os.kill(os.getpid(), signal.SIGINT)

    # A real signal at the last moment, which no other means hits.
    monkeypatch.setattr("model.training.resume.remove_checkpoint", tidy_and_signal)
    monkeypatch.setattr(sys, "argv", ["model.train", "--data", str(class_folders), "--output", str(tmp_path), *SHORT])

    with pytest.raises(Interrupted) as raised:
        main()

    assert raised.value.message == (f"Stopped by SIGINT. The training is finished, and all results are in {tmp_path}.")
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--arch", "resnet19"], "There is no architecture 'resnet19'"),
        (["--start-from", "gone.pt"], "There is no model in gone.pt"),
        (["--resume"], "There is nothing to resume"),
    ],
)
def test_what_cannot_be_is_refused_before_images_are_read(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["model.train", "--data", str(tmp_path / "no images"), "--output", str(tmp_path / "out"), *options]
    monkeypatch.setattr(sys, "argv", command)

    with pytest.raises(UsageError, match=message):
        main()

    assert list((tmp_path / "out").iterdir()) == []


def test_images_that_cannot_be_used_leave_an_earlier_result_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "metrics.jsonl").write_text("{}\n")
    monkeypatch.setattr(
        sys, "argv", ["model.train", "--data", str(tmp_path / "no images"), "--output", str(tmp_path / "out")]
    )

    with pytest.raises(UsageError, match="no images does not exist"):
        main()

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["metrics.jsonl"]
    assert (tmp_path / "out" / "metrics.jsonl").read_text() == "{}\n"


def test_a_folder_that_another_training_writes_to_is_refused(tmp_path: Path) -> None:
    with (
        claim(tmp_path / "out"),
        pytest.raises(UsageError, match="Another training is writing to"),
        claim(tmp_path / "out"),
    ):
        pass

    with claim(tmp_path / "out"):
        pass
    assert list((tmp_path / "out").iterdir()) == []


def test_files_half_written_by_a_killed_training_are_removed(tmp_path: Path) -> None:
    for name in (".last.pt.4711.tmp", "last.pt", ".hidden", "notes.tmp"):
        (tmp_path / name).touch()

    remove_leftovers(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "last.pt", "notes.tmp"]
