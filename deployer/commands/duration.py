"""Durations as people type them: 90s, 30m, 2h, 1h30m."""

from __future__ import annotations

import re

import click

PATTERN = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
SECONDS = (3600, 60, 1)


def duration(text: str) -> float:
    """Return a duration in seconds, for `click.option(type=…)`; what is none is a usage error."""
    found = PATTERN.fullmatch(text.strip().lower())
    parts = found.groups() if found else ()
    seconds = sum(float(part) * unit for part, unit in zip(parts, SECONDS, strict=False) if part)
    if not seconds:
        raise click.BadParameter(f"{text!r} is not a duration: write 90s, 30m, 2h or 1h30m.")
    return seconds
