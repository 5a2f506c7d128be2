"""`deployer ami`: which machine images there are, and images of your own."""

from __future__ import annotations

import click

from deployer.commands.context import Context, confirm, json_option, pass_context, yes_option


@click.group()
def ami() -> None:
    """Show machine images; bake your own with the project's dependencies inside, and remove it."""


@ami.command("list")
@click.option("--type", "instance_type", help="Only what drives this instance type, e.g. g5.xlarge.")
@json_option
@pass_context
def list_images(context: Context, /, instance_type: str | None, as_json: bool) -> None:
    """Show the catalogue with the newest release in the region, and what was baked for this project.

    \b
    Examples:
      deployer ami list
      deployer ami list --type g5g.xlarge
    """
    from deployer.deployment import images
    from deployer.render import ami as render

    config = context.config()
    render.listing(images.list_images(config, context.session(config), instance_type or ""), as_json=as_json)


@ami.command()
@json_option
@click.argument("image")
@pass_context
def show(context: Context, /, image: str, as_json: bool) -> None:
    """Show what is known of IMAGE: a name of the catalogue, an AMI's name or a pattern of one, or an id.

    \b
    Examples:
      deployer ami show pytorch-2.10-ubuntu-24.04
      deployer ami show "Deep Learning OSS Nvidia Driver AMI GPU PyTorch 2.1* (Ubuntu 24.04) *"
      deployer ami show ami-0123456789abcdef0
    """
    from deployer.deployment import images
    from deployer.render import ami as render

    config = context.config()
    render.shown(images.show(config, context.session(config), image), as_json=as_json)


@ami.command()
@click.option("--name", "image_name", default="", help="Name of the image  [default: deployer-<name>-<time>]")
@yes_option
@json_option
@pass_context
def bake(context: Context, /, image_name: str, yes: bool, as_json: bool) -> None:
    """Make an image of the deployment's machine with the dependencies of requirements.txt or pyproject.toml inside.

    Later `up`s of this project folder use the newest one that fits, where ami is empty. Project, data, jobs, keys and
    histories are removed from the machine first, and it reboots; it keeps its deadline.

    \b
    Examples:
      deployer ami bake
      deployer ami bake --yes --name reef-2026-11
    """
    from deployer.deployment import bake as baking
    from deployer.deployment import record
    from deployer.render import ami as render

    config = context.config()
    known = record.read(config)
    if not yes:
        machine = f"{known.nodes[0].alias} ({known.nodes[0].instance_id})"
        confirm(f"{machine} loses its project, images and jobs, and reboots. Go on?")
    with record.exclusive(config, "ami bake"):
        made = baking.bake(config, known, context.session(config), context.reporter(), name=image_name)
    render.baked(made, as_json=as_json)


@ami.command()
@click.option(
    "--keep", type=click.IntRange(min=0), default=0, show_default=True, help="How many to keep, newest first."
)
@yes_option
@json_option
@pass_context
def prune(context: Context, /, keep: int, yes: bool, as_json: bool) -> None:
    """Remove the images that were baked for this project, and their snapshots, in the region.

    \b
    Examples:
      deployer ami prune
      deployer ami prune --keep 1 --yes
    """
    from deployer.aws import own_images
    from deployer.deployment import bake as baking
    from deployer.render import ami as render

    config = context.config()
    session, project = context.session(config), config.project.name
    old = own_images.baked(session, project)[keep:]
    render.to_prune(old, project)
    if old and not yes:
        confirm("Remove them?")
    render.pruned(baking.prune(session, project, old, context.reporter()), as_json=as_json)
