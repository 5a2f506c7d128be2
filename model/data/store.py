"""Pixels that threads bring while they are already used: who needs some waits for these and for no others."""

from __future__ import annotations

import threading
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from model.data.images import Pixels
from model.threads import count_cores

# How long an end waits for threads that are in the middle of an image.
CLOSE_SECONDS = 2.0

# Brings the pixels of one position, or says why it holds no picture.
Fill = Callable[[int], "Pixels | str"]


class PixelStore:
    """All images of a set, uint8 (N, S, S, RGB), filled in a given order by as many threads as there are cores.

    1. What a position holds never depends on when it was filled.
    2. What `fill` raises ends the filling, and is raised by whoever waits next.
    """

    def __init__(
        self, pixels: Pixels, fill: Fill, order: Sequence[int], *, checksums: NDArray[np.uint32] | None = None
    ) -> None:
        """Begin to fill `pixels`; with `checksums` it holds all already, and only what is damaged is filled anew."""
        self.pixels = pixels
        self.checksums = np.zeros(len(pixels), dtype=np.uint32) if checksums is None else checksums.copy()
        self.means = np.full(len(pixels), np.nan, dtype=np.float32)
        self.faults: dict[int, str] = {}
        self.seconds_waited = 0.0
        self.repaired = 0
        self._is_filled = checksums is not None
        self._fill = fill
        self._ready = np.zeros(len(pixels), dtype=np.bool_)
        self._left = len(pixels)
        self._order: Iterator[int] = iter(order)
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._waiting = 0
        self._began = time.perf_counter()
        self._ended: float | None = None
        warnings.filterwarnings("ignore", module="PIL", category=UserWarning)  # about odd metadata; the picture is fine
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count_cores())]
        for thread in self._threads:
            thread.start()

    @property
    def is_complete(self) -> bool:
        """Whether every position is filled or known to hold no picture."""
        return self._left == 0

    @property
    def count_done(self) -> int:
        """The number of positions that nobody has to wait for."""
        return len(self.pixels) - self._left

    @property
    def seconds(self) -> float:
        """How long the filling has taken so far, or took."""
        return (self._ended or time.perf_counter()) - self._began

    def wait(self, positions: Sequence[int] | NDArray[np.int64] | None = None, *, seconds: float | None = None) -> bool:
        """Wait until some positions, or all, are filled, or until time is up; say whether they are."""
        if self.is_complete:
            return True
        wanted = slice(None) if positions is None else np.asarray(positions, dtype=np.int64)
        began = time.perf_counter()
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: self._error or self._ready[wanted].all(), timeout=seconds)
            self._waiting -= 1
        self.seconds_waited += time.perf_counter() - began
        if self._error is not None:
            raise self._error
        return bool(self._ready[wanted].all())

    def close(self) -> None:
        """Fill no more. Threads get a moment to end; one that S3 keeps waiting ends with the program."""
        with self._changed:
            self._order = iter(())
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while self._error is None:
            with self._changed:
                position = next(self._order, None)
            if position is None:
                return
            try:
                fault = self._bring(position)
            except BaseException as error:
                self._end(error)
                return
            self._note(position, fault)

    def _bring(self, position: int) -> str:
        row = self.pixels[position]
        if not self._is_filled or zlib.crc32(row) != self.checksums[position]:
            with self._changed:
                self.repaired += self._is_filled
            brought = self._fill(position)
            if isinstance(brought, str):
                return brought
            row[:] = brought
            self.checksums[position] = zlib.crc32(row)
        self.means[position] = np.add.reduce(row, axis=None, dtype=np.uint32) / row.size
        return ""

    def _note(self, position: int, fault: str) -> None:
        with self._changed:
            if fault:
                self.faults[position] = fault
            self._ready[position] = True
            self._left -= 1
            if not self._left:
                self._ended = time.perf_counter()
            if self._waiting:
                self._changed.notify_all()

    def _end(self, error: BaseException) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()
