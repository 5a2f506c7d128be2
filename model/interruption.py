"""SIGINT and SIGTERM end a program at once, but never in the middle of a step of the weights."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import NoReturn

from model.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While entered, the first signal raises Interrupted in the main thread; later ones do nothing."""

    def __init__(self) -> None:
        self._received: int | None = None
        self._is_shielded = False
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> Interruption:
        self._previous = {number: signal.signal(number, self._receive) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal itself returned

    @property
    def is_received(self) -> bool:
        """Whether a signal has come, also one that is held back."""
        return self._received is not None

    def stop(self) -> NoReturn:
        """Raise Interrupted for the signal that came, here or in another process of the training."""
        raise Interrupted(signal.SIGTERM if self._received is None else self._received)

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Hold a signal back until the block is done; within it, ask `is_received` where stopping is safe."""
        self._is_shielded = True
        try:
            yield
        finally:
            self._is_shielded = False
        if self.is_received:
            self.stop()

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._received is not None:
            return
        self._received = number
        if not self._is_shielded:
            raise Interrupted(number)
