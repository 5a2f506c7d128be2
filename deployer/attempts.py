"""What could not be launched lately, kept for ten minutes: a zone that was empty a moment ago is tried last."""

from __future__ import annotations

from dataclasses import dataclass

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
