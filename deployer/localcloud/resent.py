"""What was answered is answered alike once more when a client sends the very same call again.

AWS's clients send a call again when its answer got lost on the way, on a busy machine too; what revokes, makes or
deletes would then be refused as done already, and Terraform ends there. Their header `amz-sdk-invocation-id` is the
same for every attempt of one call (AWS SDKs and Tools Reference Guide, "Retry behavior").
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEPT = 512  # answers: more than are under way at one time
LARGEST_BYTES = 1 << 16

_INVOCATION = "HTTP_AMZ_SDK_INVOCATION_ID"


@dataclass(frozen=True)
class Given:
    """An answer as it went out: WSGI's status and headers, and the whole body."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


class Answers:
    """The last answers, by the call's own id. Refusals are not kept: a client that asks again hopes for another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given: OrderedDict[str, Given] = OrderedDict()

    def find(self, environ: Mapping[str, Any]) -> Given | None:
        """Return what this call was answered before, if it was."""
        with self._lock:
            return self._given.get(environ.get(_INVOCATION, ""))

    def keep(self, environ: Mapping[str, Any], given: Given) -> None:
        """Keep an answer, and forget the oldest."""
        invocation = environ.get(_INVOCATION, "")
        if not invocation or not given.status.startswith("2") or len(given.body) > LARGEST_BYTES:
            return
        with self._lock:
            self._given[invocation] = given
            while len(self._given) > KEPT:
                self._given.popitem(last=False)
