"""How many cores there are, and how threads wait for each other on them."""

from __future__ import annotations

import os


def count_cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def let_waiting_threads_sleep() -> None:
    """Make PyTorch's threads sleep while they wait; has an effect before torch is imported only.

    By default they spin, and where another program wants a core they keep the thread that they wait for from running:
    training on two shared cores was four times slower (8 against 32 images per second, 2026-11).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
