"""Several things sent at once, the first failure or Ctrl-C stopping all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")

# Gets an item, an event that is set once there is no point in going on, and whom to tell of bytes sent.
Send = Callable[[Item, threading.Event, Callable[[int], None]], None]


def send_all(
    items: Iterable[Item], send: Send[Item], *, total: int, threads: int, on_progress: Callable[[int, int], None]
) -> None:
    """Send each item in a thread; `on_progress` gets bytes sent and `total`. Raises what the first failure raised."""
    sent = 0
    lock, stop = threading.Lock(), threading.Event()
    failures: list[BaseException] = []

    def count(size: int) -> None:
        nonlocal sent
        with lock:
            sent += size
            on_progress(sent, total)

    def attempt(item: Item) -> None:
        if stop.is_set():
            return
        try:
            send(item, stop, count)
        except BaseException as error:
            failures.append(error)
            stop.set()

    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(attempt, item) for item in items]
        try:
            wait(futures)
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
    if failures:
        raise failures[0]  # the others only saw `stop`
