"""`deployer up`."""

from __future__ import annotations

from typing import Any

import click

from deployer.commands.context import (
    Context,
    json_option,
    pass_context,
    placement_flags,
    placement_options,
    yes_option,
)


@click.command()
@placement_options
@click.option("--dry-run", is_flag=True, help="Show what would be made, and at what price; make nothing.")
@yes_option
@json_option
@pass_context
def up(context: Context, /, dry_run: bool, yes: bool, as_json: bool, **placement: Any) -> None:
    """Check, provision with Terraform, and wait until the machine can train. Run twice, it changes nothing.

    \b
    Examples:
      deployer up
      deployer up --dry-run
      deployer up --yes --instance-type g5.xlarge --spot
    """
    from deployer import render
    from deployer.deployment import record
    from deployer.deployment.up import plan_up
    from deployer.deployment.up import up as provision

    config = context.config(**placement_flags(**placement))
    session, reporter = context.session(config), context.reporter()
    with record.exclusive(config, "up"):
        plan = plan_up(config, session, reporter, preview=dry_run)
        render.plan(plan, as_json=as_json and dry_run)
        if dry_run:
            return
        if not yes and not plan.running:
            click.confirm("Provision this?", abort=True, err=True)
        render.up_result(provision(plan, session, reporter), as_json=as_json)
