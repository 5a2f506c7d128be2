"""Is there an image, and does it boot and drive the GPU of the type?"""

from __future__ import annotations

from deployer.aws.images import NOT_FOUND_CODES
from deployer.facts import Facts, Unknown
from deployer.preflight.findings import Finding, Level


def check_image(facts: Facts, name: str) -> list[Finding]:
    """Is there an image, and does it boot and drive the GPU of this type?"""
    image = facts.images.get(name, Unknown("not asked"))

    def refuse(message: str, hint: str) -> list[Finding]:
        return [Finding("image", Level.ERROR, message, hint, name)]

    if isinstance(image, Unknown):
        error = image.error
        if error is not None and error.code in NOT_FOUND_CODES:
            return refuse(error.message, error.hint or 'Leave ami empty, or set it to an "ami-…" of this region.')
        # Without the id of an image there is nothing to launch: the one unknown that is a no.
        permission = f"Allow {image.permission}" if image.permission else "Try again"
        return refuse(f"No image could be found for {name}: {image.reason}", f'{permission}, or set ami = "ami-…".')
    hardware = None if isinstance(facts.types, Unknown) else facts.types.get(name)
    shown = f"{image.ami_id} ({image.name})"
    another = "Leave ami empty to get the image that fits."
    if hardware is not None and hardware.architecture != image.architecture:
        return refuse(f"{shown} is {image.architecture}, and {name} is {hardware.architecture}.", another)
    families, family = image.supported_families, name.split(".")[0]
    if hardware is not None and hardware.has_gpu and families is not None and family not in families:
        listed = ", ".join(sorted(families))
        return refuse(f"{shown} has no driver for {family}; it supports {listed}.", another)
    size = facts.config.root_volume_gb
    if 0 < size < image.snapshot_gb:
        return refuse(
            f"root_volume_gb = {size} is too small: {shown} needs {image.snapshot_gb} GiB.",
            f"Set root_volume_gb to at least {image.snapshot_gb}, or 0.",
        )
    return [Finding("image", Level.OK, f"{shown} fits {name}", "", name)]
