"""`deployer data`: what is in a folder of images, and frames out of videos."""

from __future__ import annotations

from pathlib import Path

import click

from deployer.commands.context import json_option


@click.group()
def data() -> None:
    """Look at labelled images before training on them; make them from videos."""


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--targets", type=click.Path(path_type=Path), help="Table with the labels, if not found in FOLDER.")
@click.option("--group-from", help="Column of the groups, or a pattern: what its brackets match in a name.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the JSON to this file as well.")
@json_option
def check(folder: Path, as_json: bool, **options: object) -> int:
    """Count, and find what would spoil a training: broken files, duplicates, labels that contradict each other.

    \b
    Examples:
      deployer data check photos
      deployer data check photos --group-from '(.*)\\.mp4_\\d+'
      deployer data check photos --json > photos.json
    """
    from deployer import programs

    arguments = ["check", *programs.as_options({**options, "json": as_json}), "--", str(folder)]
    return programs.run("model.data", arguments, needs=programs.FOR_PICTURES)


@data.command()
@click.argument("videos", nargs=-1, required=True)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder for the frames.")
@click.option("--every", type=click.FloatRange(min=0, min_open=True), help="Seconds between two frames.  [default: 5]")
@click.option("--frames", type=click.IntRange(min=1), help="Frames of each video, evenly spread, instead of --every.")
@click.option("--label", help="Class of all these frames.")
@click.option("--label-from-folder", is_flag=True, help="The class is the name of the folder that holds the video.")
@click.option("--targets", type=click.Path(path_type=Path), help="Table of the labels  [default: targets.csv]")
@click.option("--size", type=click.IntRange(min=1), help="Pixels of the longer side at most.")
@click.option("--format", type=click.Choice(["png", "jpg"]), help="png loses nothing.  [default: png]")
def frames(videos: tuple[str, ...], **options: object) -> int:
    """Make images of videos, named <video>.mp4_<frame>.png, and a table of their labels where these are known.

    \b
    Examples:
      deployer data frames dive1.mp4 dive2.mp4 --output photos --every 5
      deployer data frames squid/ empty/ --output photos --label-from-folder
    """
    from deployer import programs

    arguments = ["frames", *programs.as_options(options), "--", *videos]
    return programs.run("model.data", arguments, needs=programs.FOR_PICTURES)
