"""Which Terraform runs, and in what environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from deployer.errors import MissingDependency

MINIMUM_VERSION = (1, 11)  # S3-native state locking is stable from 1.11.0 (2025-02-27)


def find_binary() -> str:
    """Return the path of a Terraform that is new enough, on the PATH or beside this Python."""
    beside = Path(sys.executable).with_name("terraform")
    found = [path for path in (shutil.which("terraform"), str(beside) if beside.exists() else None) if path]
    if not found:
        raise MissingDependency(
            "Terraform is not installed: there is no `terraform` on the PATH.",
            hint="`make install` fetches it, or see https://developer.hashicorp.com/terraform/install.",
        )
    versions = [(path, _version(path)) for path in found]
    for path, version in versions:
        if version >= MINIMUM_VERSION:
            return path
    path, version = versions[0]
    wanted = ".".join(map(str, MINIMUM_VERSION))
    shown = ".".join(map(str, version))
    if not shown:
        raise MissingDependency(
            f"{path} does not say its version: it is no working Terraform.",
            hint="`make install` fetches one, or see https://developer.hashicorp.com/terraform/install.",
        )
    raise MissingDependency(
        f"Terraform {shown} at {path} is too old: {wanted} or newer is needed.",
        hint="`make install` fetches one, or see https://developer.hashicorp.com/terraform/install.",
    )


def environment() -> dict[str, str]:
    """Return the caller's environment without what would change our command lines, with a provider cache."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("TF_CLI_ARGS", "TF_VAR_")) and key not in {"TF_WORKSPACE", "TF_DATA_DIR"}
    }
    cache = Path(kept.setdefault("TF_PLUGIN_CACHE_DIR", str(Path.home() / ".cache" / "deployer" / "terraform-plugins")))
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        del kept["TF_PLUGIN_CACHE_DIR"]
    # They live for seconds: collecting garbage less often costs 50 MB and saves a fifth of the CPU (2026-11).
    kept.setdefault("GOGC", "400")
    # Without a lock file Terraform would not trust the cache and fetch 150 MB for every deployment.
    kept["TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE"] = "1"
    return kept | {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}


_versions: dict[str, tuple[int, ...]] = {}


def _version(path: str) -> tuple[int, ...]:
    if path not in _versions:
        try:
            done = subprocess.run(
                [path, "version", "-json"], capture_output=True, text=True, timeout=30, env=environment()
            )
            text = json.loads(done.stdout)["terraform_version"].partition("-")[0]
            _versions[path] = tuple(int(part) for part in text.split("."))
        except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
            _versions[path] = ()
    return _versions[path]
