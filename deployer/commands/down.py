"""`deployer down`."""

from __future__ import annotations

import click

from deployer.commands.context import Context, confirm, json_option, pass_context, yes_option


@click.command()
@click.option("--keep-bucket", is_flag=True, help="Keep the bucket with the images; the next `up` takes it over.")
@yes_option
@json_option
@pass_context
def down(context: Context, /, keep_bucket: bool, yes: bool, as_json: bool) -> int:
    """Bring home what was not fetched, destroy everything, and prove by tag that nothing is left.

    \b
    Examples:
      deployer down
      deployer down --yes --keep-bucket

    Exit code 1 when something is left; it is listed.
    """
    from deployer import render
    from deployer.deployment import record
    from deployer.deployment.down import down as tear_down

    config = context.config()
    session, reporter = context.session(config), context.reporter()
    with record.exclusive(config, "down"):
        if not yes:
            kept = " (the bucket stays)" if keep_bucket else ", the bucket with its images too"
            confirm(f"Destroy {config.name!r} in {config.region}{kept}?")
        result = tear_down(config, session, reporter, keep_bucket=keep_bucket)
    return render.down_result(config, result, as_json=as_json)
