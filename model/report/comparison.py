"""Runs side by side as plain values, which the terminal, JSON and the page each show in their own way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from model.console import format_duration
from model.report.markup import FIGURES, get, show_figure, show_interval, show_share, show_value
from model.report.pairing import Pairing, pair_runs, tell_pairing
from model.report.runs import Run

# What differs between any two runs and says nothing.
PLACES = frozenset({"output", "resume", "cache", "cache_gb", "profile"})

# Where the recipe of a run of format 1 is, which is not told apart from its results.
OLD_RECIPE = ("arch", "image_size", "seed", "batch_size", "learning_rate")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One row of the table of figures: a text for each run."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All that is said about runs; `pairings` are those of each further run with the first."""

    runs: Sequence[Run]
    figures: tuple[Figure, ...]
    differences: tuple[Figure, ...]
    pairings: tuple[tuple[Run, Pairing | None], ...]

    @property
    def sentences(self) -> list[str]:
        """Each run against the first in words."""
        return [self._tell(run, pairing) for run, pairing in self.pairings]

    def _tell(self, run: Run, pairing: Pairing | None) -> str:
        first = self.runs[0]
        if pairing:
            return tell_pairing(pairing, comparisons=len(self.pairings))
        silent = [each.name for each in (first, run) if not each.answers]
        if silent:
            return f"{run.name} and {first.name} cannot be paired: {' and '.join(silent)} has no predictions.csv."
        return f"{run.name} and {first.name} share no test image: only their intervals can be compared."


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """Put runs side by side."""
    return Comparison(
        runs=runs,
        figures=tuple(_list_figures(runs)),
        differences=tuple(_list_differences(runs)),
        pairings=tuple((run, pair_runs(runs[0], run)) for run in runs[1:]),
    )


def describe_comparison(comparison: Comparison) -> dict[str, Any]:
    """Return the values for --json."""
    keys = (*FIGURES, "accuracy_interval", "balanced_accuracy_interval")
    return {
        "runs": [
            {"name": run.name, "folder": str(run.folder), "test_images": run.metrics["test"]["count"]}
            | {key: run.metrics["test"].get(key) for key in keys}
            | {"ece": get(run.metrics["test"], "calibration", "after", "ece"), "recalls": find_recalls(run)}
            | {key: run.metrics.get(key) for key in ("seconds", "cost")}
            for run in comparison.runs
        ],
        "differences": {
            key: {run.name: _read_recipe(run).get(key) for run in comparison.runs}
            for key in _find_differences(comparison.runs)
        },
        "pairings": [
            (asdict(pairing) if pairing else {"first": comparison.runs[0].name, "second": run.name, "images": 0})
            | {"told": told}
            for (run, pairing), told in zip(comparison.pairings, comparison.sentences, strict=True)
        ],
    }


def find_recalls(run: Run) -> dict[str, float | None]:
    """Return the recall of each class, None where no test image shows it."""
    test = run.metrics["test"]
    rows = zip(test["labels"], test["confusion_matrix"], strict=True)
    return {label: row[place] / sum(row) if sum(row) else None for place, (label, row) in enumerate(rows)}


def _list_figures(runs: Sequence[Run]) -> list[Figure]:
    tests = [run.metrics["test"] for run in runs]
    shares = ("accuracy", "balanced_accuracy")
    rows = {
        name: [_show_with_interval(test, key) if key in shares else show_figure(test.get(key)) for test in tests]
        for key, name in FIGURES.items()
    }
    rows |= {
        "calibration error": [show_figure(get(test, "calibration", "after", "ece"), digits=3) for test in tests],
        "nearest neighbours": [show_share(get(run.metrics, "floors", "nearest_neighbour", "accuracy")) for run in runs],
        "test images": [f"{test['count']:,}" for test in tests],
        "training images": [_show(get(run.metrics, "images", "train"), "{:,}".format) for run in runs],
        "epochs": [_show(run.metrics.get("epochs"), "{:,}".format) for run in runs],
        "time": [_show(run.metrics.get("seconds"), format_duration) for run in runs],
        "cost": [_show(get(run.metrics, "cost", "usd"), "{:,.2f} USD".format) for run in runs],
    }
    # A row that no run can fill says nothing.
    return [Figure(name=name, values=tuple(row)) for name, row in rows.items() if set(row) != {"–"}]


def _list_differences(runs: Sequence[Run]) -> list[Figure]:
    recipes = [_read_recipe(run) for run in runs]
    return [
        Figure(name=key, values=tuple(show_value(recipe.get(key)) for recipe in recipes))
        for key in _find_differences(runs)
    ]


def _find_differences(runs: Sequence[Run]) -> list[str]:
    """Return the options that differ between runs that tell them; one that a single run tells is no difference."""
    recipes = [_read_recipe(run) for run in runs]
    keys = list(dict.fromkeys(key for recipe in recipes for key in recipe if key not in PLACES))
    told = {key: [recipe[key] for recipe in recipes if key in recipe] for key in keys}
    return [key for key, values in told.items() if any(value != values[0] for value in values)]


def _read_recipe(run: Run) -> Mapping[str, Any]:
    recipe = run.metrics.get("recipe")
    return recipe or {key: run.metrics[key] for key in OLD_RECIPE if key in run.metrics}


def _show(value: Any, form: Callable[[Any], str]) -> str:
    return "–" if value is None else form(value)


def _show_with_interval(test: Mapping[str, Any], key: str) -> str:
    interval = show_interval(test.get(f"{key}_interval"))
    return f"{show_share(test.get(key))} ({interval})" if interval else show_share(test.get(key))
