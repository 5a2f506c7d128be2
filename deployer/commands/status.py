"""`deployer status`."""

from __future__ import annotations

import click

from deployer.commands.context import Context, json_option, pass_context


@click.command()
@json_option
@pass_context
def status(context: Context, /, as_json: bool) -> None:
    """Show the instances, their jobs, what it has cost so far and when it ends by itself.

    \b
    Examples:
      deployer status
      deployer status --json
    """
    from deployer import render
    from deployer.deployment import jobs

    config = context.config()
    render.status(jobs.status(config, context.session(config)), as_json=as_json)
