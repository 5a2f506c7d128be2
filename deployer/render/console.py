"""Where text goes and how amounts look."""

from __future__ import annotations

import json
import sys
from enum import Enum
from typing import Any

from rich.console import Console

MARKS = {"OK": "[green]✓[/]", "INFO": "[cyan]i[/]", "WARNING": "[yellow]![/]", "ERROR": "[red]✗[/]"}


def money(usd: float | None) -> str:
    """Return an amount in USD with the digits that matter."""
    if usd is None:
        return "an unknown price"
    return f"${usd:.2f}" if usd >= 1 else f"${usd:.3f}"


def stdout() -> Console:
    """Return where data goes: a line is as long as it is."""
    return Console(highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print facts for programs; enums by name, sets sorted."""

    def plain(item: Any) -> Any:
        if isinstance(item, Enum):
            return item.name
        if isinstance(item, set | frozenset):
            return sorted(item)
        return str(item)

    sys.stdout.write(json.dumps(value, indent=2, default=plain) + "\n")
