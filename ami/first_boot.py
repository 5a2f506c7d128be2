"""What cloud-init does at the first boot: arm the shutdown that ends a forgotten machine, install what is missing."""

from __future__ import annotations

import math
from importlib import resources

from jinja2 import Environment, StrictUndefined

from ami.image import VENV_PYTHON

# Their wheels carry the CUDA runtime: of the image they need the driver only.
PACKAGES = ("torch", "torchvision")


def render(*, max_hours: float, python: str = "") -> str:
    """Return the user data of an instance that ends itself `max_hours` after its first boot.

    Where `python` is VENV_PYTHON, the image has no PyTorch, and an environment with torch and torchvision is made as
    well; with any other, nothing is installed. Nothing in it is secret: every process on the instance can read it.
    """
    seconds = math.ceil(max_hours * 3600)
    if seconds <= 0:
        raise ValueError(f"max_hours must be positive, not {max_hours}")
    template = resources.files("ami").joinpath("templates", "first_boot.yaml.j2").read_text(encoding="utf-8")
    # No escaping: the text becomes YAML and a shell script, never HTML.
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701
    return environment.from_string(template).render(
        seconds=seconds,
        minutes=math.ceil(seconds / 60),
        venv=python.removesuffix("/bin/python") if python == VENV_PYTHON else "",
        packages=" ".join(PACKAGES),
    )
