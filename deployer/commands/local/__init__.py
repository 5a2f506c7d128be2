"""`deployer local`: AWS on this machine, one per project folder, for rehearsals that cost nothing."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from deployer.commands.local import faults, quotas
from deployer.commands.local.options import JSON, PROJECT


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
    faults.print_faults(facts)


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


local.add_command(faults.fault)
local.add_command(quotas.quota)
