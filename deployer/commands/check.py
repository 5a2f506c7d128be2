"""`deployer check`."""

from __future__ import annotations

from typing import Any

import click

from deployer.commands.context import (
    ALL_REGIONS,
    Context,
    json_option,
    pass_context,
    placement_options,
    split_regions,
)
from deployer.errors import ConfigError

ONE = "Leave --zone out, or pass the one region that it is in with --region."


@click.command()
@placement_options
@click.option("--region", "regions", multiple=True, help='Region to look at; several, or "all", are compared.')
@json_option
@pass_context
def check(context: Context, /, regions: tuple[str, ...], as_json: bool, **placement: Any) -> int:
    """Say whether this can be deployed now, where, and at what price. Costs nothing, changes nothing.

    Every figure is read from AWS now, or marked with an asterisk and the date of the table that it comes from.

    \b
    Examples:
      deployer check
      deployer check --gpu-memory 24 --gpus 1 --max-price 2
      deployer check --region eu-west-1 --region us-east-1 --instance-type g5.xlarge --spot
      deployer check --region all --json

    Exit code 0 when something can be launched, with warnings or without; 1 otherwise.
    """
    from deployer.deployment.survey import Comparison, Survey, compare, survey
    from deployer.render import board, comparison

    asked = split_regions(regions or [context.flags.get("region") or ""])
    found: Survey | Comparison
    is_one = asked != (ALL_REGIONS,) and len(asked) < 2
    if placement["zone"] and not is_one:
        raise ConfigError(f"--zone {placement['zone']} is in one region, and several are asked about.", hint=ONE)
    config = context.placed(**placement, region=asked[0] if is_one and asked else None)
    if config.availability_zone and not is_one:
        context.reporter().warn(f"availability_zone = {config.availability_zone} is left out: it is in one region.")
    is_shortlist = placement["gpu_memory"] is not None or placement["gpus"] is not None
    with context.reporter().step(f"Asking {'the local cloud' if config.cloud == 'local' else 'AWS'}"):
        if is_one:
            found = survey(config, context.session(config), is_shortlist=is_shortlist)
        else:
            found = compare(config, context.session(config), asked, is_shortlist=is_shortlist)
    if isinstance(found, Survey):
        board.show(found, as_json=as_json)
    else:
        comparison.show(found, as_json=as_json, left_out_zone=config.availability_zone)
    return 0 if found.can_launch else 1
