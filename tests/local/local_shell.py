"""A user in a project folder on the local cloud: commands run in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout + self.stderr

    def json(self) -> Any:
        return json.loads(self.stdout)


class Shell:
    """A user in a project folder."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {**os.environ, "DEPLOYER_CLOUD": "local", **environment}
        # The AWS profile of the user: the local cloud must never use it.
        self.environment |= {"AWS_ACCESS_KEY_ID": "AKIAREALUSERKEY00000", "AWS_SECRET_ACCESS_KEY": "real-user-secret"}

    def __call__(self, *arguments: str, expect: int | None = 0) -> Answer:
        process = self.start(*arguments)
        try:
            stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        answer = Answer(process.returncode, stdout, stderr)
        if expect is not None:
            assert answer.code == expect, f"deployer {' '.join(arguments)}: exit code {answer.code}\n{answer.text}"
        return answer

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "deployer", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def interrupt(self, *arguments: str, when: Callable[[], bool], number: int = signal.SIGINT) -> Answer:
        """Run a command and send it a signal once `when` is true."""
        process = self.start(*arguments)
        wait_until(lambda: when() or process.poll() is not None)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
        return Answer(process.returncode, stdout, stderr)

    def deployment(self, name: str = "fish") -> Path:
        return self.folder / ".deployer" / "deployments" / "local" / name


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def draw_images(folder: Path, count: int = 48) -> None:
    """Draw a set that is easy to learn: bright discs and dark frames, with a table of labels."""
    from PIL import Image, ImageDraw

    (folder / "images").mkdir(parents=True)
    rows = ["filename,label,group"]
    for number in range(count):
        label = ("empty", "fish")[number % 2]
        frame = Image.new("RGB", (64, 48), (10, 30, 60 + number))
        if label == "fish":
            ImageDraw.Draw(frame).ellipse((16 + number % 8, 12, 48, 36), fill=(230, 180, 60))
        frame.save(folder / "images" / f"frame {number:03d}.jpg")
        rows.append(f"frame {number:03d}.jpg,{label},dive{number // 4}")
    (folder / "targets.csv").write_text("\n".join(rows) + "\n")
