"""`python -m model.train` and `python -m model.predict` as a person runs them: own processes, real files."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model.config import parse_train_arguments
from model.console import run
from model.errors import CheckpointError, UsageError
from model.predict import predict
from model.prediction.config import PredictConfig
from model.train import main

Draw = Callable[..., Path]

ROOT = Path(__file__).parents[2]


def _environment(**extra: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "OMP_NUM_THREADS": "1"} | extra


def _run(module: str, *arguments: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=_environment(**extra), check=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A small training, run once: its folders and what it printed."""
    from conftest import _draw  # the fixture is for one test, this one for the module

    folder = tmp_path_factory.mktemp("trained")
    for number in range(60):
        label = ("red", "blue")[number % 2]
        _draw(folder / "data" / "images" / f"<b>{number} ü&.png", label, seed=number)
    (folder / "data" / "images" / "7 broken.png").write_text("not an image")
    rows = [f"<b>{number} ü&.png,{('red', 'blue')[number % 2]},g{number // 4}" for number in range(60)]
    table = ["filename,label,group", *rows, "7 broken.png,red,g0", "gone.png,blue,g0"]
    (folder / "data" / "targets.csv").write_text("\n".join(table), encoding="utf-8")
    options = ("--epochs", "3", "--image-size", "32", "--seed", "5", "--device", "cpu")
    done = _run("model.train", "--data", folder / "data", "--output", folder / "out", *options)
    assert done.returncode == 0, done.stderr
    return {"folder": folder, "out": folder / "out", "stdout": done.stdout, "stderr": done.stderr, "options": options}


def test_train_tells_what_it_does_line_by_line(trained: dict[str, Any]) -> None:
    lines = trained["stdout"].splitlines()

    assert lines[0] == "61 images in 2 classes (labels from targets.csv)"
    assert [line.split("  ")[0] for line in lines if line.startswith("epoch")] == [
        "epoch 1/3",
        "epoch 2/3",
        "epoch 3/3",
    ]
    assert "\r" not in trained["stdout"]
    assert "gone.png (does not exist)" in trained["stderr"]
    assert "7 broken.png (is not an image)" in trained["stderr"]
    assert len(trained["stderr"].splitlines()) == 2


def test_train_leaves_every_result_and_nothing_else(trained: dict[str, Any]) -> None:
    names = sorted(path.name for path in trained["out"].iterdir())

    assert names == [
        "events", "metrics.json", "metrics.jsonl", "model.pt", "model_card.md", "predictions.csv", "report.html",
    ]  # fmt: skip


def test_metrics_json_holds_what_is_promised(trained: dict[str, Any]) -> None:
    def refuse(word: str) -> None:
        pytest.fail(f"{word} is not JSON")

    metrics = json.loads((trained["out"] / "metrics.json").read_text(), parse_constant=refuse)

    for part in ("validation", "test"):
        assert set(metrics[part]) == {
            "accuracy", "balanced_accuracy", "macro_f1", "auc", "count", "labels", "confusion_matrix",
            "accuracy_interval", "balanced_accuracy_interval", "interval_method", "nll", "by_class", "by_group",
            "group_count", "roc", "precision_recall", "calibration",
        }  # fmt: skip
        assert metrics[part]["labels"] == ["blue", "red"]
        assert metrics[part]["accuracy"] > 0.8
    assert (metrics["seed"], metrics["arch"], metrics["image_size"], metrics["epochs"]) == (5, "small_resnet", 32, 3)
    assert metrics["seconds"] > 0
    assert metrics["images_per_second"] > 0
    assert metrics["device"].startswith("cpu")
    assert metrics["images"]["skipped"] == 2
    assert metrics["images"]["used"] == 60
    assert metrics["skipped"][0] == {"filename": "gone.png", "reason": "does not exist"}


def test_metrics_jsonl_has_a_line_for_each_epoch(trained: dict[str, Any]) -> None:
    epochs = [json.loads(line) for line in (trained["out"] / "metrics.jsonl").read_text().splitlines()]

    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3]
    assert {"train_loss", "validation_loss", "validation_accuracy", "validation_balanced_accuracy"} < set(epochs[0])


