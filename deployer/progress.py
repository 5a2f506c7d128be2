"""How far it is, on stderr: a live bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

from deployer.hints import as_typed

LINE_SECONDS = 5.0  # how often a step speaks where there is no terminal to draw on


class ConsoleReporter:
    """Tell people how far it is: a live bar on a terminal, plain lines anywhere else."""

    def __init__(self, *, output_to_stderr: bool = False) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._output = sys.stderr if output_to_stderr else sys.stdout

    @contextmanager
    def step(self, title: str) -> Iterator[_LiveStep | _PlainStep]:
        """Show one step; its last line tells what came out and the seconds."""
        started = time.monotonic()
        step = _LiveStep(self.console, title) if self.console.is_terminal else _PlainStep(self.console, title)
        mark = "[green]✓[/]"
        try:
            yield step
        except BaseException:
            mark = "[red]✗[/]"
            raise
        finally:
            step.close()
            outcome = f"  [dim]{escape(step.outcome)}[/]" if step.outcome else ""
            self.console.print(f"{mark} {escape(title)}{outcome}  [dim]{format_seconds(time.monotonic() - started)}[/]")

    def note(self, text: str) -> None:
        """Tell a fact."""
        self.console.print(f"[cyan]i[/] {escape(as_typed(text))}")

    def warn(self, text: str) -> None:
        """Tell something that may surprise later."""
        self.console.print(f"[yellow]![/] {escape(as_typed(text))}")

    def output(self, chunk: bytes) -> None:
        """Write a piece of a job's log as it is."""
        self._output.buffer.write(chunk)
        self._output.buffer.flush()


class _LiveStep:
    """A step on a terminal: spinner, bar, what is going on, how long still."""

    def __init__(self, console: Console, title: str) -> None:
        self.outcome = ""
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            # What is going on takes the room that is left, and is cut where there is none.
            TextColumn("{task.fields[text]}", style="dim", table_column=Column(ratio=1, no_wrap=True)),
            console=console,
            expand=True,
            transient=True,
        )
        self._task = self._bar.add_task(escape(title), total=None, text="")
        self._bar.start()

    def progress(self, done: float, total: float, text: str = "") -> None:
        self._bar.update(self._task, completed=done, total=total or None, text=escape(_amount(done, total, text)))

    def say(self, text: str) -> None:
        self.outcome = text
        self._bar.update(self._task, text=escape(text))

    def close(self) -> None:
        self._bar.stop()


class _PlainStep:
    """A step in a file or a pipe: a line now and then."""

    def __init__(self, console: Console, title: str) -> None:
        self.outcome = ""
        self._console = console
        self._title = title
        self._spoken = time.monotonic()

    def progress(self, done: float, total: float, text: str = "") -> None:
        self._speak(_amount(done, total, text))

    def say(self, text: str) -> None:
        self.outcome = text
        self._speak(text)

    def close(self) -> None:
        return

    def _speak(self, text: str) -> None:
        if time.monotonic() - self._spoken >= LINE_SECONDS:
            self._spoken = time.monotonic()
            self._console.print(f"  [dim]{escape(self._title)}: {escape(text)}[/]")


def format_seconds(seconds: float) -> str:
    """Return a duration as people say it."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {seconds % 60:.0f} s"


def _amount(done: float, total: float, text: str) -> str:
    if text == "bytes":
        return f"{done / 1e6:.1f} of {total / 1e6:.1f} MB"
    return f"{done:g}/{total:g}  {text}" if total else text
