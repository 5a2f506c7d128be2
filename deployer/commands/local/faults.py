"""`deployer local fault`: what goes wrong on purpose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from deployer.commands.local.options import JSON, PROJECT
from deployer.errors import UsageError


@click.group()
def fault() -> None:
    """Make calls to it fail on purpose."""


@fault.command("add")
@PROJECT
@JSON
@click.option("--action", help="AWS's name of the call, e.g. RunInstances; ec2:* for all of a service, * for all.")
@click.option("--code", help="AWS's error code, e.g. InsufficientInstanceCapacity, UnauthorizedOperation.")
@click.option("--region", default="", help="Only in this region.")
@click.option("--zone", default="", help="Only in this availability zone.")
@click.option("--type", "instance_type", default="", help="Only for this instance type.")
@click.option("--times", type=click.IntRange(min=1), help="How many calls fail.  [default: all]")
@click.option("--message", default="", help="Text of the error.  [default: AWS's own]")
@click.option(
    "--status", type=click.IntRange(400, 599), help="HTTP status.  [default: the one AWS sends with the code]"
)
@click.option("--latency-ms", type=click.IntRange(0, 60_000), help="Delay every answer; may stand alone.")
def add_fault(
    project: Path, as_json: bool, action: str | None, code: str | None, latency_ms: int | None, **options: Any
) -> None:
    """Let a call fail from now on, or every answer come late.

    \b
    Examples:
      deployer local fault add --action RunInstances --code InsufficientInstanceCapacity --zone us-east-1a
      deployer local fault add --action PutObject --code SlowDown --times 3
      deployer local fault add --action "*" --code RequestLimitExceeded --region eu-west-1
      deployer local fault add --latency-ms 300
    """
    from deployer.localcloud import control, daemon
    from deployer.localcloud.faults import Fault

    if bool(action) != bool(code) or (not action and latency_ms is None):
        raise UsageError(
            "A fault needs both --action and --code.",
            hint="Such as --action RunInstances --code InsufficientInstanceCapacity. --latency-ms may stand alone.",
        )
    client = control.ControlClient(daemon.require(project).endpoint)
    facts = client.set_latency(latency_ms) if latency_ms is not None else {}
    if action and code:
        values = {name: value for name, value in options.items() if value is not None}
        facts = client.add_fault(Fault(action=action, code=code, **values))
    _print(facts, as_json=as_json)


@fault.command("list")
@PROJECT
@JSON
def list_faults(project: Path, as_json: bool) -> None:
    """List the faults in force; `times` is how often each will still happen.

    \b
    Example:
      deployer local fault list
    """
    from deployer.localcloud import control, daemon

    _print(control.ControlClient(daemon.require(project).endpoint).faults(), as_json=as_json)


@fault.command("clear")
@PROJECT
@JSON
def clear_faults(project: Path, as_json: bool) -> None:
    """Forget every fault, and the latency.

    \b
    Example:
      deployer local fault clear
    """
    from deployer.localcloud import control, daemon

    _print(control.ControlClient(daemon.require(project).endpoint).clear_faults(), as_json=as_json)


def print_faults(facts: dict[str, Any]) -> None:
    for item in facts["faults"]:
        where = " ".join(value for value in (item["instance_type"], item["zone"], item["region"]) if value)
        often = f"{item['times']} more" if item["times"] else "always"
        click.echo(f"{item['action']} fails with {item['code']} ({where or 'anywhere'}, {often})")
    if facts["latency_ms"]:
        click.echo(f"Every answer is {facts['latency_ms']} ms late.")
    if not facts["faults"] and not facts["latency_ms"]:
        click.echo("No faults.")


def _print(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        print_faults(facts)
