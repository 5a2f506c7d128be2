"""`deployer report`."""

from __future__ import annotations

import sys

import click

from deployer.commands.context import Context, json_option, pass_context


@click.command()
@click.argument("run", default="")
@json_option
@pass_context
def report(context: Context, /, run: str, as_json: bool) -> None:
    """Open the report of RUN, a job or a folder of results, or of the latest one, in the browser.

    Only its address is printed where stdout is no terminal.

    \b
    Examples:
      deployer report
      deployer report 20261121-101500-k3xq
    """
    import webbrowser

    from deployer import render, runs

    page = runs.find_run(context.runs_directory(), run, holding="report.html").resolve() / "report.html"
    opened = not as_json and sys.stdout.isatty() and webbrowser.open(page.as_uri())
    render.report(page, opened=opened, as_json=as_json)
