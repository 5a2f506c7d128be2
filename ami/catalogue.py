"""Which Deep Learning AMI fits which instance type: data, in the order in which to try it.

AWS publishes the id of each image's newest release as a public SSM parameter. A parameter that names a PyTorch version
can vanish from a region, so every machine has several candidates; the last are Base images, which outlive frameworks.
What an image supports stands in the end in its own description; `families` is what the release notes said.
"""

from __future__ import annotations

import difflib

from ami.image import PYTORCH_PYTHON, VENV_PYTHON, Image
from ami.past import PAST

__all__ = [
    "CATALOGUE",
    "PAST",
    "PYTORCH_PYTHON",
    "VENV_PYTHON",
    "Image",
    "UnknownImage",
    "images_for",
    "named",
    "release_of",
]


class UnknownImage(LookupError):
    """The catalogue has no image of this name; `hint` says which one may be meant."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no image {name!r} in the catalogue.")
        names = [image.name for image in CATALOGUE]
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        self.hint = f'Did you mean "{close[0]}"?' if close else "Known are: " + ", ".join(names) + "."


def images_for(instance_type: str, architecture: str = "x86_64") -> tuple[Image, ...]:
    """Return the images to try for `instance_type`, those that are known to support its family first.

    A family that no release note knows (a newer GPU; a CPU type, for a trial run) gets them in the order of the
    catalogue. Empty for a family that needs the proprietary driver: no supported image has it any more.
    """
    family = instance_type.partition(".")[0]
    if family in PROPRIETARY_DRIVER:
        return ()
    if family in ARM64_FAMILIES:
        architecture = "arm64"
    candidates = [image for image in CATALOGUE if architecture in image.architectures]
    return tuple(sorted(candidates, key=lambda image: family not in image.families))


def named(name: str) -> Image:
    """Return the image of this name, also one that is past. Raises UnknownImage."""
    for image in (*CATALOGUE, *PAST):
        if image.name == name:
            return image
    raise UnknownImage(name)


def release_of(ami_name: str, ami_id: str = "") -> Image | None:
    """Return the entry of which EC2's `ami_name` is a release, or that had this id; None for any other image."""
    known = (*CATALOGUE, *PAST)
    by_id = (image for image in known if ami_id and ami_id in image.ids.values())
    return next(by_id, None) or next((image for image in known if image.is_release(ami_name)), None)


ARM64_FAMILIES = ("g5g",)

# The open kernel modules begin with Turing (g4dn, g5g). The images with the proprietary driver were built on Amazon
# Linux 2, which ended on 2026-06-30. docs.aws.amazon.com/dlami/latest/devguide/important-changes.html, 2026-11-20
PROPRIETARY_DRIVER = ("g2", "g3", "g3s", "p2", "p3", "p3dn")

# Release notes of the PyTorch 2.9 image on Ubuntu 24.04, 2026-03: neither g7, g7e and p6-b300 nor g6f and gr6f.
_PYTORCH_FAMILIES = ("g4dn", "g5", "g6", "gr6", "g6e", "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200")

# Description of the Base image on Ubuntu 24.04, and release notes of 2026-07-17.
_BASE_FAMILIES = (*_PYTORCH_FAMILIES, "g7", "g7e", "p6-b300")

_X86 = "/aws/service/deeplearning/ami/x86_64"
_ARM = "/aws/service/deeplearning/ami/arm64"

CATALOGUE: tuple[Image, ...] = (
    Image(
        name="pytorch-2.10-ubuntu-24.04",
        ami_name="Deep Learning OSS Nvidia Driver AMI GPU PyTorch 2.10 (Ubuntu 24.04)",
        parameter=f"{_X86}/oss-nvidia-driver-gpu-pytorch-2.10-ubuntu-24.04/latest/ami-id",
        user="ubuntu",
        python=PYTORCH_PYTHON,
        families=_PYTORCH_FAMILIES,
        source="DLAMI release notes; AWS framework support policy, 2026-11-20",
    ),
    Image(
        name="pytorch-2.9-ubuntu-24.04",
        ami_name="Deep Learning OSS Nvidia Driver AMI GPU PyTorch 2.9 (Ubuntu 24.04)",
        parameter=f"{_X86}/oss-nvidia-driver-gpu-pytorch-2.9-ubuntu-24.04/latest/ami-id",
        user="ubuntu",
        python=PYTORCH_PYTHON,
        families=_PYTORCH_FAMILIES,
        driver="580.126.09",
        source="DLAMI release notes, 2026-03",
    ),
    Image(
        name="pytorch-2.8-ubuntu-24.04",
        ami_name="Deep Learning OSS Nvidia Driver AMI GPU PyTorch 2.8 (Ubuntu 24.04)",
        parameter=f"{_X86}/oss-nvidia-driver-gpu-pytorch-2.8-ubuntu-24.04/latest/ami-id",
        user="ubuntu",
        python=PYTORCH_PYTHON,
        families=_PYTORCH_FAMILIES,
        source="working public code, 2026-11-20",
    ),
    Image(
        name="base-ubuntu-24.04",
        ami_name="Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04)",
        parameter=f"{_X86}/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id",
        user="ubuntu",
        python=VENV_PYTHON,
        families=_BASE_FAMILIES,
        source="its own description; DLAMI release notes, 2026-07-17",
    ),
    Image(
        name="base-ubuntu-22.04",
        ami_name="Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 22.04)",
        parameter=f"{_X86}/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id",
        user="ubuntu",
        python=VENV_PYTHON,
        families=_BASE_FAMILIES,
        source="its own description, 2026-11-20",
    ),
    Image(
        name="pytorch-2.12-amazon-linux-2023",
        ami_name="Deep Learning OSS Nvidia Driver AMI GPU PyTorch 2.12 (Amazon Linux 2023)",
        # Follows AWS's naming rule; not seen in anybody's working code.
        parameter=f"{_X86}/oss-nvidia-driver-gpu-pytorch-2.12-amazon-linux-2023/latest/ami-id",
        user="ec2-user",
        python=PYTORCH_PYTHON,
        families=(*_PYTORCH_FAMILIES, "g6f", "gr6f"),
        source="DLAMI release notes, 2026-10-05: the one image that names the fractional g6f and gr6f",
    ),
    Image(
        name="pytorch-2.12-ubuntu-24.04-arm64",
        ami_name="Deep Learning ARM64 AMI OSS Nvidia Driver GPU PyTorch 2.12 (Ubuntu 24.04)",
        parameter=f"{_ARM}/oss-nvidia-driver-gpu-pytorch-2.12-ubuntu-24.04/latest/ami-id",
        user="ubuntu",
        python=PYTORCH_PYTHON,
        architectures=("arm64",),
        families=ARM64_FAMILIES,
        source="public code that launches g5g from it, 2026-11-20",
    ),
    Image(
        name="pytorch-2.7-ubuntu-22.04-arm64",
        ami_name="Deep Learning ARM64 AMI OSS Nvidia Driver GPU PyTorch 2.7 (Ubuntu 22.04)",
        parameter=f"{_ARM}/oss-nvidia-driver-gpu-pytorch-2.7-ubuntu-22.04/latest/ami-id",
        user="ubuntu",
        python=PYTORCH_PYTHON,
        architectures=("arm64",),
        families=ARM64_FAMILIES,
        source="public code that launches g5g from it, 2026-11-20",
    ),
)