def test_predictions_agree_with_the_metrics(trained: dict[str, Any]) -> None:
    with (trained["out"] / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    metrics = json.loads((trained["out"] / "metrics.json").read_text())

    assert list(rows[0]) == ["filename", "label", "probability", "p_blue", "p_red", "target", "split", "group"]
    for part in ("validation", "test"):
        mine = [row for row in rows if row["split"] == part]
        assert len(mine) == metrics[part]["count"]
        right = sum(row["label"] == row["target"] for row in mine)
        assert right / len(mine) == pytest.approx(metrics[part]["accuracy"])
    for row in rows:
        assert float(row["p_blue"]) + float(row["p_red"]) == pytest.approx(1.0, abs=1e-5)
        assert row["probability"] == row[f"p_{row['label']}"]


def test_a_killed_training_resumes_to_the_model_of_one_that_was_not(
    trained: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--data", str(trained["folder"] / "data"), "--output", str(tmp_path), *trained["options"])
    command = [sys.executable, "-m", "model.train", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=_environment()
    )
    assert process.stdout is not None
    next(line for line in process.stdout if line.startswith("epoch 1/3  loss"))
    process.kill()
    process.communicate()

    resumed = _run("model.train", *arguments, "--resume")
    monkeypatch.setattr(sys, "argv", ["model.train", *arguments, "--resume"])
    main()

    assert resumed.returncode == 0, resumed.stderr
    assert "going on after step" in resumed.stdout
    first, second = (torch.load(folder / "model.pt", weights_only=True) for folder in (trained["out"], tmp_path))
    assert all(torch.equal(first["states"][0][name], second["states"][0][name]) for name in first["states"][0])
    assert first["temperature"] == second["temperature"]
    assert (tmp_path / "predictions.csv").read_text() == (trained["out"] / "predictions.csv").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in trained["out"].iterdir())
    assert capsys.readouterr().out.startswith("the training is finished")


def test_predict_classifies_a_folder_and_skips_what_it_cannot_read(trained: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "predictions.csv"

    done = _run(
        "model.predict", "--model", trained["out"] / "model.pt", "--images", trained["folder"] / "data", "--output", out
    )

    assert done.returncode == 0, done.stderr
    assert "images/7 broken.png (is not an image)" in done.stderr
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["filename", "label", "probability", "p_blue", "p_red"]
    assert len(rows) == 60
    truth = {f"images/<b>{number} ü&.png": ("red", "blue")[number % 2] for number in range(60)}
    assert sum(truth[row["filename"]] == row["label"] for row in rows) > 50


def test_predict_agrees_with_the_predictions_of_the_training(trained: dict[str, Any], tmp_path: Path) -> None:
    with (trained["out"] / "predictions.csv").open(encoding="utf-8", newline="") as file:
        known = next(csv.DictReader(file))
    image = trained["folder"] / "data" / "images" / known["filename"]

    model, out = trained["out"] / "model.pt", tmp_path / "one.csv"
    predict(PredictConfig(model=model, what=(str(image),), output=out, device="cpu"))

    with (tmp_path / "one.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["filename"] == known["filename"]
    assert float(row["p_red"]) == pytest.approx(float(known["p_red"]), abs=1e-3)


def test_train_refuses_many_bad_images_before_it_learns(class_folders: Path, tmp_path: Path) -> None:
    for number in range(3):
        (class_folders / "red" / f"broken {number}.jpg").write_bytes(b"junk")

    done = _run("model.train", "--data", class_folders, "--output", tmp_path / "out")

    assert done.returncode == 2
    assert "Error: 3 of 43 images cannot be used: red/broken 0.jpg (is not an image)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "model.pt").exists()


def test_train_refuses_an_output_that_cannot_be_a_folder(class_folders: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = _run("model.train", "--data", class_folders, "--output", tmp_path / "file" / "out")

    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "cannot be written: not a directory" in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_a_checkpoint_that_predicts(
    class_folders: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    job = tmp_path / "job"
    command = [sys.executable, "-m", "model.train", "--data", str(class_folders), "--output", str(tmp_path / "out")]
    process = subprocess.Popen(
        [*command, "--epochs", "10000", "--image-size", "32", "--arch", "cnn", "--device", "cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(DEPLOYER_JOB_DIR=str(job)),
    )
    assert process.stdout is not None
    next(line for line in process.stdout if line.startswith("epoch 2/"))

    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == code
    assert len(stderr.splitlines()) == 1
    assert f"Stopped by {number.name} in epoch " in stderr
    assert str(job / "checkpoints" / "last.pt") in stderr
    content = torch.load(job / "checkpoints" / "last.pt", weights_only=True)
    assert content["training"]["state"]["epoch"] >= 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "--epochs: '0' is not a whole number between 1 and 10000"),
        (["--epochs", "many"], "'many' is not a whole number"),
        (["--image-size", "8"], "'8' is not a whole number between 32 and 1024"),
        (["--learning-rate", "nan"], "'nan' is not a number above 0"),
        (["--device", "tpu"], "invalid choice: 'tpu'"),
        (["--colour", "red"], "Unrecognized arguments: --colour"),
    ],
)
def test_train_arguments_are_checked(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(")) as raised:
        parse_train_arguments(["--data", "d", "--output", "o", *arguments])

    assert "--help" in raised.value.hint


def test_more_mixed_batches_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--mixup 0\.8 and --cutmix 0\.3 are together more than all"):
        parse_train_arguments(["--data", "d", "--output", "o", "--cutmix", "0.3", "--mixup", "0.8"])


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_a_share_of_mixed_batches_leaves_the_other_what_is_left(name: str) -> None:
    config = parse_train_arguments(["--data", "d", "--output", "o", "--preset", "best", f"--{name}", "1"])

    assert config.mixup + config.cutmix == getattr(config, name) == 1.0


def test_run_prints_an_error_and_its_hint_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise CheckpointError("There is no model in m.pt.", hint="Train one.")

    assert run(fail) == 2
    assert capsys.readouterr().err == "Error: There is no model in m.pt.\nHint: Train one.\n"


def test_run_shows_a_bug_as_a_bug() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(fail)
