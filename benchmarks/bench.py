"""Measure what this project promises about its own speed, and write bench/RESULTS.md; exit code 1: a goal is missed.

Rows that were measured before on this machine with these versions are kept where a run leaves them out.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from benchmarks.measures import NotHere, Result, Row, Setting, keep_to, refuse_to_keep_to, say
from benchmarks.results import (
    has_halved,
    open_record,
    read_baseline,
    show,
    show_goal,
    show_range,
    write_baseline,
    write_record,
)
from benchmarks.rows import ROWS
from model.threads import keep_waiting_threads_short

REPEATS, QUICK_REPEATS = 5, 3


def main() -> int:
    """Run the benchmarks; return 1 when a goal is missed, or with --quick when a ratio has halved."""
    options = parse_arguments()
    rows = [row for row in ROWS.values() if is_wanted(row, options.only or []) and (row.is_quick or not options.quick)]
    if options.list:
        for row in rows:
            print(f"{row.name:<18}{'quick' if row.is_quick else '':<7}{row.what}")
        return 0
    keep_waiting_threads_short()  # as in a training; the processes that measure take it over
    if options.quick:
        return run_quick(rows, options.repeats, is_baseline=options.write_baseline)
    return run_whole(rows, options.repeats)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--only", action="append", metavar="ROW", help="a row, or the first word of some; repeatable")
    parser.add_argument("--repeats", type=int, metavar="N", help="rounds that count (default: 5, with --quick 3)")
    parser.add_argument("--quick", action="store_true", help="a small form; fails only when a ratio has halved")
    parser.add_argument("--write-baseline", action="store_true", help="with --quick: this is what later runs must keep")
    parser.add_argument("--list", action="store_true", help="list the rows and measure nothing")
    options = parser.parse_args()
    for name in options.only or []:
        if not any(is_wanted(row, [name]) for row in ROWS.values()):
            parser.error(f"there is no row '{name}': use one of {', '.join(ROWS)}")
    if options.quick and not any(row.is_quick and is_wanted(row, options.only or []) for row in ROWS.values()):
        parser.error("these rows have no small form: leave --quick out")
    if options.repeats is None:
        options.repeats = QUICK_REPEATS if options.quick else REPEATS
    if options.repeats < 1:
        parser.error(f"--repeats {options.repeats} measures nothing: use 1 or more, 5 for figures to be shown")
    if options.write_baseline and not (options.quick and not options.only):
        parser.error("--write-baseline needs --quick and all of its rows")
    return options


def is_wanted(row: Row, names: Sequence[str]) -> bool:
    """Say whether a row was asked for, by its name or the first word of it; without names all are."""
    return not names or any(row.name == name or row.name.startswith(f"{name}-") for name in names)


def run_whole(rows: Sequence[Row], repeats: int) -> int:
    """Measure rows, write each down as it is done, and return 1 when one misses its goal or breaks."""
    record = open_record()
    known = {name: result.seconds for name, result in record.results.items()}
    failed = []
    for place, row in enumerate(rows):
        rest = [known.get(later.name) for later in rows[place:]]
        left = "" if None in rest else f" (all: about {format_duration(sum(filter(None, rest)))} left)"
        say(f"[{place + 1}/{len(rows)}] {row.name}: {row.what}{left}")
        with Workers() as workers:
            outcome = workers.measure(row, repeats)
        say(f"  {describe(outcome)}" if isinstance(outcome, Result) else f"  not measured: {outcome}")
        record = record.with_result(row.name, outcome)
        path = write_record(record, ROWS)
        if isinstance(outcome, Failure) or (isinstance(outcome, Result) and not outcome.is_met):
            failed.append(row.name)
    print(f"Written to {os.path.relpath(path)}")
    if failed:
        print(f"Missed: {', '.join(failed)}")
    return 1 if failed else 0


def run_quick(rows: Sequence[Row], repeats: int, *, is_baseline: bool) -> int:
    """Measure the small form of rows, and once more what seems to have halved; return 1 when it has, or breaks."""
    baseline = {} if is_baseline else read_baseline()
    results, failed = [], []
    with Workers(is_quick=True) as workers:
        for row in rows:
            outcome = workers.measure(row, repeats)
            before = baseline.get(row.name)
            if isinstance(outcome, Result) and before and has_halved(outcome, before):
                say(f"{describe(outcome)}: once more")
                outcome = workers.measure(row, 2 * repeats)
            if not isinstance(outcome, Result):
                print(f"{row.name}: not measured: {outcome}")
            else:
                print(f"{describe(outcome)}; before: {show(before, outcome.value_unit) if before else 'not known'}")
                results.append(outcome)
            if isinstance(outcome, Failure) or (isinstance(outcome, Result) and before and has_halved(outcome, before)):
                failed.append(row.name)
    if is_baseline:
        print(f"Written to {os.path.relpath(write_baseline(results))}")
    if failed:
        print(f"Broken, or half as good as in bench/baseline.json: {', '.join(failed)}")
    return 1 if failed else 0


class Failure(str):
    """Why a row broke."""

    __slots__ = ()


class Workers:
    """Processes that measure, one for each number of cores that rows are held to; a small form gets one core."""

    def __init__(self, *, is_quick: bool = False) -> None:
        self._is_quick = is_quick
        self._pools: dict[int | None, ProcessPoolExecutor] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools.values():
            pool.shutdown()

    def measure(self, row: Row, repeats: int) -> Result | str:
        """Return a row's result, the reason why it cannot be measured here, or a Failure."""
        cores = 1 if self._is_quick else row.cores
        try:
            refuse_to_keep_to(cores)
            if cores not in self._pools:
                # Spawned, not forked: nothing of this process is in its memory.
                self._pools[cores] = ProcessPoolExecutor(1, get_context("spawn"), keep_to, (cores,))
            return self._pools[cores].submit(measure_here, row.name, repeats, is_quick=self._is_quick).result()
        except NotHere as reason:
            return str(reason)
        except Exception as error:
            if isinstance(error, BrokenProcessPool):
                del self._pools[cores]  # its process was killed; the next row gets another
            traceback.print_exception(error)
            return Failure(f"broke: {type(error).__name__}: {error}")


def measure_here(name: str, repeats: int, *, is_quick: bool) -> Result:
    """Measure a row in this process, in a folder of its own."""
    began = time.perf_counter()

    def tell(done: int, rounds: int) -> None:
        gone = time.perf_counter() - began
        left = f", about {format_duration(gone / done * (rounds - done))} left" if done else ""
        say(f"  round {done + 1} of {rounds}{left}")

    with tempfile.TemporaryDirectory(prefix="deployer-bench-") as folder:
        setting = Setting(folder=Path(folder), is_quick=is_quick)
        return ROWS[name].measure(setting, repeats=repeats, tell=(lambda *_: None) if is_quick else tell)


def describe(result: Result) -> str:
    """Return a result in a line."""
    verdict = "reached" if result.is_met else "MISSED"
    value = f"{show(result.value, result.value_unit)} {show_range(result.values)}"
    return f"{result.name}: {value}, goal {show_goal(result)}: {verdict}"


def format_duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    sys.exit(main())
