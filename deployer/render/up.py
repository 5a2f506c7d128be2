"""What `up` is about to do, at what price, and what is ready when it has done it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployer.hints import as_typed
from deployer.progress import format_seconds
from deployer.render.console import MARKS, money, print_json, stdout
from deployer.render.page import PIPE_COLUMNS, Page

if TYPE_CHECKING:
    from deployer.cost import Cost
    from deployer.deployment.up import UpPlan, UpResult
    from deployer.placement import Candidate


def plan(found: UpPlan, *, is_preview: bool, as_json: bool) -> None:
    """Print what `up` would do and what it costs; as a preview, every place in order and every resource too."""
    if as_json:
        print_json(
            {
                "name": found.config.name,
                "candidates": [dataclasses.asdict(item) for item in found.candidates],
                "cost": dataclasses.asdict(found.cost) | {"lines": [line._asdict() for line in found.cost.lines]},
                "changes": [dataclasses.asdict(item) for item in found.changes],
            }
        )
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    for item in found.survey.findings:
        if item.level.name in {"WARNING", "ERROR"}:
            hint = f" [dim]{escape(as_typed(item.hint))}[/]" if item.hint else ""
            console.print(f"{MARKS[item.level.name]} {escape(item.check)}: {escape(item.message)}{hint}")
    first, *others = found.candidates
    count = f"{found.config.nodes} × " if found.config.nodes > 1 else ""
    console.print(
        f"  {count}[bold]{first.instance_type}[/] in {_zone(first)}"
        f" ({'spot' if found.config.spot else 'on demand'}), {escape(first.image.catalogue_name or first.image.name)}"
    )
    if others and not is_preview:
        console.print(f"  [dim]if it is not to be had: {_in_short(others)}{_dearest(first, others)}[/]")
    console.print(_bill(found.cost))
    if is_preview:
        _preview(found)


def result(found: UpResult, *, as_json: bool) -> None:
    """Print what is ready now: the machine, its price, how to get in and how to stop."""
    record = found.record
    if as_json:
        print_json(dataclasses.asdict(record) | {"changed": found.changed, "seconds": round(found.seconds, 1)})
        return
    out = stdout()
    state = f"{found.changed} resources changed" if found.changed else "nothing had to change"
    out.print(f"[green]{escape(record.name)} is ready[/] ({state}, {format_seconds(found.seconds)}).")
    for node in record.nodes:
        out.print(f"  {node.instance_id}  {node.instance_type}  {node.availability_zone}  {node.public_ip}")
    most = "" if found.usd_at_most is None else f", {money(found.usd_at_most)} at most"
    out.print(f"  price    {money(record.usd_per_hour)} per hour until it is stopped, {record.max_hours:g} h{most}")
    for what, command in (("train", "deployer train"), ("connect", "deployer ssh"), ("stop", "deployer down")):
        out.print(f"  {what:<8} {escape(as_typed(command))}")


def _bill(cost: Cost) -> Table:
    """Return a table with a line for everything that bills, and the most that it can come to."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")
    for line in cost.lines:
        amount = "unknown" if line.usd_per_hour is None else money(line.usd_per_hour)
        table.add_row(escape(line.what), amount, escape(line.source))
    most = f", {money(cost.per_max_hours)} at most{cost.reservation}" if cost.per_max_hours is not None else ""
    total = "unknown" if cost.total is None else money(cost.total)
    table.add_row(
        "[bold]total per hour[/]",
        f"[bold]{total}[/]",
        f"ends by itself after {cost.max_hours:g} h{most}",
        style="default",
    )
    return table


def _preview(found: UpPlan) -> None:
    page = Page()
    page.title("It is tried in this order")
    table = Table(box=None, pad_edge=False)
    for column in ("", "instance type", "zone", "USD/hour", "image"):
        table.add_column(column, justify="right" if column in {"", "USD/hour"} else "left", no_wrap=True)
    for number, item in enumerate(found.candidates, start=1):
        price = "unknown" if item.usd_per_hour is None else f"{item.usd_per_hour:.3f}"
        image = item.image.catalogue_name or item.image.name
        table.add_row(str(number), item.instance_type, _zone(item), price, escape(image))
    page.table(table)
    page.line()
    for change in found.changes:
        page.line(f"{change.action:>8}  {escape(change.address)}")
    count = len(found.changes)
    page.line(f"{count} resources would change. Nothing was made." if count else "Nothing would change.")


def _dearest(first: Candidate, others: Sequence[Candidate]) -> str:
    """Return how much dearer it may become; "" where no other place costs more."""
    most = max((item.usd_per_hour or 0.0 for item in others), default=0.0)
    return f" (up to {money(most)} per machine and hour)" if most > (first.usd_per_hour or 0.0) else ""


def _in_short(candidates: Sequence[Candidate]) -> str:
    """Return the places to try, the zones of a type together: "g4dn.xlarge in us-east-1b, us-east-1c; g5.xlarge …"."""

    def kind(item: Candidate) -> Any:
        return item.instance_type

    groups = itertools.groupby(candidates, key=kind)
    return "; ".join(f"{name} in {', '.join(item.availability_zone for item in group)}" for name, group in groups)


def _zone(candidate: Candidate) -> str:
    """Return a zone by its name and its id: the names differ from account to account."""
    return f"{candidate.availability_zone} ({candidate.zone_id})" if candidate.zone_id else candidate.availability_zone
