"""`deployer fetch`."""

from __future__ import annotations

import click

from deployer.commands.context import Context, json_option, pass_context


@click.command()
@json_option
@click.argument("job", default="")
@pass_context
def fetch(context: Context, /, as_json: bool, job: str) -> None:
    """Bring the results of JOB, or of the latest one, to runs/<job>/. Also while it runs.

    \b
    Examples:
      deployer fetch
      deployer fetch 20261121-101500-k3xq
    """
    from deployer import render
    from deployer.deployment import jobs

    config = context.config()
    render.fetched(*jobs.fetch(config, job, context.reporter()), as_json=as_json)
