"""Questions to AWS, all under way at once: each has a thread of its own, and a time after which it counts as unknown.

Guarantees:
1. No question waits for another: what takes AWS one answer's time alone takes no longer among many.
2. A question that hangs holds up neither the other answers nor the end of the program.
3. A refusal is an answer; a mistake of ours is raised where the answer is read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from deployer.errors import AccessDenied, AwsError

T = TypeVar("T")
Told = TypeVar("Told", covariant=True)

# All tries of a call with botocore's back-off are over in less, unless they hang.
DEADLINE_SECONDS = 20.0


@dataclass(frozen=True)
class Unknown:
    """What AWS did not tell, and the IAM action that would; `error` is what AWS said."""

    reason: str
    permission: str = ""
    error: AwsError | None = None


class Answer(Generic[Told]):
    """What comes of one question."""

    def __init__(self, question: Callable[..., Told], *arguments: object, within_seconds: float) -> None:
        self._within = within_seconds
        self._began = time.monotonic()
        self._future: Future[Told] = Future()
        # A daemon, which a pool's threads are not: Python would wait for them before it ends.
        threading.Thread(target=self._run, args=(question, arguments), name="asking", daemon=True).start()

    def result(self) -> Told | Unknown:
        """Wait for the answer, for as long as the question may take."""
        try:
            return self.wait()
        except AwsError as error:
            return Unknown(error.message, error.operation if isinstance(error, AccessDenied) else "", error)

    def wait(self) -> Told:
        """Wait for the answer; raises AwsError where it is a refusal, or does not come in time."""
        left = self._began + self._within - time.monotonic()
        try:
            return self._future.result(timeout=max(0.0, left))
        except TimeoutError:
            hint = "Check the network; behind a proxy set HTTPS_PROXY. Where AWS itself is slow, try again."
            raise AwsError(f"AWS gave no answer within {self._within:g} s.", hint=hint, code="NoAnswer") from None

    def _run(self, question: Callable[..., Told], arguments: tuple[object, ...]) -> None:
        try:
            self._future.set_result(question(*arguments))
        except BaseException as error:
            self._future.set_exception(error)


def ask(question: Callable[..., T], *arguments: object, within_seconds: float = DEADLINE_SECONDS) -> Answer[T]:
    """Start a question and return at once."""
    return Answer(question, *arguments, within_seconds=within_seconds)


def first_known(answers: Iterable[Answer[T]]) -> T | Unknown:
    """Return the first of several answers to the same question that is one; the first refusal where none is."""
    found = []
    for answer in answers:
        found.append(answer.result())
        if not isinstance(found[-1], Unknown):
            return found[-1]
    return found[0]
