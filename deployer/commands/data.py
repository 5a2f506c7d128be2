"""`deployer data`: what is in a folder of images, frames out of videos, and images on S3."""

from __future__ import annotations

from pathlib import Path

import click

from deployer import allowed
from deployer.commands.context import Context, json_option, pass_context


def s3_url(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Refuse what is no s3://bucket/folder; "" is that nothing was given."""
    reason = allowed.check_data_path(value) if allowed.is_s3(value) else "must look like s3://my-bucket/images"
    if value and reason:
        raise click.BadParameter(f"{value!r} {reason}.")
    return value


def _prepare(context: Context, *places: str) -> None:
    """Have the environment of the cloud that the images are in; a folder needs none."""
    if any(map(allowed.is_s3, places)):
        context.config()


@click.group()
def data() -> None:
    """Look at labelled images before training; make them from videos; send them to S3, as they are or packed."""


@data.command()
@click.argument("folder")
@click.option("--targets", help="Table with the labels, if not found in FOLDER.")
@click.option("--group-from", help="Column of the groups, or a pattern: what its brackets match in a name.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the JSON to this file as well.")
@json_option
@pass_context
def check(context: Context, /, folder: str, as_json: bool, **options: object) -> int:
    """Count, and find what would spoil a training: broken files, duplicates, labels that contradict each other.

    \b
    Examples:
      deployer data check photos
      deployer data check photos --group-from '(.*)\\.mp4_\\d+'
      deployer data check photos --json > photos.json
      deployer data check s3://my-bucket/photos
    """
    from deployer import programs

    _prepare(context, folder)
    arguments = ["check", *programs.as_options({**options, "json": as_json}), "--", folder]
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


@data.command()
@click.argument("folder")
@click.argument("out")
@click.option("--targets", help="Table with the labels, if not found in FOLDER.")
@click.option("--group-from", help="Column of the groups, or a pattern: what its brackets match in a name.")
@click.option("--shard-mb", type=click.IntRange(1, 5000), help="Megabytes of a shard.  [default: by the set]")
@pass_context
def shard(context: Context, /, folder: str, out: str, **options: object) -> int:
    """Pack labelled images into tar shards (WebDataset's layout), in a folder or in S3: these are read quickest.

    \b
    Examples:
      deployer data shard photos shards
      deployer data shard photos s3://my-bucket/photos
    """
    from deployer import programs

    _prepare(context, folder, out)
    arguments = ["shard", *programs.as_options(options), "--", folder, out]
    return programs.run("model.data", arguments, needs=programs.FOR_PICTURES)


@data.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.argument("destination", default="", metavar="[s3://BUCKET/FOLDER]", callback=s3_url)
@json_option
@pass_context
def push(context: Context, /, folder: Path | None, destination: str, as_json: bool) -> None:
    """Send the images of FOLDER that are new or changed; without a destination to the deployment's own bucket.

    Ctrl-C stops it; the next push sends the rest. Nothing is removed from a bucket of yours.

    \b
    Examples:
      deployer data push
      deployer data push photos s3://my-bucket/photos
    """
    from deployer.deployment import data as images
    from deployer.render import data as render

    config = context.config()
    reporter = context.reporter(as_json=as_json)
    done = images.push(config, context.session(config), reporter, folder=folder, destination=destination)
    render.pushed(done, as_json=as_json)


@data.command("ls")
@click.argument("where", default="", metavar="[s3://BUCKET/FOLDER]", callback=s3_url)
@json_option
@pass_context
def list_sets(context: Context, /, where: str, as_json: bool) -> None:
    """List the sets of images on S3: how many, their classes where these are known, and their size.

    \b
    Examples:
      deployer data ls
      deployer data ls s3://my-bucket
    """
    from deployer.deployment import data as images
    from deployer.render import data as render

    config = context.config()
    render.sets(images.list_sets(config, context.session(config), where), as_json=as_json)
