"""argparse with our kind of error, and converters that refuse by naming the value and what is allowed."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from model.errors import UsageError

S3_SCHEME = "s3://"


class ArgumentParser(argparse.ArgumentParser):
    """argparse with our kind of error."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of leaving the process."""
        raise UsageError(f"{message[:1].upper()}{message[1:]}.", hint=f"{self.prog} --help shows what is allowed.")


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a converter for whole numbers from `low` to `high`."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number between {low} and {high}")
        return value

    return convert


def number(low: float, high: float, *, above: bool = False) -> Callable[[str], float]:
    """Return a converter for numbers from `low` to `high`; with `above`, `low` itself is refused too."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        is_allowed = low < value <= high if above else low <= value <= high
        if not is_allowed:  # NaN is never allowed
            allowed = f"above {low:g} and at most {high:g}" if above else f"between {low:g} and {high:g}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a number {allowed}")
        return value

    return convert


def add_group_from(parser: argparse._ActionsContainer) -> None:
    """Add the option that says which images belong together."""
    parser.add_argument(
        "--group-from",
        type=grouping,
        metavar="WHAT",
        help=r"group images by a column of the table, or by their names: what the brackets of a pattern match,"
        r" e.g. '(.*)\.mp4_\d+' for frames of a dive",
    )


def grouping(text: str) -> str:
    """Return a column's name, or a regular expression with at least one group in brackets, as it was written."""
    if is_pattern(text):
        try:
            re.compile(text)
        except re.error as error:
            raise argparse.ArgumentTypeError(f"{text!r} is not a regular expression: {error}") from error
    elif not text.strip() or re.search(r"[\\*+?^$|]", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no column, and has no group in brackets, such as '(.*)_[0-9]+'")
    return text


def location(text: str) -> Path | str:
    """Return a Path, or the text of s3://bucket/prefix, which a Path would spoil."""
    if not text.startswith(S3_SCHEME):
        return Path(text)
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} names no bucket: it reads s3://bucket/prefix")
    return text


def is_pattern(text: str) -> bool:
    """Say whether --group-from is a regular expression on names rather than the name of a column."""
    return "(" in text
