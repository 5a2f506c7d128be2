"""Is there an image, and does it boot, drive the GPU of the type, and bring PyTorch?"""

from __future__ import annotations

from datetime import UTC, date, datetime

from ami import catalogue
from ami.image import SYSTEM_PATCHED_UNTIL, system, torch_version
from deployer.aws.ec2 import InstanceType
from deployer.aws.images import NOT_FOUND_CODES, MachineImage
from deployer.facts import Facts, Unknown
from deployer.preflight.findings import Finding, Level, allow

LIST = "`deployer ami list` shows every image."


def check_image(facts: Facts, name: str, *, today: date | None = None) -> list[Finding]:
    """Is there an image, and does it boot, drive the GPU of this type, and bring PyTorch?"""
    image = facts.images.get(name, Unknown("not asked"))

    def refuse(message: str, hint: str) -> list[Finding]:
        return [Finding("image", Level.ERROR, message, hint, name)]

    if isinstance(image, Unknown):
        error = image.error
        if error is not None and error.code in NOT_FOUND_CODES:
            return refuse(error.message, error.hint or f"Leave ami empty, or set it to one of this region. {LIST}")
        # Without the id of an image there is nothing to launch: the one unknown that is a no.
        hint = allow(image.permission, image.reason) or (error.hint if error else "") or "Try again."
        return refuse(f"No image could be found for {name}: {image.reason}", hint)
    old = _out_of_support(image, name, today)
    hardware = None if isinstance(facts.types, Unknown) else facts.types.get(name)
    against = _against(image, name, hardware, facts.config.root_volume_gb)
    if against:
        return [*old, *refuse(*against)]
    origin = f", baked for this project from {image.parent}" if image.project else ""
    return [*old, Finding("image", Level.OK, f"{_shown(image)} fits {name}{origin}", "", name)]


def check_configured_image(facts: Facts, name: str, *, today: date | None = None) -> list[Finding]:
    """Is the image of `ami` any good, where the type `name` that it was meant for is not? Nothing where none is set.

    Says what is wrong with the image itself, so that the two need not be found out one after the other.
    """
    image = facts.configured_image
    if not facts.config.ami or (isinstance(image, Unknown) and image.error is None):
        return []
    if isinstance(image, Unknown):
        error = image.error
        hint = error.hint if error else ""
        return [Finding("image", Level.ERROR, image.reason, hint or f"Leave ami empty. {LIST}", name)]
    old = _out_of_support(image, name, today)
    size = facts.config.root_volume_gb
    against = _without_torch(image, name) or _too_small(image, size) or _old_driver(image, name)
    return [*old, Finding("image", Level.ERROR, *against, name)] if against else old


def _against(
    image: MachineImage, name: str, hardware: InstanceType | None, root_volume_gb: int
) -> tuple[str, str] | None:
    """Return what keeps the image from being launched as this type, and what to take instead."""
    shown, family = _shown(image), name.split(".")[0]
    if hardware is not None and hardware.architecture != image.architecture:
        message = f"{shown} is {image.architecture}, and {name} is {hardware.architecture}."
        return message, _instead(name, hardware.architecture)
    families = image.supported_families
    if hardware is not None and hardware.has_gpu and families is not None and family not in families:
        listed = ", ".join(sorted(families))
        return f"{shown} has no driver for {family}; it supports {listed}.", _instead(name, image.architecture)
    return _without_torch(image, name) or _too_small(image, root_volume_gb)


def _without_torch(image: MachineImage, name: str) -> tuple[str, str] | None:
    if image.python:
        return None
    where = system(image.name) or "its system"
    driver = f" Its driver {image.driver} is for {_families(image)} only." if image.driver else ""
    message = (
        f"{_shown(image)} is a Base image without PyTorch, and the first boot cannot install it on {where}.{driver}"
    )
    return message, _instead(name, image.architecture)


def _too_small(image: MachineImage, root_volume_gb: int) -> tuple[str, str] | None:
    if not 0 < root_volume_gb < image.snapshot_gb:
        return None
    return (
        f"root_volume_gb = {root_volume_gb} is too small: {_shown(image)} needs {image.snapshot_gb} GiB.",
        f"Set root_volume_gb to at least {image.snapshot_gb}, or 0.",
    )


def _old_driver(image: MachineImage, name: str) -> tuple[str, str] | None:
    """Return what is wrong with a driver for GPUs that AWS has withdrawn only."""
    families = image.supported_families
    if families is None or not families <= set(catalogue.PROPRIETARY_DRIVER):
        return None
    message = f"{_shown(image)} has a driver for {_families(image)} only, which AWS has withdrawn."
    return message, _instead(name, image.architecture)


def _out_of_support(image: MachineImage, name: str, today: date | None) -> list[Finding]:
    """Warn of an image that gets no patches any more."""
    end = image.patched_until
    if end is None or (today or datetime.now(UTC).date()) <= end:
        return []
    origin = image.parent or image.name
    by_system = SYSTEM_PATCHED_UNTIL.get(system(origin)) == end
    what = system(origin) if by_system else f"PyTorch {torch_version(origin)}"
    hint = _instead(name, image.architecture)
    if image.project:
        hint = "Bake anew on a newer one: `deployer down`, `deployer ami prune`, `deployer up`, `deployer ami bake`."
    message = f"{_shown(image)} is past its support: AWS patched {what} until {end}."
    return [Finding("image", Level.WARNING, message, hint, name)]


def _instead(name: str, architecture: str) -> str:
    """Return which image to take for a type; for one that no image drives, what today's images drive."""
    fitting = catalogue.images_for(name, architecture)
    family = name.split(".")[0]
    if fitting:
        for_type = name if family in fitting[0].families else "this type"
        return f'Leave ami empty, or set ami = "{fitting[0].name}", which fits {for_type}. {LIST}'
    first = catalogue.CATALOGUE[0]
    return f'Leave ami empty, or set ami = "{first.name}" with a type that it drives: {", ".join(first.families)}.'


def _families(image: MachineImage) -> str:
    return ", ".join(sorted(image.supported_families or ())) or "GPUs that AWS has withdrawn"


def _shown(image: MachineImage) -> str:
    return f"{image.ami_id} ({image.name})"
