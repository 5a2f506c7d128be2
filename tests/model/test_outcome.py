"""What a training leaves behind: the same truth in every file, strict JSON, for classes and parts of any kind."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.checkpoint import Checkpoint, load_checkpoint
from model.config import TrainConfig, parse_train_arguments
from model.data.dataset import Dataset
from model.data.leaks import Leaks, NearDuplicate
from model.data.samples import BadFile, Sample
from model.data.split import Split
from model.evaluation.calibration import fit_temperature
from model.networks.catalogue import build_network
from model.outcome.writing import write_outcome
from model.training.fit import Fitted
from model.training.loop import Evaluation

ODD_NAMES = ('a,b "c"', "x/y\\z", "line\nbreak", "🐙|`*", "L" * 200)
FILES = {"model.pt", "metrics.json", "predictions.csv", "report.html", "model_card.md"}


def _config(output: Path, *options: str) -> TrainConfig:
    return parse_train_arguments(
        [
            "--data",
            str(output),
            "--output",
            str(output),
            "--arch",
            "cnn",
            "--image-size",
            "32",
            "--device",
            "cpu",
            *options,
        ]
    )


def _dataset(labels: Sequence[str], groups: Sequence[str], *, test: int, folds: int = 1) -> Dataset:
    """Return images that are not on disk; the last `test` ones of each fold's turn are its test part."""
    count = len(labels)
    samples = tuple(
        Sample(name=f"{k}.png", place=f"/nowhere/{k}.png", label=label, group=group)
        for k, (label, group) in enumerate(zip(labels, groups, strict=True))
    )
    alike = NearDuplicate(first="0.png", second="1.png", distance=2, parts=("train", "test"))
    splits = []
    for fold in range(folds):
        turn = np.roll(np.arange(count), test * fold).tolist()
        splits.append(
            Split(
                train=tuple(sorted(turn[: -test - 6])),
                validation=tuple(sorted(turn[-test - 6 : -test])),
                test=tuple(sorted(turn[-test:])),
            )
        )
    return Dataset(
        samples=samples,
        classes=tuple(sorted(set(labels))),
        pixels=np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3)).astype(np.uint8),
        splits=tuple(splits),
        source="targets.csv",
        bad=(BadFile(name="broken.png", reason="is empty"),),
        leaks=Leaks(near_duplicates=(alike,)),
        notes=("something | about the data",),
    )


def _fit(config: TrainConfig, dataset: Dataset, *, seed: int = 0, margin: float = 1.5) -> Fitted:
    """Return a training that never was: logits that lean to the truth, and a network of random weights."""
    generator = np.random.default_rng(seed)
    targets = np.array(dataset.targets)

    def answer(parts: list[tuple[int, ...]]) -> Evaluation:
        positions = np.array([position for part in parts for position in part])
        logits = generator.normal(size=(len(positions), len(dataset.classes)))
        logits += margin * np.eye(len(dataset.classes))[targets[positions]]
        return Evaluation(logits=logits, targets=targets[positions], positions=positions, loss=0.5)

    validation = answer([split.validation for split in dataset.splits])
    torch.manual_seed(0)
    network = build_network("cnn", class_count=len(dataset.classes), image_size=32)
    return Fitted(
        checkpoint=Checkpoint(
            arch="cnn",
            classes=dataset.classes,
            image_size=32,
            mean=(127.0,) * 3,
            std=(60.0,) * 3,
            states=tuple(network.state_dict() for _ in dataset.splits),
            temperature=fit_temperature(validation.logits, validation.targets),
            tta=config.tta,
            training={},
        ),
        validation=validation,
        test=answer([split.test for split in dataset.splits]),
        best_epoch=2,
        epochs=3,
        steps=30,
        device="cpu",
        precision="float32",
        processes=1,
        training_seconds=1.0,
        images_per_second=10.0,
        notes=("stopped early",),
    )


