#!/usr/bin/env python3
"""Measure what this project promises about its own speed, print a table, and fail when a goal is missed.

Both sides of a comparison run in turn, in one run, on the local cloud; figures are medians of wall-clock seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from checking import measure_check
from failover import measure_failover
from loop import measure_cycle, measure_help, measure_train
from measures import ROOT, LocalCloud, Result, median

ALL = ("help", "check", "failover", "cycle", "train")


def main() -> int:
    """Run the benchmarks; return 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the long comparisons; at least 3 for a median")
    parser.add_argument("--only", choices=ALL, action="append", help="leave the others out")
    options = parser.parse_args()
    wanted = options.only or ALL
    results = [measure_help()] if "help" in wanted else []
    if set(wanted) - {"help"}:
        with tempfile.TemporaryDirectory(prefix="deployer-bench-") as folder:
            cloud = LocalCloud(Path(folder) / "project")
            try:
                results += measure_check(cloud, Path(folder)) if "check" in wanted else []
                results += measure_failover(cloud, options.rounds) if "failover" in wanted else []
                results += [measure_cycle(cloud, Path(folder), options.rounds)] if "cycle" in wanted else []
                results += [measure_train(cloud)] if "train" in wanted else []
            finally:
                cloud.stop()
    show(results)
    print(f"Written to {os.path.relpath(write(results))}")
    return 0 if all(result.is_met for result in results) else 1


def show(results: Sequence[Result]) -> None:
    """Print the table: value, goal, verdict, and the samples with their spread."""
    print(f"\n{'benchmark':<28}{'median':>16}{'goal':>18}   verdict")
    for result in results:
        bound = "≥" if result.more_is_better else "≤"
        goal = "" if result.goal is None else f"{bound} {result.goal:.2f} {result.unit}"
        verdict = "" if result.goal is None else "met" if result.is_met else "MISSED"
        value = f"{result.value:.2f} {result.unit}"
        print(f"{result.name:<28}{value:>16}{goal:>18}   {verdict}")
        for side, samples in result.samples.items():
            spread = f"{min(samples):.2f} to {max(samples):.2f} s in {len(samples)} runs"
            print(f"  {side:<26}{median(samples):>14.2f} s   {spread}")


def write(results: Sequence[Result]) -> Path:
    """Keep the figures with their date and machine under .cache/benchmarks/."""
    path = ROOT / ".cache" / "benchmarks" / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "cpus": os.cpu_count(),
        "load_average": os.getloadavg(),
        "results": [asdict(result) | {"is_met": result.is_met} for result in results],
    }
    path.write_text(json.dumps(facts, indent=2) + "\n")
    return path


if __name__ == "__main__":
    sys.exit(main())
