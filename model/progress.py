"""How far long work is: a bar on a terminal, a whole line now and then in a log."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from model.console import count, format_duration, write

# A line of a training at least this often while something lasts.
PROGRESS_SECONDS = 5.0

# A log is read later and should be short; a bar is looked at.
LOG_SECONDS = 10.0
BAR_SECONDS = 0.1

_MAX_BAR_WIDTH = 30
_MIN_BAR_WIDTH = 5


def every(seconds: float, clock: Callable[[], float] = time.monotonic) -> Callable[[], bool]:
    """Return a question that is answered with yes at most once in so many seconds, the first time after them."""
    last = clock()

    def is_due() -> bool:
        nonlocal last
        now = clock()
        if now - last < seconds:
            return False
        last = now
        return True

    return is_due


class Progress:
    """Tells on stderr how much of `total` is done, how fast, and how long the rest takes.

    `done` is what an earlier run had finished: it counts, but not for the speed. With `total` None (a video that does
    not say how long it is) there is no share and no time left. Used as a context, it ends the bar's line.
    """

    def __init__(
        self,
        total: int | None,
        noun: str,
        *,
        done: int = 0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.done = done
        self._noun = noun
        self._first = done
        self._stream = stream or sys.stderr
        self._clock = clock
        self._started = self._told = clock()
        self._is_terminal = self._stream.isatty()
        self._is_bar_shown = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def advance(self, number: int = 1) -> None:
        """Count so many more as done, and tell it when it is time to."""
        self.done += number
        if self.total is not None:
            self.total = max(self.total, self.done)  # it was an estimate, and too low
        now = self._clock()
        is_last = self._is_bar_shown and self.done == self.total
        if now - self._told >= (BAR_SECONDS if self._is_terminal else LOG_SECONDS) or is_last:
            self._told = now
            self._tell(now)

    def close(self) -> None:
        """Leave the bar as it is and go to the next line."""
        if self._is_bar_shown:
            self._write("\n")
            self._is_bar_shown = False

    def _tell(self, now: float) -> None:
        line = self._describe(now - self._started)
        if not self._is_terminal:
            self._write(f"{line}\n")
            return
        # One column stays free: a full line would scroll some terminals.
        room = shutil.get_terminal_size().columns - 1
        width = min(_MAX_BAR_WIDTH, room - len(line) - 3)
        if self.total and width >= _MIN_BAR_WIDTH:
            filled = min(width, width * self.done // self.total)
            line = f"[{'#' * filled}{'.' * (width - filled)}] {line}"
        self._write(f"\r{line[: max(0, room)]}\x1b[K")
        self._is_bar_shown = True

    def _describe(self, seconds: float) -> str:
        rate = (self.done - self._first) / seconds if seconds > 0 else 0.0
        speed = f"  {rate:,.0f}/s" if rate >= 10 else f"  {rate:.1f}/s"
        if self.total is None:
            return f"{count(self.done, self._noun)}{speed}"
        share = self.done / self.total if self.total else 1.0
        left = f"  {format_duration((self.total - self.done) / rate)} left" if rate and self.done < self.total else ""
        # 99.97 % is not 100 %: done is only what is done.
        return f"{self.done:,} of {count(self.total, self._noun)} ({int(100 * share)}%){speed}{left}"

    def _write(self, text: str) -> None:
        write(text, self._stream)
