"""`deployer compare`."""

from __future__ import annotations

from pathlib import Path

import click

from deployer.commands.context import Context, json_option, pass_context


@click.command()
@click.argument("wanted", nargs=-1, required=True, metavar="RUN RUN...")
@click.option("--output", type=click.Path(path_type=Path), help="Page to write  [default: compare.html]")
@json_option
@pass_context
def compare(context: Context, /, wanted: tuple[str, ...], output: Path | None, as_json: bool) -> int:
    """Draw runs side by side: figures with their intervals, curves, what differs, and whether it could be chance.

    \b
    Examples:
      deployer compare 20261121-101500-k3xq 20261121-143000-a7bd
      deployer compare runs/* --output all.html
    """
    from deployer import programs, runs

    folders, lacking = runs.find_runs(context.runs_directory(), wanted, holding="metrics.json")
    for each in lacking:
        context.reporter(as_json=as_json).warn(f"{each} is left out: it has no metrics.json.")
    options = programs.as_options({"output": output, "json": as_json})
    return programs.run("model.compare", [*options, "--", *map(str, folders)], needs=programs.FOR_PICTURES)
