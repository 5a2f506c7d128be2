"""`deployer up`."""

from __future__ import annotations

from typing import Any

import click

from deployer.commands.context import (
    Context,
    confirm,
    json_option,
    pass_context,
    placement_options,
    yes_option,
)
from deployer.commands.duration import duration


@click.command()
@placement_options
@click.option(
    "--wait",
    "wait_seconds",
    type=duration,
    metavar="TIME",
    help="Where nothing can be had, go on trying for that long: 90s, 30m, 2h.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be made, and at what price; make nothing.")
@yes_option
@json_option
@pass_context
def up(
    context: Context, /, wait_seconds: float | None, dry_run: bool, yes: bool, as_json: bool, **placement: Any
) -> None:
    """Check, provision with Terraform, and wait until the machine can train. Run twice, it changes nothing.

    Where a zone has no machine, the next one is tried: the types in your order, the zones of each by price.

    \b
    Examples:
      deployer up
      deployer up --dry-run
      deployer up --yes --instance-type g5.xlarge --spot
      deployer up --yes --wait 30m
    """
    from deployer.deployment import record
    from deployer.deployment.up import plan_up
    from deployer.deployment.up import up as provision
    from deployer.render import up as render

    config = context.placed(**placement)
    session, reporter = context.session(config), context.reporter()
    with record.exclusive(config, "up"):
        plan = plan_up(config, session, reporter, preview=dry_run)
        render.plan(plan, is_preview=dry_run, as_json=as_json and dry_run)
        if dry_run:
            return
        if not yes and not plan.running:
            confirm("Provision this?")
        result = provision(plan, session, reporter, wait_seconds=wait_seconds or 0.0)
        render.result(result, as_json=as_json)
