"""`deployer cancel`."""

from __future__ import annotations

import click

from deployer.commands.context import Context, pass_context


@click.command()
@click.option("--grace", default=30.0, show_default=True, help="Seconds for a last checkpoint, before it is killed.")
@click.argument("job", default="")
@pass_context
def cancel(context: Context, /, grace: float, job: str) -> None:
    """Stop JOB, or the latest one: Ctrl-C first, so that it can save a checkpoint, then by force.

    \b
    Examples:
      deployer cancel
      deployer cancel --grace 120
    """
    from deployer import render
    from deployer.deployment import jobs

    config = context.config()
    render.cancelled(jobs.cancel(config, job, context.reporter(), grace_seconds=grace))