def _read(path: Path) -> Any:
    def refuse(word: str) -> None:
        pytest.fail(f"{word} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _labels(names: Sequence[str], count: int) -> list[str]:
    return [names[k % len(names)] for k in range(count)]


def test_every_file_tells_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOYER_USD_PER_HOUR", "0.75")
    config = _config(tmp_path)
    dataset = _dataset(_labels(("cat", "dog"), 60), [f"g{k // 3}" for k in range(60)], test=18)

    told = write_outcome(config, dataset, _fit(config, dataset), [], seconds=7200.0)

    assert {path.name for path in tmp_path.iterdir()} == FILES
    metrics, rows = _read(tmp_path / "metrics.json"), _read_rows(tmp_path / "predictions.csv")
    assert json.loads(json.dumps(told)) == metrics
    assert list(rows[0]) == ["filename", "label", "probability", "p_cat", "p_dog", "target", "split", "group"]
    test = [row for row in rows if row["split"] == "test"]
    assert np.mean([row["label"] == row["target"] for row in test]) == pytest.approx(metrics["test"]["accuracy"])
    told_nll = -np.mean([np.log(float(row[f"p_{row['target']}"])) for row in test])
    assert told_nll == pytest.approx(metrics["test"]["nll"], abs=1e-4)
    assert test[0]["group"] == dataset.samples[dataset.split.test[0]].group
    assert metrics["cost"] == {"usd": 1.5, "usd_per_hour": 0.75}
    assert metrics["images"]["test"] == metrics["test"]["count"] == 18
    assert metrics["notes"] == ["something | about the data", "stopped early"]
    assert metrics["leaks"]["near_duplicate_count"] == 1
    assert metrics["recipe"]["learning_rate"] == config.learning_rate
    assert ("epochs" in metrics["recipe"]) != ("steps" in metrics["recipe"])  # what was not asked for had no say
    assert metrics["floors"]["majority"]["label"] in {"cat", "dog"}
    assert metrics["floors"]["nearest_neighbour"]["neighbours"] == 5
    assert f"{metrics['test']['accuracy']:.3f}" in (tmp_path / "model_card.md").read_text()
    assert load_checkpoint(tmp_path / "model.pt").temperature == metrics["test"]["calibration"]["temperature"]


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_part_is_described_as_promised(tmp_path: Path, part: str) -> None:
    config = _config(tmp_path)
    dataset = _dataset(_labels(("a", "b", "c"), 90), [f"g{k // 5}" for k in range(90)], test=30)

    described = write_outcome(config, dataset, _fit(config, dataset), [], seconds=1.0)[part]

    assert described["accuracy_interval"][0] < described["accuracy"] < described["accuracy_interval"][1]
    low, high = described["balanced_accuracy_interval"]
    assert low < described["balanced_accuracy"] < high
    assert "groups" in described["interval_method"]
    assert [row["label"] for row in described["by_class"]] == ["a", "b", "c"]
    shares = [row["accuracy"] for row in described["by_group"]]
    assert shares == sorted(shares)
    assert sum(row["count"] for row in described["by_group"]) == described["count"]
    for label in ("a", "b", "c"):
        assert described["roc"][label][0] == (0.0, 0.0)
        assert described["precision_recall"][label][0] == (0.0, 1.0)
    assert set(described["calibration"]["after"]) == {"ece", "interval", "noise_floor", "bins"}
    assert described["calibration"]["before"]["ece"] != described["calibration"]["after"]["ece"]


def test_answers_of_folds_are_calibrated_without_themselves(tmp_path: Path) -> None:
    config = _config(tmp_path, "--folds", "3")
    dataset = _dataset(_labels(("a", "b"), 60), [""] * 60, test=20, folds=3)

    metrics = write_outcome(config, dataset, _fit(config, dataset, margin=4.0), [], seconds=1.0)

    rows = _read_rows(tmp_path / "predictions.csv")
    assert sorted({row["fold"] for row in rows}) == ["1", "2", "3"]
    tested = [row["filename"] for row in rows if row["split"] == "test"]
    assert sorted(tested) == sorted(sample.name for sample in dataset.samples)
    calibration = metrics["test"]["calibration"]
    assert len(set(calibration["by_fold"])) > 1
    assert metrics["images"]["test"] == 60
    assert "3-fold" in (tmp_path / "model_card.md").read_text()


@pytest.mark.parametrize(
    ("names", "groups", "test"),
    [
        (ODD_NAMES, "", 20),
        (("a", "b"), "one | dive", 20),
        (("a", "b"), "g{}", 20),
        (("a", "b", "c", "d"), "", 3),
        (("a", "b"), "\n,\"'{}", 1),
    ],
    ids=["odd names", "one group", "a group each", "class absent", "one image"],
)
def test_anything_can_be_told(tmp_path: Path, names: Sequence[str], groups: str, test: int) -> None:
    config = _config(tmp_path)
    dataset = _dataset(_labels(names, 60), [groups.format(k) for k in range(60)], test=test)

    write_outcome(config, dataset, _fit(config, dataset), [], seconds=1.0)

    metrics, rows = _read(tmp_path / "metrics.json"), _read_rows(tmp_path / "predictions.csv")
    assert metrics["classes"] == sorted(names)
    assert set(metrics["test"]["roc"]) == set(names)
    assert {row["target"] for row in rows} <= set(names)
    assert all(float(row[f"p_{row['label']}"]) == float(row["probability"]) for row in rows)
    for table in _find_tables((tmp_path / "model_card.md").read_text(encoding="utf-8")):
        assert len({len(_split_cells(line)) for line in table}) == 1, table


@pytest.mark.parametrize("margin", [50.0, -50.0])
def test_all_right_and_all_wrong_are_numbers(tmp_path: Path, margin: float) -> None:
    config = _config(tmp_path)
    dataset = _dataset(_labels(("a", "b"), 60), [""] * 60, test=20)

    test = write_outcome(config, dataset, _fit(config, dataset, margin=margin), [], seconds=1.0)["test"]

    _read(tmp_path / "metrics.json")
    assert test["accuracy"] == (margin > 0)
    low, high = test["accuracy_interval"]
    assert 0.1 < high - low < 0.2
    assert 0.1 < test["balanced_accuracy_interval"][1] - test["balanced_accuracy_interval"][0] < 0.3


@pytest.mark.parametrize("price", ["", "free", "nan", "inf", "-1"])
def test_a_price_that_is_none_costs_nothing_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, price: str) -> None:
    monkeypatch.setenv("DEPLOYER_USD_PER_HOUR", price)
    config = _config(tmp_path)
    dataset = _dataset(_labels(("a", "b"), 40), [""] * 40, test=10)

    assert write_outcome(config, dataset, _fit(config, dataset), [], seconds=1.0)["cost"] is None


