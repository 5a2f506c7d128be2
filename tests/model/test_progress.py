from __future__ import annotations

import io

import pytest

from model.progress import Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_progress_writes_whole_lines_into_a_log_every_ten_seconds() -> None:
    log, clock = io.StringIO(), Clock()
    with Progress(100_000, "image", stream=log, clock=clock) as progress:
        for _ in range(25):
            clock.seconds += 1.0
            progress.advance(200)

    assert log.getvalue().splitlines() == [
        "2,000 of 100,000 images (2%)  200/s  8m10s left",
        "4,000 of 100,000 images (4%)  200/s  8m00s left",
    ]


def test_progress_says_nothing_about_short_work() -> None:
    log, clock = io.StringIO(), Clock()
    with Progress(3, "image", stream=log, clock=clock) as progress:
        for _ in range(3):
            clock.seconds += 0.01
            progress.advance()

    assert log.getvalue() == ""


def test_progress_redraws_one_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    screen, clock = Terminal(), Clock()
    with Progress(4, "image", stream=screen, clock=clock) as progress:
        for _ in range(4):
            clock.seconds += 1.0
            progress.advance()

    shown = screen.getvalue()
    assert shown.count("\n") == 1
    assert shown.endswith("[##############################] 4 of 4 images (100%)  1.0/s\x1b[K\n")
    assert "\r[#######.......................] 1 of 4 images (25%)  1.0/s  3s left\x1b[K" in shown


@pytest.mark.parametrize("columns", [1, 10, 40])
def test_progress_never_fills_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    screen, clock = Terminal(), Clock()
    with Progress(1_000_000, "image", stream=screen, clock=clock) as progress:
        clock.seconds += 1.0
        progress.advance(5)

    line = screen.getvalue().removeprefix("\r").removesuffix("\x1b[K\n")
    assert len(line) < max(columns, 2)


def test_progress_does_not_count_earlier_work_for_the_speed() -> None:
    log, clock = io.StringIO(), Clock()
    with Progress(1000, "image", done=900, stream=log, clock=clock) as progress:
        clock.seconds += 10.0
        progress.advance(50)

    assert log.getvalue() == "950 of 1,000 images (95%)  5.0/s  10s left\n"


def test_progress_tells_no_share_of_an_unknown_total() -> None:
    log, clock = io.StringIO(), Clock()
    with Progress(None, "frame", stream=log, clock=clock) as progress:
        clock.seconds += 20.0
        progress.advance(30)

    assert log.getvalue() == "30 frames  1.5/s\n"


def test_progress_is_not_done_before_the_last() -> None:
    log, clock = io.StringIO(), Clock()
    with Progress(100_000, "image", stream=log, clock=clock) as progress:
        clock.seconds += 10.0
        progress.advance(99_999)

    assert "(99%)" in log.getvalue()


def test_progress_corrects_an_estimate_that_was_too_low() -> None:
    log, clock = io.StringIO(), Clock()
    with Progress(5, "frame", stream=log, clock=clock) as progress:
        clock.seconds += 10.0
        progress.advance(6)

    assert log.getvalue() == "6 of 6 frames (100%)  0.6/s\n"
