"""`deployer ssh-config`."""

from __future__ import annotations

import click

from deployer.commands.context import Context, pass_context


@click.command("ssh-config")
@click.option("--path", is_flag=True, help="Print where the file is instead of what is in it.")
@pass_context
def ssh_config(context: Context, /, path: bool) -> None:
    """Print the OpenSSH configuration of the instances, for VS Code Remote-SSH, scp and rsync.

    \b
    Examples:
      deployer ssh-config >> ~/.ssh/config
      scp -F "$(deployer ssh-config --path)" demo:results.csv .
      rsync -e "ssh -F $(deployer ssh-config --path)" demo:results/ results/
    """
    from deployer.deployment import record

    config = context.config()
    record.read(config)
    file = config.state_directory / "ssh_config"
    click.echo(str(file) if path else file.read_text(encoding="utf-8"), nl=path)