def test_many_groups_are_told_worst_first_and_only_the_worst(tmp_path: Path) -> None:
    config = _config(tmp_path)
    dataset = _dataset(_labels(("a", "b"), 620), [f"patient {k}" for k in range(620)], test=500)

    test = write_outcome(config, dataset, _fit(config, dataset), [], seconds=1.0)["test"]

    assert test["group_count"] == 500
    assert len(test["by_group"]) == 50
    assert test["by_group"][0]["accuracy"] == 0.0


def test_the_card_names_the_limits(tmp_path: Path) -> None:
    config = _config(tmp_path, "--pretrained")
    dataset = _dataset(_labels(("a", "b"), 60), [f"g{k // 3}" for k in range(60)], test=20)
    leaky = replace(dataset, leaks=Leaks(groups=20, leaked_groups=2, leaked_images=6))

    write_outcome(config, leaky, _fit(config, leaky, margin=-9.0), [], seconds=1.0)

    card = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    for words in (
        "2 of 20 groups are in more than one part",
        "better than they will be on new groups",
        "Fewer than 20 test images",
        "not shown to be better than what needs no network",
        "weights learnt on ImageNet",
        "python -m model.predict --model model.pt",
        "something \\| about the data",
        "Not stated.",
    ):
        assert words in card
    assert str(tmp_path) not in card  # the card is passed on; where things were is nobody's business


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "trained from scratch"),
        (("--pretrained",), "weights learnt on ImageNet"),
        (("--start-from", "/home/anna/first.pt"), "started from an earlier model (first.pt)"),
    ],
)
def test_the_card_says_what_the_network_knew_before(tmp_path: Path, options: Sequence[str], words: str) -> None:
    config = _config(tmp_path, *options)
    dataset = _dataset(_labels(("a", "b"), 60), [""] * 60, test=20)

    write_outcome(config, dataset, _fit(config, dataset), [], seconds=1.0)

    card = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    starts = ("trained from scratch", "weights learnt on ImageNet", "started from an earlier model")
    assert words in card
    assert sum(start in card for start in starts) == 1
    assert "/home" not in card
    assert words in (tmp_path / "report.html").read_text(encoding="utf-8")


def _find_tables(card: str) -> list[list[str]]:
    tables: list[list[str]] = [[]]
    for line in card.splitlines():
        if line.startswith("|"):
            tables[-1].append(line)
        elif tables[-1]:
            tables.append([])
    return [table for table in tables if table]


def _split_cells(line: str) -> list[str]:
    return line.replace("\\\\", "").replace("\\|", "").split("|")
