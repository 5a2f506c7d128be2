"""Put finished trainings side by side.

python -m model.compare results/first results/second
python -m model.compare runs/* --output all.html
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from model.arguments import ArgumentParser
from model.atomic import write_text
from model.console import run, say
from model.interruption import Interruption
from model.report.comparison import Comparison, compare_runs, describe_comparison
from model.report.comparison_page import build_comparison
from model.report.runs import load_runs

OUTPUT = Path("compare.html")

# A column's name in the terminal's table; the page shows the whole one.
COLUMN = 28


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the runs, print what distinguishes them, and write the page; raises ModelError."""
    parser = ArgumentParser(prog="python -m model.compare", description="Put finished trainings side by side.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a folder of results, or its metrics.json")
    parser.add_argument(
        "--output", type=Path, help=f"page to write (default: {OUTPUT} in this folder; none with --json)"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)

    with Interruption():
        _compare(options.runs, options.output or (None if options.json else OUTPUT), as_json=options.json)


def _compare(runs: Sequence[Path], output: Path | None, *, as_json: bool) -> None:
    comparison = compare_runs(load_runs(runs))
    if output:
        write_text(output, build_comparison(comparison))
    if as_json:
        say(json.dumps(describe_comparison(comparison), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _show(comparison)
        say(f"wrote {output}")


def _show(comparison: Comparison) -> None:
    names = ["", *(run.name for run in comparison.runs)]
    _show_table([names, *([figure.name, *figure.values] for figure in comparison.figures)])
    if comparison.differences:
        say("\nwhat was done differently")
        _show_table([names, *([figure.name, *figure.values] for figure in comparison.differences)])
    say("")
    for sentence in comparison.sentences:
        say(sentence)


def _show_table(rows: Sequence[Sequence[str]]) -> None:
    cut = [[cell if len(cell) <= COLUMN else f"…{cell[1 - COLUMN :]}" for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cut, strict=True)]
    for first, *others in cut:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        say("  ".join([first.ljust(widths[0]), *cells]).rstrip())


if __name__ == "__main__":
    sys.exit(run(main))
