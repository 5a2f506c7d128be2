"""All rows of the table, in its order."""

from __future__ import annotations

from benchmarks import (
    checking,
    commands,
    decoding,
    failover,
    frozen,
    gpu,
    loading,
    memory,
    serving,
    stepping,
    streaming,
    waiting,
)
from benchmarks.measures import Row

MODULES = (decoding, loading, stepping, frozen, streaming, waiting, serving, memory, gpu, commands, checking, failover)
ROWS = {row.name: row for module in MODULES for row in vars(module).values() if isinstance(row, Row)}
