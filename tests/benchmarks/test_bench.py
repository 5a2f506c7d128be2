"""The processes that measure rows: what cannot be measured here, and a process that is killed."""

from __future__ import annotations

import os
import signal

import pytest

from benchmarks import bench
from benchmarks.rows import ROWS

ROW = ROWS["decode-small"]


def die(name: str, repeats: int, *, is_quick: bool) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def answer(name: str, repeats: int, *, is_quick: bool) -> str:
    return name


def test_a_system_that_cannot_hold_a_process_to_a_core_measures_no_such_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)

    with bench.Workers() as workers:
        outcome = workers.measure(ROW, 1)

    assert outcome == "this system cannot hold a process to a core"
    assert not isinstance(outcome, bench.Failure)


def test_a_row_whose_process_is_killed_breaks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with bench.Workers(is_quick=True) as workers:
        monkeypatch.setattr(bench, "measure_here", die)
        broken = workers.measure(ROW, 1)
        monkeypatch.setattr(bench, "measure_here", answer)
        next_one = workers.measure(ROW, 1)

    assert isinstance(broken, bench.Failure)
    assert next_one == ROW.name
