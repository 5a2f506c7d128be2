"""`deployer ssh`."""

from __future__ import annotations

import os

import click

from deployer.commands.context import Context, pass_context
from deployer.errors import MissingDependency


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--node", default=0, show_default=True, help="Which instance, counted from 0.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@pass_context
def ssh(context: Context, /, node: int, command: tuple[str, ...]) -> None:
    """Open a shell on the instance, or run COMMAND there, with the system's own ssh.

    \b
    Examples:
      deployer ssh
      deployer ssh -- nvidia-smi
    """
    from deployer.deployment import record

    config = context.config()
    host = record.node(record.read(config), node)
    file = config.state_directory / "ssh_config"
    try:
        os.execvp("ssh", ["ssh", "-F", str(file), host.alias, *command])  # noqa: S606 - no shell is wanted
    except FileNotFoundError:
        raise MissingDependency("There is no `ssh` on the PATH.", hint="Install OpenSSH's client.") from None
