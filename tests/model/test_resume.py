"""A training that is stopped anywhere and taken up again ends where the one ends that was left alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from training_runs import configure, draw_dataset, train

from model.checkpoint import load_checkpoint, save_checkpoint
from model.config import TrainConfig
from model.data.dataset import digest_samples
from model.data.samples import find_labelled_images
from model.errors import CheckpointError, Interrupted
from model.evaluation.results import EpochLog
from model.inference.classifier import Classifier
from model.training.fit import Fitted
from model.training.resume import find_unfinished, refuse_other_images

# Everything that has a state or draws numbers, in one training each.
RECIPES: dict[str, dict[str, Any]] = {
    "average, augmentation, dropout": {"augment": "trivial", "dropout": 0.5},
    "best epoch, mixing, rare classes": {
        "ema": 0.0, "patience": 2, "mixup": 0.5, "cutmix": 0.5, "balance": "weights", "optimizer": "adam",
    },
    "head first, growing images, sampler": {
        "head_share": 0.4, "progressive": 0.5, "balance": "sampler", "schedule": "one-cycle", "image_size": 64,
    },
    "folds, parts of batches": {"folds": 2, "epochs": 2, "accumulate": 3},
}  # fmt: skip

# Lines of metrics.jsonl that tell how long something took.
TIMES = {"seconds", "data_wait_seconds", "step_seconds", "images_per_second", "step_images_per_second"}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_training_stopped_again_and_again_ends_with_the_same_weights(recipe: str, tmp_path: Path) -> None:
    """Between them the recipes stop at every step, after every epoch, and while the result is examined."""
    whole, stopped = (configure(tmp_path / name, **RECIPES[recipe]) for name in ("whole", "stopped"))
    expected = train(whole)

    actual = _train_with_stops(stopped, first=list(RECIPES).index(recipe) % 3)

    assert len(actual.checkpoint.states) == max(1, stopped.folds)
    for mine, theirs in zip(actual.checkpoint.states, expected.checkpoint.states, strict=True):
        assert list(mine) == list(theirs)
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert np.array_equal(actual.test.logits, expected.test.logits)
    assert np.array_equal(actual.validation.logits, expected.validation.logits)
    assert (actual.best_epoch, actual.epochs, actual.notes) == (expected.best_epoch, expected.epochs, expected.notes)
    assert _read_lines(stopped) == _read_lines(whole)
    assert actual.earlier_seconds > expected.earlier_seconds == 0.0


def _train_with_stops(config: TrainConfig, *, first: int) -> Fitted:
    """Stop at the question `first`, go on, and stop at the third one each time until the end is reached."""
    unfinished, stop = None, first
    while True:
        try:
            return train(config, unfinished=unfinished, stop_at=stop)
        except Interrupted:
            unfinished, stop = find_unfinished(config), 2


def _read_lines(config: TrainConfig) -> list[dict[str, Any]]:
    lines = (config.output / "metrics.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key not in TIMES} for line in lines]


@pytest.mark.parametrize(
    ("question", "where"),
    [
        (0, "in epoch 1/3 after step 1 of 3"),
        (3, "in epoch 1/3 after step 3 of 3"),  # while the validation part is examined
        (4, "in epoch 2/3 after step 1 of 3"),
        (12, "after the last epoch"),
    ],
)
def test_an_interrupted_training_says_where_it_stands(question: int, where: str, tmp_path: Path) -> None:
    with pytest.raises(Interrupted) as raised:
        train(configure(tmp_path), stop_at=question)

    path = tmp_path / "checkpoints" / "last.pt"
    assert raised.value.message == f"Stopped by SIGTERM {where}; saved {path}. The same command with --resume goes on."


def test_last_pt_is_a_model_that_predicts(tmp_path: Path) -> None:
    config = configure(tmp_path)
    with pytest.raises(Interrupted):
        train(config, stop_at=5)

    classifier = Classifier(load_checkpoint(tmp_path / "checkpoints" / "last.pt"), device="cpu")

    assert np.asarray(classifier.classify(draw_dataset(config).pixels[:3])).shape == (3, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 5}, r"--epochs 3, now 5"),
        ({"seed": 1, "augment": "none"}, r"--augment standard, now none; --seed 0, now 1"),
        ({"freeze": True}, r"--freeze no, now yes"),
        ({"group_from": "(.*)_"}, r"--group-from none, now \(\.\*\)_"),
    ],
)
def test_a_resume_with_other_settings_is_refused_by_their_names(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    config = configure(tmp_path)
    with pytest.raises(Interrupted):
        train(config, stop_at=0)

    with pytest.raises(CheckpointError, match=message):
        find_unfinished(replace(config, **change))


def test_a_resume_with_as_many_steps_in_fewer_epochs_is_refused(tmp_path: Path) -> None:
    config = configure(tmp_path, epochs=0, steps=9, min_epochs=1, max_epochs=9)
    with pytest.raises(Interrupted):
        train(config, stop_at=0)

    with pytest.raises(CheckpointError, match="epochs of the preset, at most 9, now 2"):
        find_unfinished(replace(config, max_epochs=2))


def test_a_resume_may_change_where_it_computes_and_where_things_are(tmp_path: Path) -> None:
    config = configure(tmp_path)
    with pytest.raises(Interrupted):
        train(config, stop_at=0)

    moved = replace(config, device="auto", data=Path("elsewhere"), preset="best", weights="s3://b", resume=True)

    assert find_unfinished(moved) is not None


def test_a_resume_knows_the_model_it_started_from_by_its_content(tmp_path: Path) -> None:
    for name, seed in (("first", 1), ("other", 2)):
        checkpoint = train(configure(tmp_path / name, epochs=1, seed=seed)).checkpoint
        save_checkpoint(tmp_path / f"{name}.pt", checkpoint)
    config = configure(tmp_path / "second", start_from=tmp_path / "first.pt")
    with pytest.raises(Interrupted):
        train(config, stop_at=0)
    (tmp_path / "first.pt").rename(tmp_path / "moved.pt")

    assert find_unfinished(replace(config, start_from=tmp_path / "moved.pt")) is not None
    with pytest.raises(CheckpointError, match=r"--start-from the model with SHA-256 \w+, now the model with SHA-256"):
        find_unfinished(replace(config, start_from=tmp_path / "other.pt"))


@pytest.mark.parametrize("change", ["class", "count", "name", "picture"])
def test_a_resume_with_other_images_is_refused(change: str, tmp_path: Path) -> None:
    config = configure(tmp_path)
    with pytest.raises(Interrupted):
        train(config, stop_at=0)
    checkpoint = find_unfinished(config)
    assert checkpoint is not None
    dataset = draw_dataset(config)
    other, message = {
        "class": (draw_dataset(config, classes=("cat", "dog")), "tells apart blue, red; these images are cat, dog"),
        "count": (draw_dataset(config, count=52), "was trained on 48 images; here are 52"),
        "name": (
            replace(dataset, samples=(replace(dataset.samples[0], name="x.png"), *dataset.samples[1:])),
            "of other names, labels or groups",
        ),
        "picture": (
            replace(dataset, pixels=np.concatenate([255 - dataset.pixels[:1], dataset.pixels[1:]])),
            "other pictures of these names: 000.png",
        ),
    }[change]

    refuse_other_images(tmp_path / "last.pt", checkpoint, dataset)
    with pytest.raises(CheckpointError, match=message):
        refuse_other_images(tmp_path / "last.pt", checkpoint, other)


def test_an_earlier_result_is_not_taken_for_that_of_a_training_killed_at_once(tmp_path: Path) -> None:
    config = configure(tmp_path, folds=2, epochs=1)
    save_checkpoint(tmp_path / "model.pt", train(config).checkpoint)
    (config.checkpoints / "last.pt").unlink()
    assert find_unfinished(config) is None

    EpochLog(tmp_path / "metrics.jsonl")  # as the next training begins

    with pytest.raises(CheckpointError, match="is of an earlier training"):
        find_unfinished(config)


def test_a_result_of_other_images_is_not_what_was_asked_for(tmp_path: Path) -> None:
    config = configure(tmp_path, epochs=1)
    for label in ("blue", "red"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (8, 8), label).save(tmp_path / "data" / label / f"{number}.png")
    found = find_labelled_images(tmp_path / "data", None)
    finished = train(config, listed=digest_samples(found.samples)).checkpoint
    save_checkpoint(tmp_path / "model.pt", finished)
    (config.checkpoints / "last.pt").unlink()
    assert find_unfinished(config) is None

    (tmp_path / "data" / "blue" / "0.png").unlink()

    with pytest.raises(CheckpointError, match="trained on other images than those of"):
        find_unfinished(config)


def test_nothing_to_resume_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nothing to resume: neither .*last\.pt nor .*model\.pt exists"):
        find_unfinished(configure(tmp_path))
