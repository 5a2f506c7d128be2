"""Processes that do trials: a trial that crashes, or that the system kills, takes its own process with it alone."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from model.tuning.trial import Failure, Message, Order, work

# A new interpreter: a copy of this one would hold half of what PyTorch's threads and the GPU need.
_CONTEXT = multiprocessing.get_context("spawn")


class Worker:
    """One process, begun when it is first needed and again after its end."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._pair: tuple[BaseProcess, Connection] | None = None

    def begin(self, order: Order) -> None:
        """Have a trial done."""
        if self._pair is None or not self._pair[0].is_alive():
            self.end()
            ours, theirs = _CONTEXT.Pipe()
            self._pair = _CONTEXT.Process(target=work, args=(theirs, self._environment), daemon=True), ours
            self._pair[0].start()
            theirs.close()  # else its end would not be noticed
        self.connection.send(order)

    @property
    def connection(self) -> Connection:
        """What is read from when the trial has something to tell; only after `begin`."""
        return self._begun[1]

    def read(self) -> Message:
        """Return what the trial tells; a process that has ended tells why."""
        try:
            message: Message = self.connection.recv()
            return message
        except (EOFError, OSError):
            return Failure(reason=self._tell_end())

    def answer(self, go_on: bool) -> None:
        """Say after an epoch whether the trial goes on; a process that has ended tells so when it is read."""
        with suppress(OSError):
            self.connection.send(go_on)

    def end(self) -> None:
        """End the process, wherever it is."""
        if self._pair is None:
            return
        process, connection = self._pair
        process.terminate()
        process.join()
        connection.close()
        self._pair = None

    @property
    def _begun(self) -> tuple[BaseProcess, Connection]:
        if self._pair is None:
            raise RuntimeError("the worker has not begun")
        return self._pair

    def _tell_end(self) -> str:
        process = self._begun[0]
        process.join()
        code = process.exitcode or 0
        if code == -signal.SIGKILL:
            return "The process was killed (SIGKILL): the system does that when memory is short."
        if code < 0:
            return f"The process was ended by {signal.Signals(-code).name}."
        return f"The process ended with exit code {code}."


@contextmanager
def employ(environments: Sequence[Mapping[str, str]]) -> Iterator[list[Worker]]:
    """Give a worker for each environment, and end them all."""
    workers = [Worker(environment) for environment in environments]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.end()


def wait_for(workers: Iterable[Worker], *, timeout_seconds: float | None) -> list[Worker]:
    """Return those that have something to tell, at the latest after so long."""
    by_connection = {worker.connection: worker for worker in workers}
    return [
        by_connection[ready] for ready in wait(list(by_connection), timeout_seconds) if isinstance(ready, Connection)
    ]
