"""Options that every command of `deployer local` has."""

from __future__ import annotations

from pathlib import Path

import click

PROJECT = click.option(
    "--project",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Project folder whose local cloud is meant.  [default: the current folder]",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print facts as JSON on stdout.")
