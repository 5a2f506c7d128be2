"""What `check` found in one region: the board, the hardware, the verdicts, the money; the same facts as JSON.

A figure with an asterisk comes from the dated table of the package, every other was read from AWS just now; the legend
below says so. What nobody gave is not drawn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from deployer.aws.hardware import TABLE_REGION
from deployer.facts import Unknown
from deployer.hints import as_typed
from deployer.preflight.verdicts import verdicts
from deployer.render.console import MARKS, money, print_json
from deployer.render.page import Page
from deployer.selection import SOLD_AS_GIB

if TYPE_CHECKING:
    from deployer.aws.prices import Price
    from deployer.deployment.board import Board, Offer
    from deployer.deployment.survey import Survey
    from deployer.preflight import Finding

NEXT = "▶"
NOTHING = "–"

# AWS's codes in the words of who waits for a machine; others are shown as they are.
REFUSALS = {
    "InsufficientInstanceCapacity": "no capacity",
    "InsufficientFreeAddressesInSubnet": "no free address",
    "InsufficientVolumeCapacity": "no disk",
    "MaxSpotInstanceCountExceeded": "over quota",
    "SpotMaxPriceTooLow": "price too low",
    "Unsupported": "unsupported",
    "VcpuLimitExceeded": "over quota",
}

# What the board and the table of hardware show already.
SHOWN_CHECKS = frozenset({"instance type", "offering"})


def show(found: Survey, *, as_json: bool) -> None:
    """Print what `check` found in one region."""
    if as_json:
        print_json(as_facts(found))
        return
    page, board, config = Page(), found.board, found.facts.config
    bought = "spot" if config.spot else "on demand"
    if board.offers:
        page.title(f"{config.region}, {bought}, {'1 machine' if config.nodes == 1 else f'{config.nodes} machines'}")
        page.table(_offers(board, is_wide=page.is_wide))
        page.note(*_failures(board), *legend([board]))
    if board.offers and board.types:
        page.title("Hardware")
        page.table(_hardware(board))
        page.note(*_hardware_legend(board))
    page.title("Verdict")
    print_verdicts(page, found.findings)
    ready = list(dict.fromkeys(item.instance_type for item in found.candidates))
    if ready:
        first = found.candidates[0]
        place = f"{first.instance_type} in {first.availability_zone} ({first.zone_id}) is tried first"
        page.item(MARKS["OK"], "launch", f"{', '.join(ready)} can be launched; {place}")
    _cost(page, found)
    page.line()
    if found.can_launch:
        page.line(f"[green]{escape(config.name)} can be launched.[/] Next: {escape(as_typed('deployer up'))}")
    else:
        page.line("[red]Nothing can be launched.[/]")


def as_facts(found: Survey) -> dict[str, Any]:
    """Return what the board shows, and all findings, for programs."""
    board = found.board
    return {
        "region": board.region,
        "account": found.facts.account,
        "spot": found.facts.config.spot,
        "nodes": found.facts.config.nodes,
        "can_launch": found.can_launch,
        "rows": [_row(item) for item in board.offers],
        "types": [dataclasses.asdict(item) | {"live": not item.as_of} for item in board.types],
        "quotas": {name: dataclasses.asdict(item) for name, item in found.facts.quotas.items()},
        "images": {
            name: None if isinstance(item, Unknown) else dataclasses.asdict(item)
            for name, item in found.facts.images.items()
        },
        "findings": [dataclasses.asdict(item) for item in found.findings],
        "candidates": [dataclasses.asdict(item) for item in found.candidates],
        "cost": None if found.cost is None else dataclasses.asdict(found.cost),
        "not_known": [dataclasses.asdict(item) for item in board.gaps],
    }


def print_verdicts(page: Page, findings: Iterable[Finding]) -> None:
    """Print one verdict a line, the fix below it; of what is fine, only what no table shows."""
    for item in verdicts(findings):
        if item.level.name == "OK" and item.check in SHOWN_CHECKS:
            continue
        page.item(MARKS[item.level.name], item.check, as_typed(item.message), as_typed(item.hint))


def usd(price: Price | None) -> str:
    """Return a price for a column, with an asterisk where it is the table's."""
    if price is None:
        return NOTHING
    return f"${price.usd_per_hour:.3f}{'' if price.is_live else '*'}"


