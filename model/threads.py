"""How many cores there are, and how threads wait for each other on them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def count_cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def keep_waiting_threads_short() -> None:
    """Make PyTorch's threads spin for a moment only while they wait; has an effect before torch is imported only.

    By default they spin for long, and where another program wants a core they keep the thread that they wait for from
    running: training on two shared cores was four times slower. Threads that sleep at once are slow to wake: a step of
    small_resnet, two quiet cores, 178 images a second by default, 171 with 10,000 rounds, 140 asleep; with two busy
    programs beside it about 50 with either of the last two (2026-11).
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")


@contextmanager
def computing_alone() -> Iterator[None]:
    """Let PyTorch compute in the calling thread only: many small pieces of work take longer where each is shared."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
