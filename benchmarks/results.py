"""Where results are kept: bench/results.json for programs, bench/RESULTS.md for people, bench/baseline.json for CI."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.machine import describe_machine, list_versions
from benchmarks.measures import ROOT, Result, median

FOLDER = ROOT / "bench"
BASELINE = FOLDER / "baseline.json"
# The command that a reader types; `make bench` adds nothing to it.
COMMAND = "make bench"
INTRODUCTION = """\
# Results of the benchmarks

Written by `{command}`; do not edit. The arms of a row are measured in turn, in one run, each round in another order,
after one round that does not count. The **result** is the median over the rounds of our figure divided by that of the
other arm in the same round (where there are several, of the best); figures of arms are medians. In brackets: the lowest
and the highest. Rows "per core" hold their process to one core.
"""


@dataclass(frozen=True, kw_only=True)
class Record:
    """Results of one machine with one set of versions; `left_out` says of rows why they were not measured."""

    machine: dict[str, str]
    versions: dict[str, str]
    results: dict[str, Result]
    left_out: dict[str, str]

    def with_result(self, name: str, outcome: Result | str) -> Record:
        """Return the record with a row's result, or the reason why there is none."""
        results = {key: value for key, value in self.results.items() if key != name}
        left_out = {key: value for key, value in self.left_out.items() if key != name}
        if isinstance(outcome, Result):
            results[name] = outcome
        else:
            left_out[name] = outcome
        return Record(machine=self.machine, versions=self.versions, results=results, left_out=left_out)


def open_record(folder: Path = FOLDER) -> Record:
    """Return what was measured on this machine with these versions; what was measured on others is not carried on."""
    machine, versions = describe_machine(), list_versions()
    empty = Record(machine=machine, versions=versions, results={}, left_out={})
    try:
        kept = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return empty
    if (kept["machine"], kept["versions"]) != (machine, versions):
        return empty
    results = {name: Result(**fields) for name, fields in kept["results"].items()}
    return Record(machine=machine, versions=versions, results=results, left_out=kept["left_out"])


def write_record(record: Record, order: Iterable[str], folder: Path = FOLDER) -> Path:
    """Write both files, the rows in this order, and return the path of the one for people."""
    folder.mkdir(exist_ok=True)
    (folder / "results.json").write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
    path = folder / "RESULTS.md"
    path.write_text("\n".join(_render(record, list(order))) + "\n", encoding="utf-8")
    return path


def read_baseline() -> dict[str, float]:
    """Return what each row of `--quick` came to when the baseline was written; nothing before one was."""
    if not BASELINE.exists():
        return {}
    values: dict[str, float] = json.loads(BASELINE.read_text(encoding="utf-8"))
    return values


def write_baseline(results: Iterable[Result]) -> Path:
    """Keep the values of these results as the baseline; ratios only, so that any machine can be held against it."""
    values = {result.name: round(result.value, 3) for result in results}
    BASELINE.parent.mkdir(exist_ok=True)
    BASELINE.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return BASELINE


def has_halved(result: Result, baseline: float) -> bool:
    """Say whether a result is at most half as good as the baseline."""
    return result.value <= baseline / 2 if result.is_at_least else result.value >= 2 * baseline


def show(value: float, unit: str = "") -> str:
    """Return a figure with as many digits as it can mean: 12,345, 123, 12.3, 1.23, 0.012."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 or value == 0 else 3
    return f"{value:,.{digits}f} {unit}".strip()


def show_goal(result: Result) -> str:
    return f"{'≥' if result.is_at_least else '≤'} {show(result.goal, result.value_unit)}"


def show_range(values: list[float]) -> str:
    return f"({show(min(values))}–{show(max(values))})"


def _render(record: Record, order: list[str]) -> list[str]:
    lines = [INTRODUCTION.format(command=COMMAND), "| machine | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in record.machine.items()]
    lines += [f"| versions | {', '.join(f'{name} {version}' for name, version in record.versions.items())} |", ""]
    lines += ["| row | what | arms: median (lowest–highest) | rounds | result | goal | reached | date |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    lines += [_render_row(record.results[name]) for name in order if name in record.results]
    left_out = [f"- `{name}`: {record.left_out[name]}" for name in order if name in record.left_out]
    return [*lines, *(["", "Not measured:", "", *left_out] if left_out else [])]


def _render_row(result: Result) -> str:
    arms = "<br>".join(
        f"{name}: {show(median(samples), result.unit)} {show_range(samples)}"
        for name, samples in result.samples.items()
    )
    cells = (
        f"`{result.name}`",
        result.what,
        arms,
        str(len(result.values)),
        f"**{show(result.value, result.value_unit)}** {show_range(result.values)}",
        show_goal(result),
        "yes" if result.is_met else "**no**",
        result.date,
    )
    return f"| {' | '.join(cells)} |"
