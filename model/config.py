"""What one training is: the command line over a preset, read once and then frozen."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from model.arguments import ArgumentParser, add_group_from, location, number, whole
from model.errors import UsageError
from model.presets import NAMES, STANDARD, Preset, choose_preset, read_preset

DEVICES = ("auto", "cpu", "cuda")
SPLITS = ("group", "image")
OPTIMIZERS = ("adam", "adamw")
SCHEDULES = ("cosine", "one-cycle")
AUGMENTATIONS = ("none", "standard", "trivial")
BALANCES = ("none", "weights", "sampler")
COMPILE = ("auto", "on", "off")
TTAS = ("none", "flip", "crops")

# Options of a preset in a file besides the figures of `Preset`; the other options are of the images or the machine.
PRESET_OPTIONS = frozenset({field.name for field in fields(Preset)}) - {"min_epochs", "max_epochs"} | {
    "accumulate",
    "epochs",
    "freeze",
    "freeze_norm",
    "pretrained",
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Preset):
    """One training, whole: a preset's figures, and what no preset knows."""

    data: Path | str  # a folder of images or shards, or s3://bucket/prefix
    output: Path
    targets: Path | str | None = None
    group_from: str = (
        ""  # a column, or a regular expression on the names: what its brackets match, joined, is the group
    )
    split: str = "group"
    validation_share: float = 0.1
    test_share: float = 0.1
    preset: str = "standard"
    pretrained: bool = False
    weights: str = ""  # a folder or s3://bucket/prefix with torchvision's files, where no hub is reached
    start_from: Path | None = None  # a model.pt whose weights are the start
    freeze: bool = False  # the head learns, the rest stays as it is
    freeze_norm: bool = False  # batch statistics stay as they are
    epochs: int = 0  # 0: as many as `steps` make
    accumulate: int = 1  # parts of a batch, one after the other, where a whole one does not fit
    seed: int = 0
    device: str = "auto"
    cache: str = ""  # the folder of decoded images; "": the user's, where it is worth it; none: nothing is kept
    cache_gb: float = 20.0
    compile: str = "auto"
    profile: bool = False
    resume: bool = False

    @property
    def checkpoints(self) -> Path:
        """The folder of last.pt: the job's, where there is one, else under the output."""
        job = os.environ.get("DEPLOYER_JOB_DIR")
        return (Path(job) if job else self.output) / "checkpoints"

    @property
    def decode_size(self) -> int:
        """Return the side at which images are kept: a cut-out part is not enlarged beyond what was there."""
        return self.image_size if self.augment == "none" else round(self.image_size * 8 / 7)

    def count_epochs(self, image_count: int) -> int:
        """Return how many times `image_count` training images are shown."""
        if self.epochs:
            return self.epochs
        steps_an_epoch = -(-image_count // self.batch_size)
        return min(max(round(self.steps / steps_an_epoch), self.min_epochs), self.max_epochs)


@dataclass(frozen=True, kw_only=True)
class Given:
    """A command line, read: all options, the preset below them, and which of them the user typed.

    `chosen` are those that a preset can hold and that have a value of the user's, typed or in the preset's file.
    """

    options: dict[str, Any]
    base: str
    typed: frozenset[str]
    chosen: dict[str, Any]


def parse_train_arguments(arguments: Sequence[str] | None = None) -> TrainConfig:
    """Read the command line of `python -m model.train`; raises UsageError."""
    return make_config(parse_over_preset(build_parser("python -m model.train"), arguments))


def parse_over_preset(parser: ArgumentParser, arguments: Sequence[str] | None) -> Given:
    """Read a command line; a preset in a file is read as options in front of it. Raises UsageError."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = vars(parser.parse_args(arguments))
    typed = frozenset(name for name, value in options.items() if value != parser.get_default(name))
    base: str = options["preset"]
    if base not in NAMES:
        stored = read_preset(base, known=PRESET_OPTIONS)
        try:
            parser.parse_args(["--data=.", "--output=.", *stored.arguments])
        except UsageError as error:
            error.message = f"In the preset {stored.name}: {error.message}"
            raise
        options = vars(parser.parse_args([*stored.arguments, *arguments])) | {"preset": stored.name}
        base = stored.base
    chosen = {name: options[name] for name in sorted(PRESET_OPTIONS) if options[name] != parser.get_default(name)}
    return Given(options=options, base=base, typed=typed, chosen=chosen)


def make_config(command: Given) -> TrainConfig:
    """Return the training that a command line asks for; raises UsageError."""
    given, base = command.options, command.base
    is_started = given["start_from"] is not None
    preset = choose_preset(
        base,
        pretrained=given["pretrained"] or is_started,
        freeze=given["freeze"],
        arch=given["arch"],
    )
    recipe: dict[str, Any] = {field.name: getattr(preset, field.name) for field in fields(Preset)}
    if is_started:
        recipe["head_share"] = 0.0  # its head has learnt
    if given["steps"] is not None:  # what is asked for goes before what is wise
        recipe |= {"min_epochs": 1, "max_epochs": given["steps"]}
    for name, other in (("mixup", "cutmix"), ("cutmix", "mixup")):
        if given[name] is not None:  # the preset's share of the other takes the batches that are left
            recipe[other] = min(recipe[other], 1.0 - given[name])
    config = TrainConfig(**recipe | {name: value for name, value in given.items() if value is not None})
    if config.mixup + config.cutmix > 1.0:
        raise UsageError(
            f"--mixup {config.mixup:g} and --cutmix {config.cutmix:g} are together more than all batches.",
            hint="They are shares of the batches: let them add up to 1 at most.",
        )
    return config


def build_parser(
    prog: str,
    *,
    description: str = "Train an image classifier: model.pt, metrics.json, metrics.jsonl, predictions.csv, "
    "report.html, a model card and TensorBoard events.",
) -> ArgumentParser:
    """Return the parser of all that makes a training."""
    parser = ArgumentParser(
        prog=prog,
        description=description,
        epilog="Labels come from targets.csv or .tsv (filename,label[,group]), else from one folder per class. "
        "A default that is a preset's is shown as that of `standard`.",
    )
    default = TrainConfig
    data = parser.add_argument_group("images")
    data.add_argument(
        "--data", type=location, required=True, help="folder of the images or of tar shards, or s3://bucket/prefix"
    )
    data.add_argument("--output", type=Path, required=True, help="folder for the results")
    data.add_argument("--targets", type=location, help="table with the labels (found in the data folder otherwise)")
    add_group_from(data)
    data.add_argument("--split", choices=SPLITS, default=default.split, help="keep groups whole, or draw single images")
    data.add_argument("--validation-share", type=number(0.02, 0.5), default=default.validation_share)
    data.add_argument("--test-share", type=number(0.02, 0.5), default=default.test_share)
    data.add_argument("--folds", type=_folds, help="cross-validation: as many models, each image tested once; 0 is off")
    data.add_argument("--seed", type=whole(0, 2**31 - 1), default=default.seed)

    network = parser.add_argument_group("network")
    network.add_argument(
        "--preset",
        default=default.preset,
        metavar="PRESET",
        help=f"{', '.join(NAMES)}, or a file such as the best.json of `python -m model.tune`",
    )
    network.add_argument("--arch", help="small_resnet, cnn, or a torchvision classifier such as resnet18")
    network.add_argument("--pretrained", action="store_true", help="start from torchvision's weights")
    network.add_argument(
        "--weights", default="", metavar="WHERE", help="folder or s3://bucket/prefix with torchvision's weight files"
    )
    network.add_argument(
        "--start-from", type=Path, metavar="MODEL", help="start from this model.pt, of the same classes and --arch"
    )
    network.add_argument("--freeze", action="store_true", help="train the last layer only")
    network.add_argument("--freeze-norm", action="store_true", help="keep the batch statistics as they are")
    network.add_argument("--image-size", type=whole(32, 1024), help="pixels per side")
    network.add_argument(
        "--dropout", type=number(0, 0.9), help="share of the features dropped before the last layer (default: its own)"
    )

    recipe = parser.add_argument_group("recipe")
    recipe.add_argument("--epochs", type=whole(1, 10_000), help="how often each image is shown (default: by --steps)")
    recipe.add_argument("--steps", type=whole(1, 10_000_000), help="steps of the weights in all")
    recipe.add_argument("--batch-size", type=whole(2, 65_536))
    recipe.add_argument("--accumulate", type=whole(1, 1024), default=default.accumulate, help="parts of a batch")
    recipe.add_argument("--optimizer", choices=OPTIMIZERS)
    recipe.add_argument("--learning-rate", type=number(0, 1, above=True))
    recipe.add_argument("--weight-decay", type=number(0, 1))
    recipe.add_argument("--schedule", choices=SCHEDULES)
    recipe.add_argument("--warm-up", type=number(0, 0.9), help="share of the steps in which the learning rate rises")
    recipe.add_argument(
        "--head-share", type=number(0, 1), help="share of the steps in which only the last layer learns"
    )
    recipe.add_argument("--label-smoothing", type=number(0, 0.5))
    recipe.add_argument("--augment", choices=AUGMENTATIONS)
    recipe.add_argument("--mixup", type=number(0, 1), help="share of the batches that are mixed")
    recipe.add_argument("--cutmix", type=number(0, 1), help="share of the batches that are cut and pasted")
    recipe.add_argument(
        "--ema", type=number(0, 100_000), help="half-life of the average of weights, in steps; 0 is off"
    )
    recipe.add_argument(
        "--balance", choices=BALANCES, help="what rare classes get: weight in the loss, or more showings"
    )
    recipe.add_argument(
        "--patience", type=whole(0, 10_000), help="epochs without a better result before it ends; 0 is off"
    )
    recipe.add_argument(
        "--progressive", type=number(0.25, 1), help="side of the first epochs' images as a share of the whole"
    )
    recipe.add_argument("--tta", choices=TTAS, help="views of an image that are averaged when predicting")

    machine = parser.add_argument_group("machine")
    machine.add_argument("--device", choices=DEVICES, default=default.device)
    machine.add_argument(
        "--cache",
        default=default.cache,
        metavar="DIR",
        help="where decoded images are kept for the next run, or none (default: ~/.cache/deployer/pixels, for images"
        " from S3 and for those that take long to decode)",
    )
    machine.add_argument("--cache-gb", type=number(0, 1e6), default=default.cache_gb, help="what the cache may grow to")
    machine.add_argument(
        "--compile", choices=COMPILE, default=default.compile, help="torch.compile; auto: on a GPU, for long trainings"
    )
    machine.add_argument(
        "--profile", action="store_true", help="record an epoch: trace.json.gz for Perfetto, and where its time went"
    )
    machine.add_argument(
        "--resume", action="store_true", help="go on with an earlier run of this output, from its checkpoints"
    )
    _tell_defaults(parser)
    return parser


def _folds(text: str) -> int:
    value = whole(0, 20)(text)
    if value == 1:
        raise argparse.ArgumentTypeError("'1' is no cross-validation: 0 is off, 2 to 20 are folds")
    return value


def _tell_defaults(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:
        default = action.default if action.default is not None else getattr(STANDARD, action.dest, None)
        if default in (None, "", False, argparse.SUPPRESS) or not action.option_strings:
            continue
        action.help = (
            f"{action.help or action.dest.replace('_', ' ')} (default: {default:g})"
            if isinstance(default, float)
            else f"{action.help or action.dest.replace('_', ' ')} (default: {default})"
        )
