#!/usr/bin/env python3
"""Measure what this project promises about its own speed, print a table, and fail when a goal is missed.

Both sides of a comparison run in turn, in one run, on the local cloud; figures are medians of wall-clock seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DEPLOYER = str(Path(sys.executable).parent / "deployer")
CONFIGURATION = """
name = "bench"
cloud = "local"
[data]
path = "seafloor"
[train]
command = "true"
"""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One figure, its goal, and what it was made of."""

    name: str
    value: float
    goal: float
    unit: str
    samples: dict[str, list[float]]

    @property
    def is_met(self) -> bool:
        return self.value <= self.goal


def main() -> int:
    """Run the benchmarks; return 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the long comparison; at least 3 for a median")
    parser.add_argument("--only", choices=["help", "cycle", "train"], action="append", help="leave the others out")
    options = parser.parse_args()
    wanted = options.only or ["help", "cycle", "train"]
    results = [measure_help()] if "help" in wanted else []
    if {"cycle", "train"} & set(wanted):
        with tempfile.TemporaryDirectory(prefix="deployer-bench-") as folder:
            cloud = LocalCloud(Path(folder) / "project")
            try:
                results += [measure_cycle(cloud, Path(folder), options.rounds)] if "cycle" in wanted else []
                results += [measure_train(cloud)] if "train" in wanted else []
            finally:
                cloud.stop()
    show(results)
    print(f"Written to {os.path.relpath(write(results))}")
    return 0 if all(result.is_met for result in results) else 1


class LocalCloud:
    """A project folder with its local cloud, and the two ways to provision in it."""

    def __init__(self, project: Path) -> None:
        self.project = project
        project.mkdir()
        (project / "deployer.toml").write_text(CONFIGURATION)
        _run([sys.executable, str(ROOT / "tools" / "draw_seafloor.py"), str(project / "seafloor")])
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DEPLOYER_", "AWS_"))}
        self.environment = kept
        self.started: dict[str, Any] = json.loads(self.deployer("local", "start", "--json"))

    def deployer(self, *arguments: str) -> str:
        return _run([DEPLOYER, *arguments], cwd=self.project, env=self.environment)

    def provision_and_destroy(self, folder: Path) -> None:
        """Run bare Terraform in a folder that holds a root module and its variables."""
        aws = self.started["environment"] | {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
        for command in (["init"], ["apply", "-auto-approve"], ["destroy", "-auto-approve"]):
            _run(["terraform", *command, "-no-color", "-input=false"], cwd=folder, env=self.environment | aws)

    def stop(self) -> None:
        self.deployer("local", "stop")


def measure_help() -> Result:
    """Time `deployer --help`, what a shell waits for at each completion too."""
    samples = [_time(lambda: _run([DEPLOYER, "--help"])) for _ in range(10)]
    return Result(name="deployer --help", value=statistics.median(samples), goal=0.25, unit="s", samples={"": samples})


def measure_cycle(cloud: LocalCloud, folder: Path, rounds: int) -> Result:
    """Time `up` + `down` against bare `terraform init` + `apply` + `destroy` of the same root, each from nothing."""
    state = cloud.project / ".deployer" / "deployments"
    samples: dict[str, list[float]] = {"deployer": [], "terraform": []}
    root = folder / "root"
    for number in range(rounds + 1):
        up = _time(lambda: cloud.deployer("up", "--yes"))
        if number == 0:
            _copy_root(state, root)
        down = _time(lambda: cloud.deployer("down", "--yes"))
        shutil.rmtree(state, ignore_errors=True)
        bare = folder / f"bare-{number}"
        shutil.copytree(root, bare)
        seconds = _time(partial(cloud.provision_and_destroy, bare))
        # The first round fills the provider cache and the server's, for both.
        label = "warm-up" if number == 0 else f"round {number} of {rounds}"
        print(f"{label}: deployer {up:.1f} + {down:.1f} s, terraform {seconds:.1f} s", file=sys.stderr)
        if number:
            samples["deployer"].append(up + down)
            samples["terraform"].append(seconds)
    ratio = statistics.median(samples["deployer"]) / statistics.median(samples["terraform"])
    return Result(name="up + down / bare Terraform", value=ratio, goal=1.25, unit="×", samples=samples)


def measure_train(cloud: LocalCloud, repeats: int = 5) -> Result:
    """Time `train` of a command that does nothing, on a warm host, with 240 images and nothing to send."""
    cloud.deployer("up", "--yes")
    cloud.deployer("train")
    samples = [_time(lambda: cloud.deployer("train")) for _ in range(repeats)]
    cloud.deployer("down", "--yes")
    return Result(name="train overhead", value=statistics.median(samples), goal=3.0, unit="s", samples={"": samples})


def show(results: Sequence[Result]) -> None:
    """Print the table: value, goal, verdict, and the samples with their spread."""
    print(f"\n{'benchmark':<28}{'median':>10}{'goal':>10}   verdict")
    for result in results:
        verdict = "met" if result.is_met else "MISSED"
        print(f"{result.name:<28}{result.value:>8.2f} {result.unit}{result.goal:>8.2f} {result.unit}   {verdict}")
        for side, samples in result.samples.items():
            low, middle, high = min(samples), statistics.median(samples), max(samples)
            print(f"  {side:<26}{middle:>8.2f} s   {low:.2f} to {high:.2f} s in {len(samples)} runs")


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


def _copy_root(state: Path, target: Path) -> None:
    """Copy the root module as deployer ran it: the same files and variables, without state or initialisation."""
    source = next(state.glob("local/*/terraform"))
    ignore = shutil.ignore_patterns(".terraform*", "*.tfstate*", "events.jsonl", "terraform.log", "initialised")
    shutil.copytree(source, target, ignore=ignore)
    next(target.glob("*.tfvars.json")).rename(target / "bench.auto.tfvars.json")


def _time(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _run(command: Sequence[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
