"""`deployer local`: AWS on this machine, one per project folder, for rehearsals that cost nothing."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from deployer.errors import UsageError

PROJECT = click.option(
    "--project",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Project folder whose local cloud is meant.  [default: the current folder]",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print facts as JSON on stdout.")


@click.group()
def local() -> None:
    """AWS on this machine: no account, no Docker, nothing to pay.

    A server on 127.0.0.1 that speaks AWS's API, with a real SSH host behind every running instance. There is one for
    each project folder, and `cloud = "local"` in deployer.toml starts it when needed. Your AWS credentials are never
    read.

    \b
    Examples:
      deployer local start
      deployer --cloud local up
      deployer local fault add --action RunInstances --code InsufficientInstanceCapacity --zone us-east-1a
      deployer local stop
    """


@local.command()
@PROJECT
@JSON
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on.  [default: a free one]")
def start(project: Path, as_json: bool, port: int) -> None:
    """Start the local cloud, unless it runs.

    \b
    Examples:
      deployer local start
      deployer local start --port 5000
      deployer local start --json
    """
    from deployer.localcloud import daemon

    if daemon.find(project) is None:
        click.echo("Starting the local cloud ...", err=True)
    cloud = daemon.start(project, port=port)
    if as_json:
        click.echo(json.dumps(cloud.to_json(), indent=2))
    else:
        click.echo(f"The local cloud is running at {cloud.endpoint} (process {cloud.pid}).")


@local.command()
@PROJECT
def stop(project: Path) -> None:
    """End the local cloud and all that is in it.

    Every instance and its processes, all data, faults and quotas are gone; the logs stay.

    \b
    Example:
      deployer local stop
    """
    from deployer.localcloud import daemon

    was_running = daemon.stop(project)
    click.echo("The local cloud has ended." if was_running else "No local cloud was running.")


@local.command()
@PROJECT
@JSON
def status(project: Path, as_json: bool) -> None:
    """Show where it is and what runs on it.

    Exit code 1 when there is none.

    \b
    Examples:
      deployer local status
      deployer local status --json
    """
    from deployer.localcloud import control, daemon

    cloud = daemon.find(project)
    if cloud is None:
        click.echo(json.dumps({"running": False}) if as_json else "No local cloud is running.")
        sys.exit(1)
    facts = {"running": True, "endpoint": cloud.endpoint, **control.ControlClient(cloud.endpoint).status()}
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo(f"Running at {cloud.endpoint} (process {cloud.pid}) for {facts['uptime_seconds']:.0f} s.")
    for instance in facts["instances"]:
        place = f"ssh port {instance['ssh_port']}" if instance["ssh_port"] else "no host"
        columns = ("instance_id", "name", "instance_type", "availability_zone", "state", "public_address")
        click.echo("  ".join([*(instance[key] or "-" for key in columns), place]))
    _print_faults(facts)


@local.command()
@PROJECT
@JSON
def env(project: Path, as_json: bool) -> None:
    """Print the environment that leads to it.

    \b
    Examples:
      eval "$(deployer local env)"
      aws ec2 describe-instances
    """
    from deployer.localcloud import daemon

    cloud = daemon.require(project)
    if as_json:
        click.echo(json.dumps({"environment": cloud.environment(), "unset": cloud.unset()}, indent=2))
        return
    for name in cloud.unset():
        click.echo(f"unset {name}")
    for name, value in cloud.environment().items():
        click.echo(f"export {name}={shlex.quote(value)}")


@local.group()
def fault() -> None:
    """Make calls to it fail on purpose."""


@fault.command("add")
@PROJECT
@JSON
@click.option("--action", help="AWS's name of the call, e.g. RunInstances, PutObject, GetServiceQuota.")
@click.option("--code", help="AWS's error code, e.g. InsufficientInstanceCapacity, UnauthorizedOperation.")
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


@local.group()
def quota() -> None:
    """Show or set its vCPU quotas."""


@quota.command("set")
@PROJECT
@JSON
@click.argument("code")
@click.argument("vcpus", type=click.FloatRange(min=0))
@click.option("--region", default="", help="Only in this region.  [default: in all]")
def set_quota(project: Path, as_json: bool, code: str, vcpus: float, region: str) -> None:
    """Set the quota CODE to VCPUS.

    \b
    Examples:
      deployer local quota set L-DB2E81BA 0                      no G instances
      deployer local quota set L-3819A6DF 8 --region us-west-2   two g4dn.xlarge, spot
    """
    from deployer.localcloud import control, daemon

    facts = control.ControlClient(daemon.require(project).endpoint).set_quota(code, vcpus, region=region)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        click.echo(f"{facts['name']} ({facts['code']}): {facts['vcpus']:g} vCPUs in {region or 'every region'}.")


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
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for item in facts["quotas"]:
        click.echo(f"{item['code']}  {item['vcpus']:6g} vCPUs  {item['name']}")


def _print(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        _print_faults(facts)


def _print_faults(facts: dict[str, Any]) -> None:
    for item in facts["faults"]:
        where = " ".join(value for value in (item["instance_type"], item["zone"]) if value)
        often = f"{item['times']} more" if item["times"] else "always"
        click.echo(f"{item['action']} fails with {item['code']} ({where or 'anywhere'}, {often})")
    if facts["latency_ms"]:
        click.echo(f"Every answer is {facts['latency_ms']} ms late.")
    if not facts["faults"] and not facts["latency_ms"]:
        click.echo("No faults.")
