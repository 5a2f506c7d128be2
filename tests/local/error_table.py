"""docs/errors.md as it is executed: each row says what to play on the local cloud and what must come of it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "errors.md"
COLUMNS = ("what aws says", "met in", "rehearse", "what `deployer` says", "what to do", "next candidate", "exit")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table. `says` and `does` hold the program's own words, `…` for what differs."""

    title: str
    command: tuple[str, ...]
    settings: tuple[str, ...]
    rehearsal: tuple[tuple[str, ...], ...]
    says: tuple[str, ...]
    does: tuple[str, ...]
    next_candidate: str
    exit_code: int

    @property
    def id(self) -> str:
        """The code, the command, and what tells it from other rows of the same code."""
        return re.sub(r"[^\w.]+", "-", self.title).strip("-")

    @property
    def launches(self) -> bool:
        return "up" in self.command


def rows() -> list[Row]:
    """Return the rows of every table of the page that has the columns of an error."""
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", PAGE.read_text(), re.MULTILINE):
        header, _, *lines = [_cells(line) for line in table.splitlines()]
        if tuple(cell.lower() for cell in header) == COLUMNS:
            found += [_row(cells) for cells in lines]
    return found


def matches(phrase: str, text: str) -> bool:
    """Tell whether the phrase stands in the text, with `…` for anything and lines broken anywhere."""
    words = r"\s+".join(".{1,1000}?".join(map(re.escape, word.split("…"))) for word in phrase.split())
    return re.search(words, text, re.DOTALL) is not None


def _cells(line: str) -> list[str]:
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def _row(cells: list[str]) -> Row:
    title, met, rehearse, says, does, candidate, code = cells
    command, *settings = re.findall(r"`([^`]+)`", met)
    return Row(
        title=title.replace("`", ""),
        command=tuple(shlex.split(command)),
        settings=tuple(settings),
        rehearsal=tuple(tuple(shlex.split(item)) for item in re.findall(r"`([^`]+)`", rehearse)),
        says=tuple(re.findall(r"“([^”]+)”", says)),
        does=tuple(re.findall(r"“([^”]+)”", does)),
        next_candidate=candidate,
        exit_code=int(code),
    )
