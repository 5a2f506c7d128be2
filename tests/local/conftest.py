"""Project folders on the local cloud, driven as a user drives them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from local_shell import Shell, draw_images


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A folder of images with a deployer.toml; whatever happens, its local cloud is stopped at the end."""
    folder = tmp_path_factory.mktemp("my project")
    draw_images(folder)
    made = Shell(folder)
    made("--name", "fish", "init")
    yield made
    made("local", "stop", expect=None)
