#!/usr/bin/env python3
"""Find a Terraform that is new enough on the PATH, or fetch the pinned release once and check its SHA-256.

Prints the path of the program. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MANUAL = "https://developer.hashicorp.com/terraform/install"
MINIMUM = (1, 11)  # the S3 backend's native lock file (use_lockfile) left its experimental state in 1.11.0
ATTEMPTS = 3
TIMEOUT_SECONDS = 30  # of silence, not in total
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release of Terraform: where it lies and what its archives must hash to."""

    version: str
    sha256: Mapping[str, str]
    base_url: str = "https://releases.hashicorp.com/terraform"

    def archive(self, platform_name: str) -> str:
        return f"terraform_{self.version}_{platform_name}.zip"

    def url(self, platform_name: str) -> str:
        return f"{self.base_url}/{self.version}/{self.archive(platform_name)}"


# Read on 2026-11-21 in two places that do not copy each other: HashiCorp's own tap (hashicorp/homebrew-tap on GitHub,
# Formula/terraform.rb at version 1.11.4), and for linux_amd64 the AUR package terraform-bin 1.11.4, for both darwin
# archives Yleisradio/homebrew-terraforms (Casks/terraform-1-11-4.rb), for linux_arm64 a Nix flake and a Python
# installer's table; that table's hash of the linux_amd64 program is the one of the Terraform that ran our tests.
PINNED = Release(
    version="1.11.4",
    sha256={
        "linux_amd64": "1ce994251c00281d6845f0f268637ba50c0005657eb3cf096b92f753b42ef4dc",
        "linux_arm64": "a43d1d0da9b9bab214a8305a39db0e40869572594ccf50c416a7756499143633",
        "darwin_amd64": "a56d5002b9f7647291faccc3dd1a70350e60fb61e4c45037629508b8fdc2575b",
        "darwin_arm64": "867e0808fa971217043e25b7a792b10720c79b1546f8a68479b74f138be73e18",
    },
)


@dataclass
class FetchError(Exception):
    """Terraform could not be brought here: what happened, then what to type."""

    message: str
    hint: str = field(default="")

    def __str__(self) -> str:
        return f"Error: {self.message}" + (f"\nHint: {self.hint}" if self.hint else "")


def main(arguments: list[str] | None = None) -> int:
    """Print the path of a usable Terraform; 1 when there is none and none can be fetched."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".cache/terraform"), help="where fetched releases are kept")
    parser.add_argument("--link", type=Path, help="folder on the PATH that gets a link to a fetched Terraform")
    parser.add_argument("--base-url", default=PINNED.base_url, help="another place with the same archives")
    options = parser.parse_args(arguments)
    release = Release(version=PINNED.version, sha256=PINNED.sha256, base_url=options.base_url.rstrip("/"))
    try:
        program = find_terraform() or fetch_terraform(release, cache=options.cache)
    except FetchError as error:
        print(error, file=sys.stderr)
        return 1
    if options.link and options.cache.resolve() in program.resolve().parents:
        link_program(program, options.link)
    print(program)
    return 0


def find_terraform() -> Path | None:
    """Return the Terraform on the PATH when it runs and is at least `MINIMUM`, else None."""
    program = shutil.which("terraform")
    version = read_version(program) if program else None
    return Path(program) if program and version and version >= MINIMUM else None


def read_version(program: str | Path) -> tuple[int, ...] | None:
    """Return (1, 11, 4) as the program itself reports it; None when it does not run or says nothing."""
    try:
        answer = subprocess.run(
            [str(program), "version", "-json"],
            capture_output=True,
            check=True,
            env=os.environ | {"CHECKPOINT_DISABLE": "1"},
            timeout=TIMEOUT_SECONDS,
        )
        numbers = re.match(r"\d+(\.\d+)*", json.loads(answer.stdout)["terraform_version"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
    return tuple(int(part) for part in numbers.group().split(".")) if numbers else None


def fetch_terraform(release: Release, *, cache: Path, platform_name: str | None = None) -> Path:
    """Return the program of `release` in `cache`, fetched and checked when it is not there. Raises FetchError.

    1. Nothing is unpacked whose SHA-256 is not the pinned one.
    2. The program appears in one step: an interrupted run leaves nothing that looks complete.
    3. An archive that the user put into `cache` by hand is used without asking the network.
    """
    platform_name = platform_name or name_platform()
    if platform_name not in release.sha256:
        raise FetchError(
            f"no Terraform is pinned for {platform_name}, only for {', '.join(sorted(release.sha256))}.",
            _by_hand("", cache),
        )
    program = cache / release.version / "terraform"
    if program.exists():
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    archive_name = release.archive(platform_name)
    with tempfile.TemporaryDirectory(dir=program.parent, prefix=".fetch-") as scratch:
        archive = cache / archive_name
        if not archive.exists():
            archive = Path(scratch) / archive_name
            print(f"Fetching Terraform {release.version} from {release.url(platform_name)}", file=sys.stderr)
            _download(release.url(platform_name), archive, by_hand=_by_hand(archive_name, cache))
        _check_sha256(archive, release.sha256[platform_name])
        _unpack(archive, program, Path(scratch))
    return program


def name_platform(system: str = "", machine: str = "") -> str:
    """Return HashiCorp's name for this machine, e.g. linux_amd64."""
    machine = (machine or platform.machine()).lower()
    architecture = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(machine, machine)
    return f"{(system or platform.system()).lower()}_{architecture}"


def link_program(program: Path, folder: Path) -> None:
    """Let `folder`/terraform point at `program`, replacing an older link."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".terraform-{os.getpid()}"
    temporary.symlink_to(program.resolve())
    temporary.replace(folder / "terraform")


def _by_hand(archive_name: str, cache: Path) -> str:
    hint = f"install Terraform 1.11 or newer yourself ({MANUAL}) and run this again"
    return hint + (f"; or put {archive_name} into {cache}/: its SHA-256 is checked there." if archive_name else ".")


def _download(url: str, target: Path, *, by_hand: str) -> None:
    reason: object = ""
    for _ in range(ATTEMPTS):
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer, target.open("wb") as file:  # noqa: S310
                shutil.copyfileobj(answer, file, CHUNK_BYTES)
                promised = int(answer.headers.get("Content-Length") or file.tell())
                if file.tell() == promised:
                    return
                reason = f"the connection ended after {file.tell()} of {promised} bytes"
        except urllib.error.HTTPError as error:
            raise FetchError(f"{url} answered {error.code} {error.reason}.", by_hand) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
    raise FetchError(f"{url} could not be fetched in {ATTEMPTS} attempts: {reason}.", by_hand)


def _check_sha256(archive: Path, wanted: str) -> None:
    digest = hashlib.sha256()
    with archive.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() != wanted:
        raise FetchError(
            f"the SHA-256 of {archive.name} is {digest.hexdigest()}, and HashiCorp released one with {wanted}.",
            f"something on the way changed it, a proxy perhaps. Remove {archive} if you put it there, and try from "
            f"another network; or install Terraform 1.11 or newer yourself ({MANUAL}).",
        )


def _unpack(archive: Path, program: Path, scratch: Path) -> None:
    unpacked = scratch / "terraform"
    with zipfile.ZipFile(archive) as bundle, bundle.open("terraform") as source, unpacked.open("wb") as file:
        shutil.copyfileobj(source, file, CHUNK_BYTES)
    unpacked.chmod(0o755)
    unpacked.replace(program)


if __name__ == "__main__":
    sys.exit(main())
