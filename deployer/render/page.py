"""A page of tables and sentences on stdout: as wide as the terminal; in a pipe a line is as long as it is."""

from __future__ import annotations

import os
import textwrap

from rich.console import Console
from rich.markup import escape
from rich.table import Table

# From here on there is room for AWS's own error codes.
WIDE_COLUMNS = 110

# A pipe has no width; no table needs more.
PIPE_COLUMNS = 250

LABEL_COLUMNS = 13


class Page:
    """Writes top to bottom; sentences are wrapped on a terminal only, where nobody greps them."""

    def __init__(self) -> None:
        has_width = Console().is_terminal or "COLUMNS" in os.environ
        self._console = Console(highlight=False, soft_wrap=False, width=None if has_width else PIPE_COLUMNS)
        self._columns = self._console.width if has_width else None

    @property
    def is_wide(self) -> bool:
        """Say whether there is room for what only some want to read."""
        return self._columns is None or self._columns >= WIDE_COLUMNS

    def line(self, markup: str = "") -> None:
        """Print one line."""
        self._console.print(markup, soft_wrap=True)

    def title(self, text: str) -> None:
        """Print a heading, a blank line before it."""
        self.line()
        self.line(f"[bold]{escape(text)}[/]")

    def table(self, table: Table) -> None:
        """Print a table, without the blanks that fill its last column."""
        with self._console.capture() as drawn:
            self._console.print(table)
        for line in drawn.get().splitlines():
            print(line.rstrip())

    def text(self, text: str) -> None:
        """Print a sentence."""
        for line in self._wrapped(text):
            self.line(escape(line))

    def note(self, *texts: str) -> None:
        """Print what explains a table, each on a line of its own."""
        for text in texts:
            for line in self._wrapped(text):
                self.line(f"[dim]{escape(line)}[/]")

    def item(self, mark: str, label: str, text: str, hint: str = "") -> None:
        """Print a mark, a word, a sentence, and what to type below it."""
        indent = LABEL_COLUMNS + 3
        first, *rest = self._wrapped(text, indent)
        self.line(f"{mark} [bold]{escape(label):<{LABEL_COLUMNS}}[/] {escape(first)}")
        for line in rest:
            self.line(" " * indent + escape(line))
        for line in self._wrapped(hint, indent) if hint else ():
            self.line(f"{' ' * indent}[dim]{escape(line)}[/]")

    def _wrapped(self, text: str, indent: int = 0) -> list[str]:
        if self._columns is None:
            return [text]
        width = max(self._columns - indent, 20)
        # A command or a name that is broken cannot be copied.
        return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
