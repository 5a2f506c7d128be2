"""What can go wrong while a training runs, and what is left then: numbers that are none, disks, folders in use."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from training_runs import configure, train

from model.checkpoint import load_checkpoint
from model.claim import claim, remove_leftovers
from model.config import TrainConfig
from model.errors import Interrupted, ModelError, SaveError, UsageError
from model.train import main
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
