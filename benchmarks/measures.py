"""What a benchmark is made of: arms that are measured in turn, in one run, and a goal for the first of them."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class NotHere(Exception):
    """This machine, or what is installed on it, cannot measure a row; the message is the reason."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where a row may write, and whether it is to be small."""

    folder: Path
    is_quick: bool = False

    @property
    def clock(self) -> Clock:
        """The clock of rows that compute: a small form counts seconds of the core, which nothing else lengthens."""
        return time.process_time if self.is_quick else time.perf_counter

    def choose(self, whole: int, quick: int) -> int:
        """Return how much of something is to be measured."""
        return quick if self.is_quick else whole


@dataclass(frozen=True)
class Arms:
    """What is compared: the first arm is ours, the best of the others is what it is held against.

    An arm is measured by a call, which returns a figure in `unit`. A lone arm is held against the goal itself.
    """

    unit: str
    figures: dict[str, Callable[[], float]]


Clock = Callable[[], float]
Open = Callable[[Setting], Iterator[Arms]]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: how to make its arms ready (a generator that yields them), and what they have to reach.

    `cores`: the row is held to so many. `is_quick`: it has a small form for `--quick`.
    """

    name: str
    what: str
    goal: float
    is_at_least: bool
    cores: int | None
    is_quick: bool
    open: Open

    def measure(self, setting: Setting, *, repeats: int, tell: Callable[[int, int], None]) -> Result:
        """Measure all arms once to warm up, then in rounds, each in an order of its own; `tell` gets rounds done."""
        date, began = time.strftime("%Y-%m-%d"), time.perf_counter()
        with contextmanager(self.open)(setting) as arms:
            samples: dict[str, list[float]] = {name: [] for name in arms.figures}
            for turn in range(repeats + 1):
                tell(turn, repeats + 1)
                order = list(arms.figures)
                random.Random(turn).shuffle(order)  # noqa: S311 - an order, no secret
                for name in order:
                    figure = arms.figures[name]()
                    if turn:
                        samples[name].append(figure)
        return Result(
            name=self.name,
            what=self.what,
            unit=arms.unit,
            samples=samples,
            goal=self.goal,
            is_at_least=self.is_at_least,
            seconds=time.perf_counter() - began,
            date=date,
        )


def row(
    name: str,
    what: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    cores: int | None = None,
    quick: bool = False,
) -> Callable[[Open], Row]:
    """Make a row of a generator function that prepares arms, yields them, and clears up."""
    goal = at_most if at_least is None else at_least
    if goal is None:
        raise TypeError(f"the row {name} has no goal")

    def decorate(function: Open) -> Row:
        return Row(
            name=name,
            what=what,
            goal=goal,
            is_at_least=at_least is not None,
            cores=cores,
            is_quick=quick,
            open=function,
        )

    return decorate


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came out of a row: every sample of every arm, ours first."""

    name: str
    what: str
    unit: str
    samples: dict[str, list[float]]
    goal: float
    is_at_least: bool
    seconds: float
    date: str

    @property
    def reference(self) -> str:
        """The name of the best of the arms that are not ours, or "" where ours is alone."""
        best = max if self.is_at_least else min
        return best(list(self.samples)[1:], key=lambda name: median(self.samples[name]), default="")

    @property
    def values(self) -> list[float]:
        """What is held against the goal, of each round: ours divided by the reference, or ours."""
        ours = next(iter(self.samples.values()))
        if not self.reference:
            return ours
        return [mine / other for mine, other in zip(ours, self.samples[self.reference], strict=True)]

    @property
    def value(self) -> float:
        return median(self.values)

    @property
    def value_unit(self) -> str:
        return "×" if self.reference else self.unit

    @property
    def is_met(self) -> bool:
        return self.value >= self.goal if self.is_at_least else self.value <= self.goal


def refuse_to_keep_to(cores: int | None) -> None:
    """Raise NotHere where `keep_to` could not do so."""
    if cores is not None and not hasattr(os, "sched_setaffinity"):
        raise NotHere("this system cannot hold a process to a core")


def keep_to(cores: int | None) -> None:
    """Hold this process, and all that it starts, to so many cores; call it before PyTorch is imported."""
    if cores is None:
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    os.environ["OMP_NUM_THREADS"] = str(cores)


def seconds(work: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """Return how long the work took."""
    started = clock()
    work()
    return clock() - started


def rate(count: int, work: Callable[[], object], clock: Clock = time.perf_counter) -> Callable[[], float]:
    """Return an arm of work that does so many of something: how many it does a second."""
    return lambda: count / seconds(work, clock)


def median(samples: Sequence[float]) -> float:
    return statistics.median(samples)


def say(text: str) -> None:
    """Tell how far it is: long comparisons are silent otherwise."""
    print(text, file=sys.stderr, flush=True)


def run(command: Sequence[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command that must succeed, and return what it printed."""
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
