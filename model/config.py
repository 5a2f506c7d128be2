"""What one training is: the command line, read once and then frozen."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from model.errors import UsageError

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training, whole."""

    data: Path
    output: Path
    targets: Path | None = None
    epochs: int = 30
    image_size: int = 128
    arch: str = "cnn"
    batch_size: int = 32
    learning_rate: float = 2e-3
    seed: int = 0
    device: str = "auto"

    @property
    def checkpoints(self) -> Path:
        """The folder of last.pt: the job's, where there is one, else under the output."""
        job = os.environ.get("DEPLOYER_JOB_DIR")
        return (Path(job) if job else self.output) / "checkpoints"


def parse_train_arguments(arguments: Sequence[str] | None = None) -> TrainConfig:
    """Read the command line of `python -m model.train`; raises UsageError."""
    parser = ArgumentParser(
        prog="python -m model.train",
        description="Train an image classifier and write model.pt, metrics.json, metrics.jsonl, predictions.csv "
        "and report.html.",
        epilog="Labels come from targets.csv or .tsv (filename,label[,group]), else from one folder per class.",
    )
    default = TrainConfig
    parser.add_argument("--data", type=Path, required=True, help="folder of the images")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument("--targets", type=Path, help="table with the labels (found in the data folder otherwise)")
    parser.add_argument("--epochs", type=whole(1, 10_000), default=default.epochs)
    parser.add_argument("--image-size", type=whole(32, 1024), default=default.image_size, help="pixels per side")
    parser.add_argument("--arch", default=default.arch, help="cnn, or a torchvision classifier such as resnet18")
    parser.add_argument("--batch-size", type=whole(2, 65_536), default=default.batch_size)
    parser.add_argument("--learning-rate", type=_learning_rate, default=default.learning_rate)
    parser.add_argument("--seed", type=whole(0, 2**31 - 1), default=default.seed)
    parser.add_argument("--device", choices=DEVICES, default=default.device)
    for action in parser._actions:
        if action.default not in (None, argparse.SUPPRESS) and action.option_strings:
            action.help = f"{action.help or action.dest.replace('_', ' ')} (default: %(default)s)"
    return TrainConfig(**vars(parser.parse_args(arguments)))


class ArgumentParser(argparse.ArgumentParser):
    """argparse with our kind of error."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of leaving the process."""
        raise UsageError(f"{message[:1].upper()}{message[1:]}.", hint=f"{self.prog} --help shows what is allowed.")


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a converter for whole numbers between `low` and `high`."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number between {low} and {high}")
        return value

    return convert


def _learning_rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:  # also refuses NaN
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and at most 1")
    return value
