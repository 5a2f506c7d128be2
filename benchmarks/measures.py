"""What every benchmark is made of: a figure with its goal, a clock, and a local cloud with a project folder."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
    """One figure, its goal (None: a figure to know, not to keep), and the seconds that it was made of."""

    name: str
    value: float
    goal: float | None
    unit: str
    samples: dict[str, list[float]] = field(default_factory=dict)
    more_is_better: bool = False

    @property
    def is_met(self) -> bool:
        if self.goal is None:
            return True
        return self.value >= self.goal if self.more_is_better else self.value <= self.goal


class LocalCloud:
    """A project folder with its local cloud, and the two ways to provision in it."""

    def __init__(self, project: Path) -> None:
        self.project = project
        project.mkdir()
        (project / "deployer.toml").write_text(CONFIGURATION)
        run([sys.executable, str(ROOT / "tools" / "draw_seafloor.py"), str(project / "seafloor")])
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DEPLOYER_", "AWS_"))}
        self.environment = kept
        self.started: dict[str, Any] = json.loads(self.deployer("local", "start", "--json"))

    def deployer(self, *arguments: str) -> str:
        return run([DEPLOYER, *arguments], cwd=self.project, env=self.environment)

    def python(self, *arguments: str) -> str:
        """Run one of our own scripts with the environment that leads to this cloud."""
        return run([sys.executable, *arguments], cwd=self.project, env=self.environment | self.aws)

    @property
    def aws(self) -> dict[str, str]:
        """The environment that leads to this cloud."""
        leading: dict[str, str] = self.started["environment"]
        return leading | {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}

    def provision_and_destroy(self, folder: Path) -> None:
        """Run bare Terraform in a folder that holds a root module and its variables."""
        for command in (["init"], ["apply", "-auto-approve"], ["destroy", "-auto-approve"]):
            run(["terraform", *command, "-no-color", "-input=false"], cwd=folder, env=self.environment | self.aws)

    def stop(self) -> None:
        self.deployer("local", "stop")


def seconds(work: Callable[[], object]) -> float:
    """Return how long the work took."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median(samples: Sequence[float]) -> float:
    return statistics.median(samples)


def say(text: str) -> None:
    """Tell how far it is: long comparisons are silent otherwise."""
    print(text, file=sys.stderr)


def run(command: Sequence[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command that must succeed, and return what it printed."""
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
