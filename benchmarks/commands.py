"""The commands against what they are made of: start-up, bare Terraform, a job that does nothing."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.local_cloud import DEPLOYER, start_cloud
from benchmarks.measures import Arms, Setting, row, run, seconds


@row("help", "deployer --help, what a shell waits for at each completion too", at_most=0.25)
def show_help(_: Setting) -> Iterator[Arms]:
    yield Arms("s", {"deployer --help": lambda: seconds(lambda: run([DEPLOYER, "--help"]))})


@row("cycle", "up + down / terraform init + apply + destroy of the same root, each from nothing", at_most=1.25)
def cycle(setting: Setting) -> Iterator[Arms]:
    bare = (setting.folder / f"bare-{number}" for number in itertools.count())
    with start_cloud(setting.folder) as cloud:
        state = cloud.project / ".deployer" / "deployments"
        root = setting.folder / "root"

        def up_and_down() -> float:
            shutil.rmtree(state, ignore_errors=True)
            up = seconds(lambda: cloud.deployer("up", "--yes"))
            copy_root(state, root)
            return up + seconds(lambda: cloud.deployer("down", "--yes"))

        def provision_and_destroy() -> float:
            folder = next(bare)
            shutil.copytree(root, folder)
            return seconds(lambda: cloud.provision_and_destroy(folder))

        up_and_down()  # leaves the root, and fills the caches of both
        yield Arms("s", {"deployer up + down": up_and_down, "terraform": provision_and_destroy})


@row("train", "deployer train of a command that does nothing, on a warm host with nothing to send", at_most=3.0)
def train(setting: Setting) -> Iterator[Arms]:
    with start_cloud(setting.folder) as cloud:
        cloud.deployer("up", "--yes")
        yield Arms("s", {"deployer train": lambda: seconds(lambda: cloud.deployer("train"))})
        cloud.deployer("down", "--yes")


def copy_root(state: Path, target: Path) -> None:
    """Copy the root module as deployer ran it: the same files and variables, without state or initialisation."""
    source = next(state.glob("local/*/terraform"))
    ignore = shutil.ignore_patterns(".terraform*", "*.tfstate*", "events.jsonl", "terraform.log", "initialised")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=ignore)
    next(target.glob("*.tfvars.json")).rename(target / "bench.auto.tfvars.json")
