"""What a tuning leaves: the best options as a preset, a table of all trials, and what to think of them."""

from __future__ import annotations

import csv
import io
import os
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from model.atomic import write_json, write_text
from model.console import count
from model.data.dataset import Dataset
from model.errors import ModelError
from model.evaluation.intervals import number_clusters
from model.evaluation.metrics import Integers
from model.presets import describe_preset
from model.tuning.config import TuneConfig
from model.tuning.gain import Gain, measure_gain
from model.tuning.page import build_page
from model.tuning.space import apply, spell
from model.tuning.study import FINISHED, Study, Trial, pick_best

FILES = ("best.json", "trials.csv", "trials.json", "report.html")


@dataclass(frozen=True, kw_only=True)
class Judges:
    """The validation images: classes by number, and which of them are alike."""

    targets: Integers
    clusters: Integers

    @classmethod
    def of(cls, dataset: Dataset) -> Judges:
        """Return those of a data set without folds."""
        positions = dataset.split.validation
        targets = np.array(dataset.targets, dtype=np.int64)[list(positions)]
        groups = [dataset.samples[position].group for position in positions]
        return cls(targets=targets, clusters=number_clusters(groups, positions))


def write_results(config: TuneConfig, study: Study, judges: Judges) -> list[str]:
    """Write every file, and return what to tell of the best trial; raises ModelError where none is finished."""
    trials = study.list_trials()
    best = pick_best(trials)
    if best is None:
        raise ModelError("No trial was finished: there is nothing to choose from.", hint=_advise(trials))
    gain = _compare(trials, best, judges)
    verdict = _judge(trials, best, gain, len(judges.targets))
    output, weights = config.base.output, study.weigh_options()
    about = f"Found by python -m model.tune. {verdict[0]}"
    write_json(output / "best.json", describe_preset(config.base_preset, _list_options(config, best), about=about))
    write_text(output / "trials.csv", _write_table(config, trials))
    write_json(output / "trials.json", _describe(config, trials, best, gain, weights))
    page = build_page(trials, config.space, weights, verdict=verdict, command=describe_command(config))
    write_text(output / "report.html", page)
    return verdict


def describe_command(config: TuneConfig) -> str:
    """Return how to train with the preset that was found; a job's results go to the machine that ordered it."""
    base, job = config.base, os.environ.get("DEPLOYER_JOB")
    kept = ("targets", "group_from", "split", "validation_share", "test_share", "weights", "start_from", "seed")
    words = ["python", "-m", "model.train", "--data", str(base.data), "--output", "results"]
    words += ["--preset", str(base.output / "best.json")]
    if job:
        words = ["deployer", "train", "--", "--preset", f"runs/{job}/best.json"]
    for name in kept:
        if name in config.typed:
            words += [f"--{spell(name)}", str(getattr(base, name))]
    return shlex.join(words)


def _list_options(config: TuneConfig, best: Trial) -> dict[str, Any]:
    """Return what the best trial had otherwise than the preset, as it had it: mixup and cutmix share the batches."""
    options = dict(config.chosen) | best.values
    if "cutmix" in options:
        options["cutmix"] = apply(config.base, best.values).cutmix
    return options


def _advise(trials: Sequence[Trial]) -> str:
    failed = [trial for trial in trials if trial.reason]
    return f"Trial {failed[-1].number}: {failed[-1].reason}" if failed else "Give it more --time-limit, and --resume."


def _compare(trials: Sequence[Trial], best: Trial, judges: Judges) -> Gain | None:
    """Return how much better the best is than the preset; None where the preset's trial came to nothing."""
    finished = [trial for trial in trials if trial.state == FINISHED]
    base = next((place for place, trial in enumerate(finished) if trial.is_base), None)
    if base is None:
        return None
    answers = [trial.answers for trial in finished]
    return measure_gain(answers, finished.index(best), base, judges.targets, judges.clusters)


def _judge(trials: Sequence[Trial], best: Trial, gain: Gain | None, images: int) -> list[str]:
    told = [
        f"The best of {count(len(trials), 'trial')} is trial {best.number}: balanced accuracy {best.score:.3f} on "
        f"{count(images, 'validation image')}."
    ]
    if best.is_base:
        return [*told, "That is the preset itself: no other values were better on these images."]
    if gain is None:
        return [*told, "The preset's own trial was not finished, so it is not known how much better that is."]
    interval = (
        f" (95% interval {100 * gain.interval[0]:+.1f} to {100 * gain.interval[1]:+.1f})" if gain.interval else ""
    )
    chance = " That could be chance." if gain.interval is None or gain.interval[0] <= 0 else ""
    told.append(f"That is {100 * gain.difference:.1f} points more than the preset, trial 1{interval}.{chance}")
    luck = "The figure is optimistic: of many trials the best is also the luckiest on the images that chose it."
    if gain.honest is not None:
        luck += (
            f" Chosen on a part of these images and measured on the others, {100 * gain.honest:+.1f} points are left."
        )
    return [*told, luck]


def _write_table(config: TuneConfig, trials: Sequence[Trial]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["trial", "state", "balanced_accuracy", "log_loss", "epochs", "seconds", *config.space, "reason"])
    for trial in trials:
        figures = [f"{trial.score:.6f}", f"{trial.loss:.6f}", trial.epochs] if trial.state == FINISHED else ["", "", ""]
        values = [trial.values.get(name, "") for name in config.space]
        writer.writerow([trial.number, trial.state, *figures, trial.seconds, *values, trial.reason])
    return table.getvalue()


def _describe(
    config: TuneConfig, trials: Sequence[Trial], best: Trial, gain: Gain | None, weights: dict[str, float]
) -> dict[str, Any]:
    return {
        "metric": "balanced accuracy on the validation images",
        "preset": config.base_preset,
        "chosen": dict(config.chosen),
        "space": {name: asdict(searched) for name, searched in config.space.items()},
        "best": best.number,
        "gain": asdict(gain) if gain else None,
        "importance": weights,
        "trials": [_describe_trial(trial) for trial in trials],
    }


def _describe_trial(trial: Trial) -> dict[str, Any]:
    told = asdict(trial)
    del told["answers"]
    if trial.state != FINISHED:
        told |= {"score": None, "loss": None}
    return told
