"""What will be asked for next is fetched before it is: many at once, and never more than so many bytes."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class ReadAhead(Generic[Key]):
    """Takes things in the order of a plan, and fetches what comes next in threads of its own.

    1. Each thing is fetched once, however often the plan names it, and forgotten when it was taken so often.
    2. What is held and not yet taken is at most `max_bytes`, and one thing more for each thread that takes.
    3. What the plan does not name, or not any more, is fetched when it is asked for.
    """

    def __init__(
        self, fetch: Callable[[Key], bytes], size_of: Callable[[Key], int], *, threads: int, max_bytes: int
    ) -> None:
        self._fetch, self._size_of, self._max_bytes, self._threads = fetch, size_of, max_bytes, threads
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[tuple[Key, Future[bytes]] | None] = queue.SimpleQueue()
        self._started: list[threading.Thread] = []
        self._order: Sequence[Key] = ()
        self._next = self._held = 0
        self._uses: Counter[Key] = Counter()
        self._coming: dict[Key, Future[bytes]] = {}

    def plan(self, keys: Iterable[Key]) -> None:
        """Begin to fetch these, in this order, instead of what an earlier plan has left."""
        keys = list(keys)
        with self._lock:
            for future in self._coming.values():
                future.cancel()
            self._coming, self._uses, self._held = {}, Counter(keys), 0
            self._order, self._next = list(dict.fromkeys(keys)), 0
            self._begin_next()

    def take(self, key: Key) -> bytes:
        """Return one thing, as soon as it is there; raises what fetching it raised."""
        with self._lock:
            is_planned = key in self._uses
            future = self._begin(key) if is_planned else None
        if future is None:
            return self._fetch(key)
        try:
            return future.result()
        except CancelledError:  # there is another plan since
            return self._fetch(key)
        finally:
            with self._lock:
                if self._coming.get(key) is future:  # and not of a later plan
                    self._count(key)

    def is_coming(self, key: Key) -> bool:
        """Say whether a thing is being fetched, or there already."""
        return key in self._coming

    def skip(self, key: Key) -> None:
        """Count a thing as taken that was had in another way."""
        with self._lock:
            self._count(key)

    def close(self) -> None:
        """Forget the plan, and let the threads end."""
        self.plan(())
        for _ in self._started:
            self._work.put(None)
        self._started = []

    def _count(self, key: Key) -> None:
        self._uses[key] -= 1
        if self._uses[key] <= 0:
            del self._uses[key]
            if self._coming.pop(key, None) is not None:
                self._held -= self._size_of(key)
                self._begin_next()

    def _begin_next(self) -> None:
        while self._next < len(self._order) and self._held < self._max_bytes:
            key = self._order[self._next]
            self._next += 1
            if key in self._uses:
                self._begin(key)

    def _begin(self, key: Key) -> Future[bytes]:
        future = self._coming.get(key)
        if future is None:
            future = self._coming[key] = Future()
            self._held += self._size_of(key)
            self._work.put((key, future))
            if len(self._started) < min(self._threads, len(self._coming)):
                # Daemons: an end of the program does not wait for S3.
                self._started.append(threading.Thread(target=self._run, daemon=True, name="read-ahead"))
                self._started[-1].start()
        return future

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            key, future = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._fetch(key))
            except BaseException as error:  # told to whoever takes it
                future.set_exception(error)