def legend(boards: Sequence[Board]) -> list[str]:
    """Return where the figures come from, and why some are missing."""
    offers = [item for board in boards for item in board.offers]
    read = [price for item in offers for price in (item.on_demand, item.spot) if price]
    lines = ["Live: read just now. Prices in USD per hour."]
    for date in sorted({price.as_of for price in read if not price.is_live}):
        elsewhere = "" if {board.region for board in boards} == {TABLE_REGION} else "; other regions may differ"
        lines.append(f"* not live: built-in table of {date}, prices of {TABLE_REGION}{elsewhere}.")
    if any(item.spot_score is not None for item in offers):
        lines.append("score: AWS's spot placement score, 1 (poor) to 10, of all types asked about together.")
    gaps = {gap.subject: gap for board in boards if board.offers for gap in board.gaps}
    lines += [f"{gap.subject} not known: {gap.reason.rstrip('.')}." for gap in gaps.values()]
    return [as_typed(line) for line in lines]


def _offers(board: Board, *, is_wide: bool) -> Table:
    has_scores = any(item.spot_score is not None for item in board.offers)
    has_failures = any(item.recent_failure for item in board.offers)
    on_demand = "on demand" if is_wide else "on\ndemand"
    table = _table("", "instance type", "zone", "zone id", "offered", on_demand, "spot", gap=2 if is_wide else 1)
    for column in (0, 5, 6):
        table.columns[column].justify = "right"
    if has_scores:
        table.add_column("score", justify="right", no_wrap=True)
    if has_failures:
        table.add_column("failed", no_wrap=True)
    for number, name in enumerate(dict.fromkeys(item.instance_type for item in board.offers)):
        if number:
            table.add_row()
        for item in _drawn(board.of_type(name)):
            cells = _cells(item)
            if has_scores:
                cells.append(NOTHING if item.spot_score is None else str(item.spot_score))
            if has_failures:
                cells.append(_ago(item, suffix=" ago" if is_wide else "") if item.recent_failure else "")
            style = "bold" if item.order == 1 else "dim" if item.offered is False else ""
            table.add_row(*map(escape, cells), style=style)
    return table


def _drawn(offers: tuple[Offer, ...]) -> tuple[Offer, ...]:
    """Return the rows to draw: a type that no zone offers needs one only."""
    if any(item.offered is not False or item.recent_failure for item in offers):
        return offers
    return (dataclasses.replace(offers[0], zone=f"none of {len(offers)}", zone_id=NOTHING),) if offers else ()


def _cells(item: Offer) -> list[str]:
    return [
        f"{NEXT} {item.order}" if item.order == 1 else str(item.order or ""),
        item.instance_type,
        item.zone,
        item.zone_id or "?",
        {True: "yes", False: "no", None: "?"}[item.offered],
        usd(item.on_demand),
        usd(item.spot),
    ]


def _failures(board: Board) -> list[str]:
    """Return what AWS answered lately, one line for each code."""
    places: dict[str, list[str]] = {}
    for item in board.offers:
        if item.recent_failure:
            told = f"{item.instance_type} in {item.zone} {_ago(item)}"
            places.setdefault(item.recent_failure.code, []).append(told)
    return [
        f"failed: {REFUSALS[code]} ({code}): {', '.join(told)}."
        if code in REFUSALS
        else f"failed: {code}: {', '.join(told)}."
        for code, told in places.items()
    ]


