"""`deployer quota`: how much the account may have, asking AWS for more, and what becomes of that."""

from __future__ import annotations

import click

from deployer.commands.context import Context, confirm, json_option, pass_context, yes_option
from deployer.commands.duration import duration
from deployer.config import Config

FOLLOW_SECONDS = 30 * 60

region_option = click.option("--region", help="Ask there: quotas hold in one region.  [default: the deployment's]")


@click.group(invoke_without_command=True)
@region_option
@json_option
@pass_context
@click.pass_context
def quota(click_context: click.Context, context: Context, /, region: str | None, as_json: bool) -> None:
    """Show the quotas that decide whether this fits, ask AWS for more, and see what it answers.

    \b
    Examples:
      deployer quota
      deployer quota request
      deployer quota watch --follow
    """
    if click_context.invoked_subcommand is None:
        _show(context, region, as_json)
    elif region or as_json:
        raise click.UsageError(f"Put --region and --json behind `{click_context.invoked_subcommand}`.")


@quota.command()
@region_option
@json_option
@pass_context
def show(context: Context, /, region: str | None, as_json: bool) -> None:
    """Show each quota: value, used, free, needed, and a request for more where there is one.

    \b
    Examples:
      deployer quota show --region eu-west-1
      deployer quota show --json
    """
    _show(context, region, as_json)


@quota.command()
@click.option("--code", default="", help="The quota, e.g. L-DB2E81BA.  [default: what the first instance type lacks]")
@click.option("--value", type=click.IntRange(min=1), help="The new total.  [default: what is used and what is needed]")
@region_option
@yes_option
@json_option
@pass_context
def request(context: Context, /, code: str, value: int | None, region: str | None, yes: bool, as_json: bool) -> None:
    """Ask AWS to raise a quota to a new total; costs nothing. Where a request is open already, show that one.

    \b
    Examples:
      deployer quota request
      deployer quota request --code L-DB2E81BA --value 16 --yes
    """
    from deployer.deployment import quota as quotas
    from deployer.render import quota as render

    config = _config(context, region)
    session = context.session(config)
    plan = quotas.plan_request(config, session, code=code.upper(), value=value)
    if plan.value is None and plan.request is None:
        render.nothing_to_do(plan, as_json=as_json)
        return
    if plan.request is None:
        render.increase(plan, as_json=as_json)
        if not yes:
            confirm("Ask AWS for that?")
    filed = quotas.file(config, session, plan)
    render.request(filed, as_json=as_json, was_open=plan.request is not None)


@quota.command()
@click.argument("request_id", required=False)
@click.option("--follow", "-f", is_flag=True, help="Wait until AWS has decided, asking once a minute.")
@click.option(
    "--timeout",
    "timeout_seconds",
    type=duration,
    default=None,
    metavar="TIME",
    help="With --follow, for that long: 90s, 30m, 2h.  [default: 30m]",
)
@region_option
@json_option
@pass_context
def watch(
    context: Context,
    /,
    request_id: str | None,
    follow: bool,
    timeout_seconds: float | None,
    region: str | None,
    as_json: bool,
) -> int:
    """Say where a request stands: the last one that was filed from here, or the one with this id.

    \b
    Examples:
      deployer quota watch
      deployer quota watch --follow --timeout 2h

    Exit code 0 when AWS has granted it, 1 when it refused or closed it. While it is open: 0; with --follow 1 when the
    time is over.
    """
    from deployer.deployment import quota as quotas
    from deployer.render import quota as render

    config = _config(context, region)
    last = None if request_id else quotas.remembered(config)
    session = context.session(config).elsewhere(region or (last.region if last else config.region))
    found = quotas.standing(session, request_id or (last.id if last else ""))
    if follow:
        reporter = context.reporter(as_json=as_json)
        found = quotas.follow(
            session,
            found,
            timeout_seconds=timeout_seconds or FOLLOW_SECONDS,
            on_change=lambda now: reporter.note(render.status_changed(now)),
        )
    render.request(found, as_json=as_json)
    return 0 if found.is_granted or (found.is_open and not follow) else 1


def _show(context: Context, region: str | None, as_json: bool) -> None:
    from deployer.deployment.quota import overview
    from deployer.render import quota as render

    config = _config(context, region)
    render.overview(overview(config, context.session(config)), as_json=as_json)


def _config(context: Context, region: str | None) -> Config:
    return context.config(**({"region": region} if region else {}))
