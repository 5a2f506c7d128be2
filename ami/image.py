"""What is known of a machine image before AWS is asked: its catalogue entry, or what its name alone tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

PYTORCH_PYTHON = "/opt/pytorch/bin/python"  # release notes of the PyTorch images, 2.6 to 2.12
VENV_PYTHON = "/opt/deployer/venv/bin/python"  # made at first boot, templates/first_boot.yaml.j2
SCRATCH = "/opt/dlami/nvme"  # the instance's own fast disk, where it has one; release notes, 2026-10

# docs.aws.amazon.com/dlami/latest/devguide/support-policy.html, 2026-11-20: the last day with patches.
SYSTEM_PATCHED_UNTIL = {
    "Amazon Linux 2023": date(2029, 6, 30),
    "Amazon Linux 2": date(2026, 6, 30),
    "Ubuntu 24.04": date(2029, 4, 30),
    "Ubuntu 22.04": date(2027, 4, 30),
    "Ubuntu 20.04": date(2025, 5, 31),
    "Ubuntu 18.04": date(2023, 5, 31),
}

# The same page and the framework support policy, 2026-11-20; those of 2.11 and 2.12 were not to be found.
PYTORCH_PATCHED_UNTIL = {
    "2.6": date(2026, 1, 29),
    "2.7": date(2026, 4, 23),
    "2.8": date(2026, 8, 6),
    "2.9": date(2026, 10, 15),
    "2.10": date(2027, 1, 21),
}

# On these the first boot can make an environment with PyTorch.
_BOOTSTRAPPED = ("Ubuntu 24.04", "Ubuntu 22.04")


@dataclass(frozen=True, kw_only=True)
class Image:
    """One Deep Learning AMI: where its newest id is found, and what a machine made from it is like.

    `ami_name` is its name in EC2 without the release; `families` are instance families, "g4dn". `driver` and `cuda` are
    versions, empty where no release note that was read states them. `ids` are those of an image that has one release.
    """

    name: str
    ami_name: str
    parameter: str = ""
    user: str
    python: str
    architectures: tuple[str, ...] = ("x86_64",)
    families: tuple[str, ...]
    driver: str = ""
    has_open_driver: bool = True
    cuda: str = ""
    scratch: str = SCRATCH
    ids: Mapping[str, str] = field(default_factory=dict, hash=False)
    source: str

    @property
    def has_torch(self) -> bool:
        """Whether PyTorch is on the image; where it is not, the first boot installs it if it can."""
        return self.python == PYTORCH_PYTHON

    @property
    def torch(self) -> str:
        """The version of PyTorch on the image; empty for a Base image."""
        return torch_version(self.ami_name)

    @property
    def patched_until(self) -> date | None:
        """The last day on which AWS patches it; None where that is not known."""
        return patched_until(self.ami_name)

    def is_release(self, name: str) -> bool:
        """Tell whether `name`, as EC2 has it, is a release of this image."""
        return (
            name == self.ami_name or re.fullmatch(re.escape(self.ami_name) + r" (\d{8}|Version .+)", name) is not None
        )


def system(name: str) -> str:
    """Return the operating system that the name of a Deep Learning AMI tells; empty where it tells none."""
    return next((known for known in SYSTEM_PATCHED_UNTIL if f"({known})" in name), "")


def torch_version(name: str) -> str:
    """Return the version of PyTorch that the name of a Deep Learning AMI tells; empty where it tells none."""
    found = re.search(r"PyTorch (\d+\.\d+)", name)
    return found[1] if found else ""


def patched_until(name: str) -> date | None:
    """Return the last day on which AWS patches the image of this name: its framework, or its system if that is sooner.

    >>> patched_until("Deep Learning Base AMI (Ubuntu 18.04) Version 31.0")
    datetime.date(2023, 5, 31)
    """
    ends = [SYSTEM_PATCHED_UNTIL.get(system(name)), PYTORCH_PATCHED_UNTIL.get(torch_version(name))]
    return min((end for end in ends if end), default=None)


def is_base(name: str) -> bool:
    """Tell whether a Deep Learning AMI is a Base image: the driver and CUDA, and no framework."""
    return name.startswith("Deep Learning Base ")


def interpreter(name: str) -> str:
    """Return the Python with PyTorch of an image that the catalogue does not have; empty where there can be none."""
    if not is_base(name):
        return PYTORCH_PYTHON  # an image of the user's own: most likely baked from the catalogue's first
    return VENV_PYTHON if system(name) in _BOOTSTRAPPED else ""