def _ago(item: Offer, *, suffix: str = " ago") -> str:
    minutes = item.minutes_ago or 0.0
    return "now" if minutes < 1 else f"{minutes:.0f} min{suffix}"


def _hardware(board: Board) -> Table:
    table = _table("instance type", "GPU", "GPU memory", "vCPUs", "memory", "network")
    for column in (3, 4):
        table.columns[column].justify = "right"
    for column in (1, 5):
        table.columns[column].no_wrap = False
    for item in board.types:
        gpu = f"{item.gpus} × {item.gpu}" if item.gpus else f"part of an {item.gpu}" if item.gpu else "none"
        network = item.network.replace("Gigabit", "Gb/s")
        sustained = f" ({item.network_gbps:g} sustained)" if item.network_gbps and network.startswith("Up to") else ""
        table.add_row(
            escape(f"{item.name}{'*' if item.as_of else ''}"),
            escape(gpu),
            f"{item.gpu_memory_mib / 1024:.0f} GiB{' each' if item.gpus > 1 else ''}" if item.gpu else NOTHING,
            f"{item.vcpus}{' Arm' if item.architecture == 'arm64' else ''}",
            f"{item.memory_gib:g} GiB",
            escape(f"{network or NOTHING}{sustained}"),
        )
    return table


def _hardware_legend(board: Board) -> list[str]:
    dates = sorted({item.as_of for item in board.types if item.as_of})
    lines = [f"* not live: built-in table of {date}, since EC2 could not be asked." for date in dates]
    sold: dict[int, list[str]] = {}
    for gpu in dict.fromkeys(item.gpu for item in board.types if item.gpus and item.gpu in SOLD_AS_GIB):
        sold.setdefault(SOLD_AS_GIB[gpu], []).append(gpu)
    lines += [
        f"{', '.join(names)}: sold as {size} GB; EC2 reports what of it can be used." for size, names in sold.items()
    ]
    return lines


def _cost(page: Page, found: Survey) -> None:
    """Print what the next candidate costs per hour, each thing that bills, and the most that it can come to."""
    cost = found.cost
    if cost is None:
        return
    first, config = found.candidates[0], found.facts.config
    count = f"{config.nodes} × " if config.nodes > 1 else ""
    page.title(f"Cost per hour of {count}{first.instance_type} in {first.availability_zone}")
    table = _table("", "USD", "")
    table.show_header = False
    table.columns[1].justify = "right"
    table.columns[2].no_wrap = False
    for line in cost.lines:
        table.add_row(escape(line.what), _sum(line.usd_per_hour), f"[dim]{escape(line.source)}[/]")
    most = "" if cost.per_max_hours is None else f"at most {money(cost.per_max_hours)} in all{cost.reservation}: "
    ends = f"{most}it ends by itself after {cost.max_hours:g} h (max_hours)"
    table.add_row("[bold]total[/]", f"[bold]{_sum(cost.total)}[/]", ends)
    page.table(table)


def _sum(usd_per_hour: float | None) -> str:
    return "unknown" if usd_per_hour is None else money(usd_per_hour)


def _table(*columns: str, gap: int = 2) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table


def _row(item: Offer) -> dict[str, Any]:
    failed = item.recent_failure
    return {
        "instance_type": item.instance_type,
        "zone": item.zone,
        "zone_id": item.zone_id,
        "offered": item.offered,
        "on_demand_usd": None if item.on_demand is None else item.on_demand.usd_per_hour,
        "on_demand_source": _source(item.on_demand),
        "spot_usd": None if item.spot is None else item.spot.usd_per_hour,
        "spot_source": _source(item.spot),
        "spot_score": item.spot_score,
        "recent_failure": None if failed is None else {"code": failed.code, "minutes_ago": item.minutes_ago},
        "order": item.order or None,
    }


def _source(price: Price | None) -> dict[str, Any] | None:
    return None if price is None else {"live": price.is_live, "source": price.source, "as_of": price.as_of}
