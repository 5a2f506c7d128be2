"""`deployer check`."""

from __future__ import annotations

from typing import Any

import click

from deployer.commands.context import Context, json_option, pass_context, placement_options


@click.command()
@placement_options
@json_option
@pass_context
def check(context: Context, /, as_json: bool, **placement: Any) -> int:
    """Say whether this can be deployed now, where, and at what price. Costs nothing, changes nothing.

    \b
    Examples:
      deployer check
      deployer --region eu-west-1 check --instance-type g5.xlarge --instance-type g4dn.xlarge --spot

    Exit code 0 when something can be launched, with warnings or without; 1 otherwise.
    """
    from deployer import render
    from deployer.deployment.survey import survey

    config = context.placed(**placement)
    with context.reporter().step(f"Asking {'the local cloud' if config.cloud == 'local' else 'AWS'}"):
        found = survey(config, context.session(config))
    render.survey(config, found, as_json=as_json)
    return 0 if found.can_launch else 1
