"""What torchrun told this process; without torchrun it is the only one. Needs no PyTorch."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Launch:
    """The number of this process among `count`; process 0 alone prints and writes."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0


def read_launch() -> Launch:
    """Return what the environment says; both variables are torchrun's."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return Launch()
    return Launch(rank=int(os.environ["RANK"]), count=int(os.environ["WORLD_SIZE"]))
