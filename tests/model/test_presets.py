"""A preset of the user's: options in a file, checked as those of the command line are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model.config import TrainConfig, parse_train_arguments
from model.errors import UsageError
from model.presets import BEST, QUICK


def _parse(preset: Any, *arguments: str) -> TrainConfig:
    text = preset if isinstance(preset, str) else json.dumps(preset)
    return parse_train_arguments(["--data", "d", "--output", "o", "--preset", text, *arguments])


def test_a_preset_in_a_file_goes_over_its_base_and_the_command_line_over_both(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    content = {"about": "found", "base": "quick", "learning-rate": 0.0042, "mixup": 0.3, "arch": "cnn", "freeze": True}
    path.write_text(json.dumps(content))

    config = _parse(str(path), "--mixup", "0.1")

    assert (config.preset, config.steps, config.tta) == (str(path), QUICK.steps, QUICK.tta)
    assert (config.learning_rate, config.mixup, config.arch, config.freeze) == (0.0042, 0.1, "cnn", True)


def test_a_preset_can_be_the_json_itself_and_changes_what_its_base_follows_from() -> None:
    config = _parse({"base": "best", "pretrained": True, "steps": 90})

    assert (config.preset, config.folds, config.arch) == ("as given", BEST.folds, "resnet18")
    assert (config.steps, config.min_epochs, config.max_epochs) == (90, 1, 90)


@pytest.mark.parametrize(
    ("preset", "message", "hint"),
    [
        ("bset", "There is no preset 'bset', and no such file", "Did you mean best?"),
        ("{", "The preset as given is not JSON", "A preset is written as"),
        ({"learning_rat": 1e-3}, 'has "learning_rat", which is no option', "Did you mean learning_rate?"),
        ({"data": "photos"}, 'has "data", which is no option', ""),
        ({"base": "bset"}, 'has base = "bset"', "It is one of quick, standard, best."),
        ({"learning_rate": "fast"}, "In the preset as given: Argument --learning-rate: 'fast' is not a number", "help"),
        ({"mixup": None}, 'has no value for "mixup", but null', "A preset is written as"),
        ({"epochs": 2.5}, "'2.5' is not a whole number", "help"),
        ({"mixup": 0.9, "cutmix": 0.9}, "are together more than all batches", "add up to 1"),
    ],
)
def test_a_preset_that_cannot_be_is_refused_with_the_way_out(preset: Any, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        _parse(preset)

    assert message in raised.value.message
    assert hint in raised.value.hint


def test_a_folder_is_no_preset(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: is a directory"):
        _parse(str(tmp_path))
