"""`deployer init`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from deployer.commands.context import Context, pass_context
from deployer.errors import ConfigError


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the images, when they are elsewhere.")
@click.option("--force", is_flag=True, help="Write over a deployer.toml that is there.")
@pass_context
def init(context: Context, /, data: Path | None, force: bool) -> None:
    """Write a commented deployer.toml for this folder, with the images and labels that are found in it.

    \b
    Examples:
      deployer init
      deployer --region eu-west-1 init --data ../frames
    """
    from deployer import config as configuration
    from deployer import project, render

    file = context.file or Path.cwd() / configuration.FILE_NAME
    folder = file.parent.resolve()
    if not folder.is_dir():
        raise ConfigError(f"{file} cannot be written: there is no folder {folder}.")
    found = project.find_images(folder, data)
    regions = map(os.environ.get, ("DEPLOYER_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"))
    region = context.flags.get("region") or next(filter(None, regions), None)
    values = {
        "name": context.flags.get("name") or project.deployment_name(folder),
        "cloud": context.flags.get("cloud"),
        "region": region or "us-east-1",
        "data.path": found.path if found else None,
        "data.targets": found.targets if found and found.targets else None,
    }
    given = {key: value for key, value in values.items() if value is not None}
    configuration.with_values(configuration.Config(), given)  # refuses what a later command would refuse
    project.write_config(file, given, force=force)
    render.initialised(file, found)
