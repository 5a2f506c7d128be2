"""A frozen body is asked once: the same model as asking it in every epoch, and what stands between the two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from training_runs import configure, train

from model.checkpoint import Checkpoint, save_checkpoint
from model.errors import Interrupted
from model.networks.catalogue import build_empty
from model.training.features import map_file, may_keep_features
from model.training.randomness import RowDropout, list_head_dropouts, rest_body, share_randomness
from model.training.resume import find_unfinished

FROZEN: dict[str, Any] = {"freeze": True, "augment": "none", "dropout": 0.4, "balance": "weights", "epochs": 4}


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A model whose body is worth keeping."""
    save_checkpoint(tmp_path / "start.pt", train(configure(tmp_path / "first", epochs=1)).checkpoint)
    return tmp_path / "start.pt"


def _difference(one: Checkpoint, other: Checkpoint) -> float:
    return max(float((one.states[0][name] - other.states[0][name]).abs().max()) for name in one.states[0])


@pytest.mark.parametrize("options", [{}, {"ema": 0.0, "accumulate": 3}])
def test_features_give_the_head_that_asking_in_every_epoch_gives(
    options: dict[str, Any],
    start: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = FROZEN | {"start_from": start} | options
    kept = train(configure(tmp_path / "kept", **recipe))
    assert "features of 41/41 images" in capsys.readouterr().out

    # The other way is taken only where every epoch shows other pictures.
    monkeypatch.setattr("model.training.epochs.may_keep_features", lambda _: False)
    asked = train(configure(tmp_path / "asked", **recipe))

    assert "features of" not in capsys.readouterr().out
    assert _difference(kept.checkpoint, asked.checkpoint) < 1e-5
    assert kept.test.loss == pytest.approx(asked.test.loss, abs=1e-5)


def test_a_training_on_features_goes_on_where_it_was_stopped(start: Path, tmp_path: Path) -> None:
    recipe = FROZEN | {"start_from": start}
    expected = train(configure(tmp_path / "whole", **recipe))
    config = configure(tmp_path / "stopped", **recipe)
    for question in (0, 5):  # while features are computed, and in the second epoch
        with pytest.raises(Interrupted):
            train(config, unfinished=find_unfinished(config) if question else None, stop_at=question)

    actual = train(config, unfinished=find_unfinished(config))

    assert _difference(actual.checkpoint, expected.checkpoint) == 0.0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, True),
        ({"freeze": False}, False),
        ({"augment": "standard"}, False),
        ({"cutmix": 0.1}, False),
        ({"progressive": 0.5}, False),
    ],
)
def test_features_are_kept_where_every_epoch_shows_the_same(
    options: dict[str, Any], expected: bool, tmp_path: Path
) -> None:
    assert may_keep_features(configure(tmp_path, **FROZEN | options)) is expected


def test_a_network_that_goes_on_after_its_head_is_asked_in_every_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted = train(configure(tmp_path, arch="squeezenet1_1", image_size=64, **FROZEN | {"epochs": 1}))

    assert fitted.epochs == 1
    assert "features of" not in capsys.readouterr().out


@pytest.mark.parametrize(("arch", "at_head", "in_body"), [("cnn", 1, 0), ("alexnet", 0, 2), ("efficientnet_b0", 1, 16)])
def test_a_resting_body_drops_nothing_and_the_head_keeps_its_own(arch: str, at_head: int, in_body: int) -> None:
    network = build_empty(arch, class_count=2, image_size=64)
    share_randomness(network)

    rest_body(network, rests=True)

    dropouts = [module for module in network.modules() if isinstance(module, RowDropout)]
    assert [sum(not module.rests for module in dropouts), sum(module.rests for module in dropouts)] == [
        at_head,
        in_body,
    ]
    assert list_head_dropouts(network) == [module for module in dropouts if not module.rests]
    rest_body(network, rests=False)
    assert not any(module.rests for module in dropouts)


def test_features_that_memory_does_not_hold_lie_in_a_file_that_leaves_nothing(tmp_path: Path) -> None:
    features = map_file(3, 5, tmp_path / "checkpoints")
    features[1] = torch.arange(5.0)

    assert features.sum().item() == 10.0
    assert list((tmp_path / "checkpoints").iterdir()) == []
