"""The loop against what it is made of: start-up, bare Terraform, a job that does nothing."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from measures import DEPLOYER, LocalCloud, Result, median, run, say, seconds


def measure_help() -> Result:
    """Time `deployer --help`, what a shell waits for at each completion too."""
    samples = [seconds(lambda: run([DEPLOYER, "--help"])) for _ in range(10)]
    return Result(name="deployer --help", value=median(samples), goal=0.25, unit="s", samples={"": samples})


def measure_cycle(cloud: LocalCloud, folder: Path, rounds: int) -> Result:
    """Time `up` + `down` against bare `terraform init` + `apply` + `destroy` of the same root, each from nothing."""
    state = cloud.project / ".deployer" / "deployments"
    samples: dict[str, list[float]] = {"deployer": [], "terraform": []}
    root = folder / "root"
    for number in range(rounds + 1):
        up = seconds(lambda: cloud.deployer("up", "--yes"))
        if number == 0:
            _copy_root(state, root)
        down = seconds(lambda: cloud.deployer("down", "--yes"))
        shutil.rmtree(state, ignore_errors=True)
        bare = folder / f"bare-{number}"
        shutil.copytree(root, bare)
        terraform = seconds(partial(cloud.provision_and_destroy, bare))
        # The first round fills the provider cache and the server's, for both.
        label = "warm-up" if number == 0 else f"round {number} of {rounds}"
        say(f"{label}: deployer {up:.1f} + {down:.1f} s, terraform {terraform:.1f} s")
        if number:
            samples["deployer"].append(up + down)
            samples["terraform"].append(terraform)
    ratio = median(samples["deployer"]) / median(samples["terraform"])
    return Result(name="up + down / bare Terraform", value=ratio, goal=1.25, unit="×", samples=samples)


def measure_train(cloud: LocalCloud, repeats: int = 5) -> Result:
    """Time `train` of a command that does nothing, on a warm host, with 240 images and nothing to send."""
    cloud.deployer("up", "--yes")
    cloud.deployer("train")
    samples = [seconds(lambda: cloud.deployer("train")) for _ in range(repeats)]
    cloud.deployer("down", "--yes")
    return Result(name="train overhead", value=median(samples), goal=3.0, unit="s", samples={"": samples})


def _copy_root(state: Path, target: Path) -> None:
    """Copy the root module as deployer ran it: the same files and variables, without state or initialisation."""
    source = next(state.glob("local/*/terraform"))
    ignore = shutil.ignore_patterns(".terraform*", "*.tfstate*", "events.jsonl", "terraform.log", "initialised")
    shutil.copytree(source, target, ignore=ignore)
    next(target.glob("*.tfvars.json")).rename(target / "bench.auto.tfvars.json")
