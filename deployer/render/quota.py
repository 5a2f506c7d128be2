"""The quotas that matter, what becomes of a request for more, and what to type next."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from deployer.aws.quota_requests import STATUSES
from deployer.hints import as_typed
from deployer.preflight.findings import allow
from deployer.render.console import MARKS, print_json
from deployer.render.page import Page

if TYPE_CHECKING:
    from deployer.aws.quota_requests import QuotaRequest
    from deployer.deployment.quota import Headroom, Increase, Overview


def overview(found: Overview, *, as_json: bool) -> None:
    """Print each quota against what is needed of it, and the command that asks for more."""
    if as_json:
        rows = [_as_facts(row) for row in found.rows]
        print_json({"region": found.region, "quotas": rows, "requests_unknown": found.gap or None})
        return
    page = Page()
    page.title(f"Quotas in {found.region}")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("", "quota", "code", "value", "used", "free", "needed", "for", "request"):
        is_number = name in {"value", "used", "free", "needed"}
        table.add_column(name, justify="right" if is_number else "left", no_wrap=name not in {"quota", "for"})
    for row in found.rows:
        table.add_row(_mark(row), *map(escape, _cells(row)))
    page.table(table)
    if any(row.own for row in found.rows):
        page.note("What this deployment uses itself counts as free.")
    for row in found.rows:
        _tell(page, row)
    if found.gap:
        page.item(MARKS["WARNING"], "requests", f"Whether any are open is unknown: {found.gap}")


def increase(plan: Increase, *, as_json: bool) -> None:
    """Print what is about to be filed, or why nothing is."""
    if as_json:
        return
    quota, page = plan.quota, Page()
    if plan.value is None:
        page.text(f"{quota.name} ({quota.code}) is {_amount(quota.value)} in {quota.region}: enough, nothing to do.")
        page.note("Where AWS refuses launches all the same, name a larger total: --value N.")
        return
    page.text(f"{quota.name} ({quota.code}) in {quota.region}: {_amount(quota.value)} → {plan.value}")


def nothing_to_do(plan: Increase, *, as_json: bool) -> None:
    """Print that what is applied is enough."""
    if as_json:
        print_json({"request": None, "code": plan.quota.code, "value": plan.quota.value})
        return
    increase(plan, as_json=False)


def request(found: QuotaRequest, *, as_json: bool, was_open: bool = False) -> None:
    """Print where a request stands, in words."""
    if as_json:
        print_json(_request_facts(found))
        return
    page = Page()
    if was_open:
        page.text("A request for this quota is open already; AWS takes one at a time.")
    case = f", support case {found.case_id}" if found.case_id else ""
    page.text(f"{found.name} ({found.code}) → {found.desired:g} in {found.region}: {found.status}{case}.")
    page.text(f"{STATUSES.get(found.status, 'a status that is new to this version')}.")
    if found.is_open:
        page.note(as_typed("`deployer quota watch --follow` waits for the answer."))
    elif not found.is_granted:
        page.note(
            "AWS's reasons are in its mail, and in the console under Service Quotas, Quota request history. Ask again "
            "for less, or answer in the support case what it is for; or take another region or family of types."
        )


def status_changed(found: QuotaRequest) -> str:
    """Return one line about a new status."""
    return f"{found.status}: {STATUSES.get(found.status, '')}."


def _cells(row: Headroom) -> list[str]:
    asked = f"{row.request.desired:g}: {row.request.status}" if row.request else ""
    return [
        row.quota.name,
        row.quota.code or "?",
        _amount(row.quota.value),
        _at_least(row),
        _amount(row.free if row.free is None else max(0, row.free)),
        _amount(row.needed),
        row.purpose,
        asked,
    ]


def _mark(row: Headroom) -> str:
    if row.is_enough is None:
        return MARKS["WARNING"]
    if row.is_enough:
        return MARKS["OK"]
    return MARKS["ERROR"] if row.is_wanted else MARKS["INFO"]


def _tell(page: Page, row: Headroom) -> None:
    """Print what is not known of a quota, and what to type where it is too small."""
    quota = row.quota
    if quota.reason:
        hint = allow(quota.permission, quota.reason)
        page.item(MARKS["WARNING"], quota.code or "quota", f"{quota.name}: {quota.reason}", hint)
    if row.is_enough is not False or (row.request and row.request.is_open):
        return
    message = f"{row.purpose} needs {row.needed}, and {max(0, row.free or 0)} of {_amount(quota.value)} are free."
    hint = f"deployer quota request --code {quota.code} --value {row.enough} --region {quota.region}"
    page.item(_mark(row), quota.code, message, as_typed(hint) if row.is_wanted else "")


def _at_least(row: Headroom) -> str:
    """Return the use, marked where something that counts could not be read."""
    if row.quota.used is None:
        return "?"
    return f"≥ {row.quota.used}" if row.quota.reason else str(row.quota.used)


def _amount(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"


def _as_facts(row: Headroom) -> dict[str, Any]:
    quota = asdict(row.quota)
    return quota | {
        "for": row.purpose,
        "needed": row.needed,
        "own": row.own,
        "free": row.free,
        "is_enough": row.is_enough,
        "is_wanted": row.is_wanted,
        "request": _request_facts(row.request) if row.request else None,
    }


def _request_facts(found: QuotaRequest) -> dict[str, Any]:
    return asdict(found) | {
        "meaning": STATUSES.get(found.status, ""),
        "is_open": found.is_open,
        "is_granted": found.is_granted,
    }
