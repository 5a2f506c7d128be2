"""What could not be launched lately, kept for ten minutes: a zone that was empty a moment ago is tried last."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deployer.config import Config
from deployer.remote.host import write_atomically

# ParallelCluster hides an offering as long after an InsufficientInstanceCapacity, Karpenter for three minutes.
REMEMBERED_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One launch that AWS refused: where, as what, with which error code, and when (seconds since the epoch).

    Zones go by id: the names differ from account to account.
    """

    region: str
    zone_id: str
    instance_type: str
    spot: bool
    code: str
    at: float
    account: str = ""

    @property
    def place(self) -> tuple[str, str, str, str, bool]:
        """Return what a later attempt at the same thing has in common with this one."""
        return self.account, self.region, self.zone_id, self.instance_type, self.spot


def recent(config: Config, *, now: float | None = None) -> tuple[Attempt, ...]:
    """Return what was refused in the last ten minutes on this cloud, the oldest first; nothing of a damaged file."""
    now = time.time() if now is None else now
    known = sorted(_read(_path(config)), key=lambda item: item.at)
    # One from the future is of a clock that was wrong since or then.
    return tuple(item for item in known if now - REMEMBERED_SECONDS < item.at <= now)


def remember(config: Config, attempt: Attempt) -> None:
    """Keep a refusal, in place of an earlier one of the same place."""
    others = (item for item in recent(config, now=attempt.at) if item.place != attempt.place)
    _write(_path(config), [*others, attempt])


def forget(config: Config, attempt: Attempt) -> None:
    """Drop what is known against the place of `attempt`: it has just been had."""
    known = recent(config)
    left = [item for item in known if item.place != attempt.place]
    if len(left) < len(known):
        _write(_path(config), left)


def _path(config: Config) -> Path:
    """Return the file: one for all deployments of a project on one cloud, since a zone is empty for all of them."""
    return config.project / ".deployer" / f"attempts-{config.cloud}.json"


def _read(path: Path) -> list[Attempt]:
    try:
        found = [_attempt(item) for item in json.loads(path.read_bytes())]
    except (OSError, ValueError, TypeError, RecursionError):
        return []
    return [item for item in found if item is not None]


def _attempt(item: Any) -> Attempt | None:
    try:
        attempt = Attempt(**item)
    except TypeError:
        return None
    texts = (attempt.region, attempt.zone_id, attempt.instance_type, attempt.code, attempt.account)
    is_sound = all(isinstance(text, str) for text in texts) and isinstance(attempt.at, int | float)
    return attempt if is_sound else None


def _write(path: Path, attempts: Iterable[Attempt]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, json.dumps([asdict(item) for item in attempts], indent=2))
