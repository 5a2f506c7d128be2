"""What a use case tells while it works; `progress.py` shows it to people, tests collect it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Step(Protocol):
    """One thing that takes a while."""

    def progress(self, done: float, total: float, text: str = "") -> None:
        """Say how far it is: `done` of `total` in any unit, and what is being worked on."""

    def say(self, text: str) -> None:
        """Say what is being waited for, or what came out of it."""


class Reporter(Protocol):
    """The listener of a use case."""

    def step(self, title: str) -> AbstractContextManager[Step]:
        """Announce a step; leaving the context ends it and tells its seconds."""

    def note(self, text: str) -> None:
        """Tell a fact that is good to know."""

    def warn(self, text: str) -> None:
        """Tell something that may surprise later."""

    def output(self, chunk: bytes) -> None:
        """Hand on raw bytes of a job's log."""
