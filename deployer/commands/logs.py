"""`deployer logs`."""

from __future__ import annotations

import click

from deployer.commands.context import Context, pass_context


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on until the job ends; Ctrl-C stops looking, not the job.")
@click.argument("job", default="")
@pass_context
def logs(context: Context, /, follow: bool, job: str) -> int:
    """Show the log of JOB, or of the latest one.

    \b
    Examples:
      deployer logs
      deployer logs -f
      deployer logs 20261121-101500-k3xq
    """
    from deployer import render
    from deployer.deployment import jobs

    config = context.config()
    return render.log_end(jobs.logs(config, job, context.reporter(), follow=follow), follow=follow)
