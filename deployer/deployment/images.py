"""What `ami list` and `ami show` tell: the catalogue, what the region has of it, and what fits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from ami import catalogue
from ami.catalogue import CATALOGUE, PAST, Image
from deployer.aws import ec2, images, own_images
from deployer.aws.asking import Unknown, ask
from deployer.aws.images import MachineImage
from deployer.aws.own_images import BakedImage
from deployer.aws.regions import home_region
from deployer.aws.session import Session
from deployer.config import Config
from deployer.deployment.survey import require_region
from deployer.errors import AwsError


@dataclass(frozen=True, kw_only=True)
class Row:
    """One image of the catalogue; `newest` is its release in the region, None where none is known."""

    image: Image
    patched_until: date | None
    newest: MachineImage | None
    is_past: bool


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The catalogue in one region, and the images of our own; `problem` is why the region could not be asked.

    With an `instance_type` only what drives it.
    """

    region: str
    project: str
    rows: tuple[Row, ...]
    baked: tuple[BakedImage, ...]
    problem: str = ""
    instance_type: str = ""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One image, as far as it is known here; `fits` goes by configured instance type."""

    region: str
    entry: Image | None
    image: MachineImage | None
    fits: dict[str, bool]
    problem: str = ""


def list_images(config: Config, session: Session, instance_type: str = "") -> Listing:
    """Return the catalogue and our own images, of either only what drives `instance_type` where one is given.

    Raises AwsError for a region that does not exist, or that the account has not enabled.
    """
    regions = ask(ec2.regions, session.elsewhere(home_region(config.region)))
    newest, past = ask(images.newest, session, CATALOGUE), ask(images.newest, session, PAST)
    own = ask(own_images.baked, session, config.project.name)
    require_region(config, regions.result())
    here, gone, baked = newest.result(), past.result(), own.result()
    known = {name: item for part in (here, gone) if not isinstance(part, Unknown) for name, item in part.items()}
    family = instance_type.partition(".")[0]
    rows = [
        Row(
            image=image,
            patched_until=image.patched_until,
            newest=known.get(image.name),
            is_past=image in PAST,
        )
        for image in (*CATALOGUE, *PAST)
    ]
    return Listing(
        region=config.region,
        project=config.project.name,
        instance_type=instance_type,
        rows=tuple(row for row in rows if not family or family in _families(row.image, row.newest)),
        baked=() if isinstance(baked, Unknown) else tuple(item for item in baked if _drives(item.image, family)),
        problem=" ".join(dict.fromkeys(item.reason for item in (here, gone, baked) if isinstance(item, Unknown))),
    )


def show(config: Config, session: Session, text: str) -> Shown:
    """Return what is known of an image; of one of the catalogue also where the region does not have it.

    Raises AwsError where there is no such image, and for a region as `list_images` does.
    """
    require_region(config, ask(ec2.regions, session.elsewhere(home_region(config.region))).result())
    image: MachineImage | None = None
    problem = ""
    try:
        entry: Image | None = catalogue.named(text)
    except catalogue.UnknownImage:
        entry = catalogue.release_of(text, text)
    try:
        image = images.resolve_named(session, text)
    except AwsError as error:
        if entry is None:
            raise
        problem = error.message
    if image is not None:
        entry = entry or catalogue.release_of(image.parent or image.name, image.ami_id)
        families = image.supported_families
    else:
        families = frozenset(entry.families) if entry else None
    fits = {name: families is None or name.partition(".")[0] in families for name in config.instance_type}
    return Shown(region=config.region, entry=entry, image=image, fits=fits, problem=problem)


def _families(image: Image, newest: MachineImage | None) -> frozenset[str]:
    said = newest.supported_families if newest else None
    return frozenset(image.families) if said is None else said


def _drives(image: MachineImage, family: str) -> bool:
    return not family or image.supported_families is None or family in image.supported_families
