"""The root module as it travels inside the package, and the backend that keeps its state."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from deployer.config import StateConfig


def module_files(module: Traversable) -> Iterator[tuple[str, str]]:
    """Yield (path, content) of every file of the root module and its modules, tests left out."""

    def walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
        for item in folder.iterdir():
            if item.is_dir() and item.name not in {"tests", "__pycache__", ".terraform"}:
                yield from walk(item, f"{prefix}{item.name}/")
            elif item.name.endswith(".tf"):
                yield prefix + item.name, item.read_text(encoding="utf-8")

    yield from walk(module, "")


def copy_module(module: Traversable, directory: Path) -> None:
    for old in directory.rglob("*.tf"):
        if ".terraform" not in old.parts:
            old.unlink()
    for name, content in module_files(module):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def backend_options(state: StateConfig, *, state_key: str, region: str) -> dict[str, Any]:
    if not state.bucket:
        return {}
    return {
        "bucket": state.bucket,
        "key": state.key or state_key,
        "region": state.region or region,
        "use_lockfile": True,
        "encrypt": True,
    }


def rescue_state(path: Path) -> None:
    """Put a damaged local state aside and take the one before it: Terraform writes in place, and may have been killed.

    What the older state does not know is found by its tag.
    """
    if not path.exists() or _is_json(path):
        return
    path.rename(path.with_name(f"{path.name}.damaged"))
    backup = path.with_name(f"{path.name}.backup")
    if _is_json(backup):
        shutil.copy2(backup, path)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return True
