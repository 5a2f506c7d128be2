"""`deployer local quota`: how much the emulated account may have, and what becomes of its requests for more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from deployer.commands.local.options import JSON, PROJECT

REGION = click.option("--region", default="", help="Only in this region.  [default: in all]")


@click.group()
def quota() -> None:
    """Show or set its quotas, and decide requests for more."""


@quota.command("set")
@PROJECT
@JSON
@click.argument("code")
@click.argument("value", type=click.FloatRange(min=0))
@REGION
def set_quota(project: Path, as_json: bool, code: str, value: float, region: str) -> None:
    """Set the quota CODE to VALUE: vCPUs for instances, a number for all else.

    \b
    Examples:
      deployer local quota set L-DB2E81BA 0                      no G instances
      deployer local quota set L-3819A6DF 8 --region us-west-2   two g4dn.xlarge, spot
      deployer local quota set L-F678F1CE 1                      no VPC beside the default one
      deployer local quota set L-C4BD4855 8                      P5 spot has a quota of its own, as once
    """
    from deployer.localcloud import control, daemon

    facts = control.ControlClient(daemon.require(project).endpoint).set_quota(code, value, region=region)
    _print(facts, f"{facts['name']} ({facts['code']}): {facts['value']:g} in {region or 'every region'}.", as_json)


@quota.command("unset")
@PROJECT
@JSON
@click.argument("code")
@REGION
def unset_quota(project: Path, as_json: bool, code: str, region: str) -> None:
    """Take the applied value of the quota CODE away: AWS's default holds, and only it can be read.

    \b
    Example:
      deployer local quota unset L-DB2E81BA
    """
    from deployer.localcloud import control, daemon

    facts = control.ControlClient(daemon.require(project).endpoint).unset_quota(code, region=region)
    _print(facts, f"{facts['name']} ({facts['code']}): no applied value in {region or 'every region'}.", as_json)


@quota.command("approve")
@PROJECT
@JSON
@click.argument("code")
@REGION
def approve(project: Path, as_json: bool, code: str, region: str) -> None:
    """Approve the open request for the quota CODE: what was asked for holds from now on.

    \b
    Example:
      deployer local quota approve L-DB2E81BA
    """
    _decide(project, code, region, is_approved=True, as_json=as_json)


@quota.command("deny")
@PROJECT
@JSON
@click.argument("code")
@REGION
def deny(project: Path, as_json: bool, code: str, region: str) -> None:
    """Deny the open request for the quota CODE.

    \b
    Example:
      deployer local quota deny L-DB2E81BA
    """
    _decide(project, code, region, is_approved=False, as_json=as_json)


@quota.command("list")
@PROJECT
@JSON
@click.option("--region", default="", help="The region asked about.  [default: what holds in all]")
def list_quotas(project: Path, as_json: bool, region: str) -> None:
    """List the quotas that can be set.

    \b
    Example:
      deployer local quota list --region us-east-1
    """
    from deployer.localcloud import control, daemon

    facts = control.ControlClient(daemon.require(project).endpoint).quotas(region=region)
    rows = ((item["code"], item["value"], item["service"], item["name"]) for item in facts["quotas"])
    lines = (f"{row[0]}  {'-' if row[1] is None else format(row[1], 'g'):>6}  {row[2]:9}  {row[3]}" for row in rows)
    _print(facts, "\n".join(lines), as_json)


def _decide(project: Path, code: str, region: str, *, is_approved: bool, as_json: bool) -> None:
    from deployer.localcloud import control, daemon

    client = control.ControlClient(daemon.require(project).endpoint)
    facts = client.decide_quota(code, is_approved=is_approved, region=region)
    lines = (f"{item['name']} in {item['region']}: {item['value']:g} {item['status']}." for item in facts["requests"])
    _print(facts, "\n".join(lines), as_json)


def _print(facts: dict[str, Any], text: str, as_json: bool) -> None:
    click.echo(json.dumps(facts, indent=2) if as_json else text)
