"""A project folder with a cloud of its own on this machine, and the two ways to provision in it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measures import ROOT, run

DEPLOYER = str(Path(sys.executable).parent / "deployer")
CONFIGURATION = """
name = "bench"
cloud = "local"
[data]
path = "seafloor"
[train]
command = "true"
"""


class LocalCloud:
    """A project folder whose deployer.toml says `cloud = "local"`, and the environment that leads to its cloud."""

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

    @contextmanager
    def faults(self, *faults: tuple[str, ...]) -> Iterator[None]:
        """Let AWS misbehave for a while, as `deployer local fault add` would."""
        for fault in faults:
            self.deployer("local", "fault", "add", *fault)
        try:
            yield
        finally:
            self.deployer("local", "fault", "clear")


@contextmanager
def start_cloud(folder: Path) -> Iterator[LocalCloud]:
    """Start a cloud for a project in this folder, and end it in the end."""
    cloud = LocalCloud(folder / "project")
    try:
        yield cloud
    finally:
        cloud.deployer("local", "stop")
