#!/usr/bin/env python3
"""Show the whole loop on the local cloud: init, check, up, train, fetch, down, with the real commands.

1. Whatever happens after `up` began, `down` and `local stop` run before this ends: on failure, on Ctrl-C, on SIGTERM.
2. The exit code is the failing command's, 130 after Ctrl-C, 143 after SIGTERM.
3. The images of --data are read where they are; nothing is written beside them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
DEPLOYER = Path(sys.executable).parent / "deployer"
# The quick recipe: a rehearsal shows that everything works; it need not show how good the model can get.
STEPS = (["check"], ["up", "--yes"], ["train", "--", "--preset", "quick"], ["fetch"])
MARKER = ".demo"  # this folder may be emptied
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", help="folder of labelled images; without it a synthetic set is drawn")
    parser.add_argument("--folder", type=Path, default=ROOT / "demo", help="where it happens; emptied first")
    options = parser.parse_args()
    folder, data = options.folder.resolve(), Path(options.data).expanduser().resolve() if options.data else None
    problem = find_problem(folder, data)
    if problem:
        print(f"Error: {problem[0]}\nHint: {problem[1]}", file=sys.stderr)
        return 2
    started = time.monotonic()
    shell = Shell(folder)
    if (folder / ".deployer").exists():
        subprocess.run([DEPLOYER, "local", "stop"], cwd=folder, env=shell.environment(), capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)
    code = 1
    try:
        shell.prepare()
        code = go_round(shell, "--cloud", "local", "init", "--data", str(data or draw(shell)))
    finally:
        failed = tear_down(shell, code)
        failed = shell.run("local", "stop") or failed
    show_results(shell.folder, seconds=time.monotonic() - started, complete=not (code or failed))
    return code or failed


def find_problem(folder: Path, data: Path | None) -> tuple[str, str] | None:
    """Return what is wrong and what to type, before anything is emptied."""
    if data and not data.is_dir():
        hint = "make demo DATA=/path/to/images, a folder with targets.csv or with one folder per class."
        return f"{data} is not a folder.", hint
    if data and (data == folder or folder in data.parents):
        return f"{data} lies in {folder}, which is emptied first.", "move the images elsewhere."
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        return f"{folder} holds something that no demo put there.", "move it away, or name another with --folder."
    return None


def go_round(shell: Shell, *init: str, steps: Sequence[Sequence[str]] = STEPS) -> int:
    """Run `init` and the steps until one fails or somebody stops us, and return the exit code."""
    code = shell.stop_code or shell.run(*init)
    for step in steps:
        code = code or shell.stop_code or shell.run(*step)
    return code or shell.stop_code


def tear_down(shell: Shell, code: int) -> int:
    """Remove whatever `up` may have made; return the exit code of that."""
    shell.tearing_down = True
    if code:
        say(f"\nEnding with exit code {code}; tearing down what exists ...")
    return shell.run("down", "--yes") if shell.has_run("up") else 0


@dataclass
class Shell:
    """Runs `deployer` in the demo's folder as a person would, and stays alive to clean up."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    stop_code: int = 0
    tearing_down: bool = False
    warned: bool = False
    history: list[tuple[str, ...]] = field(default_factory=list)
    child: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make the folder, and catch the signals that would end us before the tearing down."""
        self.folder.mkdir(parents=True)
        (self.folder / MARKER).touch()
        for number in SIGNALS:
            signal.signal(number, self.stop)
        say(f"$ cd {shlex.quote(os.path.relpath(self.folder))}")

    def environment(self) -> dict[str, str]:
        """The user's own, without settings meant for another deployment."""
        mine = {name: value for name, value in os.environ.items() if not name.startswith("DEPLOYER_")}
        path = f"{DEPLOYER.parent}{os.pathsep}{mine.get('PATH', os.defpath)}"
        return {**mine, "PATH": path, **self.settings}

    def run(self, *arguments: str) -> int:
        """Echo one command, run it to its end and return its exit code."""
        say(f"\n$ {shlex.join(['deployer', *arguments])}")
        self.history.append(arguments)
        stopped_before = self.stop_code
        # Its own session: Ctrl-C reaches this process alone, which passes it on once.
        self.child = subprocess.Popen(
            [DEPLOYER, *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        if self.stop_code != stopped_before:
            self.child.send_signal(signal.SIGINT)  # the signal came before there was a child to pass it on to
        code = self.child.wait()
        self.child = None
        return code if code >= 0 else 128 - code

    def has_run(self, command: str) -> bool:
        return any(arguments[0] == command for arguments in self.history)

    def stop(self, number: int, _frame: FrameType | None) -> None:
        """Pass a signal on to the running command; while tearing down, ask for patience once."""
        self.stop_code = self.stop_code or 128 + number
        if self.tearing_down and not self.warned:
            self.warned = True
            say("\nTearing down; once more to stop at once and leave what still exists.")
        elif self.child:
            self.child.send_signal(signal.SIGINT)


def draw(shell: Shell) -> Path:
    """Draw the synthetic set into the shell's folder."""
    from draw_seafloor import draw_set  # numpy and Pillow take a while, and --help needs neither

    say("\nNo DATA given: drawing 240 frames of a seafloor. They are synthetic, no photographs.")
    draw_set(shell.folder / "seafloor")
    return Path("seafloor")


def show_results(folder: Path, *, seconds: float, complete: bool) -> None:
    """Name what came home, its headline figures and the report."""
    minutes, rest = divmod(round(seconds), 60)
    runs = sorted(path for path in (folder / "runs").glob("*") if path.is_dir())
    say(f"\n{'Done' if complete else 'Not complete; ended'} after {minutes} min {rest} s.")
    if not runs:
        return
    results = runs[-1]
    say(f"Results: {os.path.relpath(results)}")
    metrics = results / "metrics.json"
    if metrics.exists():
        test = json.loads(metrics.read_text())["test"]
        say(f"Test set: balanced accuracy {test['balanced_accuracy']:.2f} on {test['count']} images it never saw.")
    if (results / "report.html").exists():
        say(f"Report: {(results / 'report.html').as_uri()}")


def say(text: str) -> None:
    # A closed terminal or pipe is no reason to leave machines running.
    with contextlib.suppress(OSError):
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
