"""Images on S3: what was sent, and the sets that are there."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from deployer.render.console import print_json, stdout
from deployer.render.page import Page

if TYPE_CHECKING:
    from deployer.dataset import ImageSet
    from deployer.deployment.data import Pushed

# Classes that a line of the table names.
SHOWN_CLASSES = 6


def pushed(done: Pushed, *, as_json: bool) -> None:
    """Print what was sent, and what to do with it."""
    if as_json:
        print_json(dataclasses.asdict(done))
        return
    kept = done.files - done.sent
    sent = f"Sent {done.sent:,} files ({done.sent_bytes / 1e6:,.1f} MB) to" if done.sent else "Nothing new for"
    stdout().print(f"{sent} {escape(done.destination)}; {kept:,} were there already.")


def sets(found: Sequence[ImageSet], *, as_json: bool) -> None:
    """Print a line for each set."""
    if as_json:
        print_json([dataclasses.asdict(item) for item in found])
        return
    if not found:
        stdout().print("There are no images.")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("set", no_wrap=True, overflow="fold")
    table.add_column("images", justify="right")
    table.add_column("MB", justify="right")
    table.add_column("kind")
    table.add_column("classes", overflow="fold")
    for item in found:
        count = "not known" if item.images is None else f"{item.images:,}"
        table.add_row(escape(item.url), count, f"{item.size / 1e6:,.1f}", item.kind, escape(_classes(item.classes)))
    Page().table(table)


def _classes(names: tuple[str, ...]) -> str:
    more = len(names) - SHOWN_CLASSES
    shown = ", ".join(names[:SHOWN_CLASSES]) + (f" and {more:,} more" if more > 0 else "")
    return f"{len(names)}: {shown}" if names else "not known"
