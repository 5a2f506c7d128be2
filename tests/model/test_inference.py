from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from training_runs import configure

from model.checkpoint import Checkpoint
from model.data.dataset import load_dataset
from model.evaluation.results import EpochLog
from model.inference import classifier as inference
from model.inference.classifier import Classifier
from model.inference.views import choose_batch_size, list_views
from model.interruption import Interruption
from model.memory import answer_in_parts
from model.networks.catalogue import build_network
from model.outcome.writing import write_outcome
from model.predict import predict
from model.prediction.config import parse_predict_arguments
from model.training.fit import fit


@pytest.fixture
def pixels() -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (5, 37, 37, 3), dtype=np.uint8)


def _checkpoint(*, networks: int = 1, **changes: Any) -> Checkpoint:
    torch.manual_seed(0)
    states = []
    for _ in range(networks):
        network = build_network("cnn", class_count=3, image_size=32)
        with torch.no_grad():  # the answers of a network that knows nothing are too much alike
            network.get_parameter("classifier.weight").mul_(20.0)
        states.append(network.state_dict())
    values: dict[str, Any] = {
        "arch": "cnn",
        "classes": ("a", "b", "c"),
        "image_size": 32,
        "decode_size": 37,
        "mean": (120.0, 125.0, 130.0),
        "std": (60.0, 65.0, 70.0),
        "states": tuple(states),
    }
    return Checkpoint(**(values | changes))


def _classify(checkpoint: Checkpoint, pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, Any]:
    return Classifier(checkpoint, device="cpu").classify(pixels)


def test_classifier_asks_about_the_whole_image_normalised(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    checkpoint = _checkpoint(decode_size=32)
    whole = pixels[:, :32, :32]

    shares = _classify(checkpoint, whole)

    images = (torch.from_numpy(whole).float() - torch.tensor(checkpoint.mean)) / torch.tensor(checkpoint.std)
    with torch.inference_mode():
        expected = checkpoint.build()(images.permute(0, 3, 1, 2)).double().softmax(dim=1).numpy()
    assert shares.dtype == np.float64
    np.testing.assert_allclose(shares, expected, atol=1e-5)
    assert np.ptp(shares) > 0.1


@pytest.mark.parametrize("tta", ["flip", "crops"])
def test_classifier_averages_views_that_mirror_each_other(
    pixels: np.ndarray[Any, np.dtype[np.uint8]], tta: str
) -> None:
    mirrored = pixels[:, :, ::-1]

    plain = _checkpoint()
    averaged = _checkpoint(tta=tta)

    np.testing.assert_allclose(_classify(averaged, pixels), _classify(averaged, mirrored), atol=1e-5)
    assert np.abs(_classify(plain, pixels) - _classify(plain, mirrored)).max() > 0.01
    if tta == "flip":
        mean = (_classify(plain, pixels) + _classify(plain, mirrored)) / 2
        np.testing.assert_allclose(_classify(averaged, pixels), mean, atol=1e-5)


def test_list_views_crops_the_middle(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    images = torch.from_numpy(pixels.copy())
    framed = images.clone()
    framed[:, 3:-3, 3:-3] = 255  # of 37 pixels the middle 31 are the 85 % that are cut out

    views = list_views(framed, size=32, tta="crops")

    assert [tuple(view.shape) for view in views] == [(5, 32, 32, 3)] * 4
    assert bool((views[1] == 255).all())
    assert not bool((views[0] == 255).all())


def test_temperature_cools_without_changing_the_order(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    sharp, mild = _classify(_checkpoint(), pixels), _classify(_checkpoint(temperature=3.0), pixels)

    np.testing.assert_array_equal(sharp.argsort(axis=1), mild.argsort(axis=1))
    assert (mild.max(axis=1) < sharp.max(axis=1)).all()
    np.testing.assert_allclose(mild.sum(axis=1), 1.0)


def test_several_networks_average_their_probabilities(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    both = _checkpoint(networks=2, temperature=1.5)
    alone = [_classify(_checkpoint(states=(state,), temperature=1.5), pixels) for state in both.states]

    np.testing.assert_allclose(_classify(both, pixels), (alone[0] + alone[1]) / 2, atol=1e-6)
    assert np.abs(alone[0] - alone[1]).max() > 0.01


def test_answers_do_not_depend_on_the_batch(
    pixels: np.ndarray[Any, np.dtype[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = Classifier(_checkpoint(tta="crops"), device="cpu")
    together = classifier.classify(pixels)

    one_by_one = np.concatenate([classifier.classify(pixels[k : k + 1]) for k in range(len(pixels))])
    monkeypatch.setattr(inference, "choose_batch_size", lambda _size: 2)
    in_parts = classifier.classify(pixels)

    np.testing.assert_allclose(one_by_one, together, atol=1e-5)
    np.testing.assert_allclose(in_parts, together, atol=1e-5)


def test_classify_nothing_is_nothing() -> None:
    empty = np.zeros((0, 37, 37, 3), dtype=np.uint8)

    assert _classify(_checkpoint(tta="crops"), empty).shape == (0, 3)


@pytest.mark.parametrize(("size", "images"), [(32, 256), (128, 128), (224, 41), (1024, 2), (4096, 1)])
def test_choose_batch_size_bounds_the_pixels(size: int, images: int) -> None:
    assert choose_batch_size(size) == images


def _read_table(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["filename"]: row for row in csv.DictReader(file)}


def test_predict_says_what_the_training_said_about_the_same_files(class_folders: Path, tmp_path: Path) -> None:
    config = configure(tmp_path / "results", data=class_folders, tta="crops", augment="standard", epochs=1)
    dataset = load_dataset(config)
    fitted = fit(config, dataset, EpochLog(config.output / "metrics.jsonl"), Interruption())
    write_outcome(config, dataset, fitted, [], seconds=1.0)

    table = tmp_path / "predictions.csv"
    predict(
        parse_predict_arguments(
            ["--model", str(config.output / "model.pt"), str(class_folders), "--output", str(table)]
        )
    )

    then, now = _read_table(config.output / "predictions.csv"), _read_table(table)
    assert config.decode_size > config.image_size
    assert fitted.checkpoint.temperature != 1.0
    assert len(then) == len(dataset.split.validation) + len(dataset.split.test)
    for name, row in then.items():
        assert now[name]["label"] == row["label"]
        for column in ("probability", "p_blue", "p_red"):
            assert float(now[name][column]) == pytest.approx(float(row[column]), abs=1e-5)


class _Forgetful(nn.Module):
    """Runs out of memory with more than `most` images at once, as PyTorch's allocator on a CPU says it."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self.most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes.")
        return images.mean(dim=(2, 3))[:, :2]


def test_short_memory_costs_time_and_no_answer() -> None:
    images = torch.arange(40.0).reshape(10, 4, 1, 1).expand(10, 4, 3, 3)

    answers = answer_in_parts(_Forgetful(3), images, part_size=8)

    assert torch.equal(answers, _Forgetful(10)(images))
    with pytest.raises(RuntimeError, match="allocate"):
        answer_in_parts(_Forgetful(0), images, part_size=8)
