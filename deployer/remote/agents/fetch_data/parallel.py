"""Many requests at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any


def call_all(function: Callable[..., None], calls: Iterable[tuple[Any, ...]], *, threads: int) -> None:
    """Call the function with each of the arguments and an event, which is set when one has failed; raise the first."""
    stop = threading.Event()
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(function, *arguments, stop) for arguments in calls]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        finally:
            stop.set()
            for future in futures:
                future.cancel()
