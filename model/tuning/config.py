"""What one tuning is: the training that it begins with, what is searched, and how long."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from model.arguments import ArgumentParser, whole
from model.config import TrainConfig, build_parser, make_config, parse_over_preset
from model.errors import UsageError
from model.tuning.space import Space, choose_space

TRIALS = 20

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """One tuning. `base` is the training of the first trial; `chosen` is what the user wants otherwise than its preset.

    `typed` are the options of the command line that have a value of the user's.
    """

    base: TrainConfig
    base_preset: str
    chosen: Mapping[str, Any]
    typed: frozenset[str]
    space: Space
    trials: int
    time_limit_seconds: float | None
    jobs: int | None
    resume: bool


def parse_tune_arguments(arguments: Sequence[str] | None = None) -> TuneConfig:
    """Read the command line of `python -m model.tune`; raises UsageError."""
    parser = _build_parser()
    given = parse_over_preset(parser, arguments)
    options = dict(given.options)
    search = {name: options.pop(name) for name in ("trials", "time_limit", "jobs", "params", "resume")}
    if "folds" in given.typed:
        raise UsageError(
            f"A trial trains one network, not one for each of {options['folds']} folds.",
            hint="Leave --folds out here, and give it to the training with the preset that is found.",
        )
    if options.pop("profile"):
        raise UsageError(
            "--profile records one training, and the folders of trials do not stay.",
            hint="Leave it out here, and give it to a training with these options.",
        )
    base = replace(make_config(replace(given, options=options)), folds=0)
    return TuneConfig(
        base=base,
        base_preset=given.base,
        chosen=given.chosen,
        typed=given.typed,
        space=choose_space(base, search["params"], given.typed),
        trials=search["trials"],
        time_limit_seconds=search["time_limit"],
        jobs=search["jobs"],
        resume=search["resume"],
    )


def _build_parser() -> ArgumentParser:
    parser = build_parser(
        "python -m model.tune",
        description="Search the options of a training that suit these images best: each trial is a training, judged "
        "by balanced accuracy on the validation images. Leaves best.json (a preset), trials.csv, trials.json and "
        "report.html.",
    )
    search = parser.add_argument_group("search")
    search.add_argument("--trials", type=whole(1, 10_000), default=TRIALS, help=f"trainings in all (default: {TRIALS})")
    search.add_argument(
        "--time-limit", type=_duration, metavar="TIME", help="begin no trial after 90s, 30m, 2h or 1h30m, and end then"
    )
    search.add_argument(
        "--jobs", type=whole(1, 64), help="trials at the same time (default: one for each GPU, or one on a CPU)"
    )
    search.add_argument(
        "--params",
        default="",
        metavar="NAMES",
        help="options to search, with commas: learning-rate,weight-decay (default: those that count)",
    )
    return parser


def _duration(text: str) -> float:
    found = _DURATION.fullmatch(text.strip().lower())
    parts = found.groups() if found else ()
    seconds = sum(float(part) * unit for part, unit in zip(parts, (3600, 60, 1), strict=False) if part)
    if not seconds:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 90s, 30m, 2h or 1h30m")
    return seconds
