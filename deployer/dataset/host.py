"""The way from the bucket to the host: the host reads it with its own role, we only watch."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deployer.dataset.bucket import SUFFIXES, BucketImages
from deployer.errors import RemoteError
from deployer.remote import agent
from deployer.remote.ssh import Connection

AGENT = "fetch_data"
EXIT_NO_BOTO3 = 3
INSTALL_SECONDS = 180

HINTS = {
    "aws": "The host reads with its own role: `deployer up` mends the role, `deployer train` sends the images.",
    "data": "Run `deployer train` again. If it stays, remove data/manifest.json from the bucket: then all is sent.",
    "disk": "Set root_volume_gb in deployer.toml higher, then `deployer down` and `deployer up`.",
}


@dataclass(frozen=True, kw_only=True)
class DataResult:
    """What the host has now: `files` in all, of which `fetched` with `fetched_bytes` had to come."""

    files: int
    fetched: int
    fetched_bytes: int
    removed: int


def fetch_on_host(
    connection: Connection,
    *,
    python: str,
    bucket: str,
    region: str,
    destination: str,
    on_progress: Callable[[int, int], None] | None = None,
) -> DataResult:
    """Bring the bucket's images to `destination` on the host ("~" is the home there); quick when nothing changed.

    `on_progress` gets bytes fetched and bytes to fetch. Where `python` has no boto3 it is installed for deployer alone,
    under ~/.deployer/boto3. Raises RemoteError with the reason: no access, no space, a damaged shard.
    """
    command = agent.prepare(connection, AGENT, bucket, region, destination, python=python)
    return _fetch(connection, python, command, HINTS, on_progress)


def mirror_on_host(
    connection: Connection,
    *,
    python: str,
    images: BucketImages,
    destination: str,
    on_progress: Callable[[int, int], None] | None = None,
) -> DataResult:
    """Bring the objects of the user's own bucket to `destination`, as `fetch_on_host` brings what was sent.

    Raises RemoteError: no access, no images there, no such targets file, no space.
    """
    command = agent.prepare(connection, AGENT, images.bucket, images.region, destination, *_what(images), python=python)
    return _fetch(connection, python, command, _hints(images), on_progress)


def look_on_host(connection: Connection, *, python: str, images: BucketImages) -> int | None:
    """Return how many objects a job can read where they are; None where its `python` has no boto3 to read them with.

    Raises RemoteError as `mirror_on_host` does: better now than in the job.
    """
    command = agent.prepare(
        connection, AGENT, images.bucket, images.region, ".", *_what(images), "--look", python=python
    )
    last, returncode = _watch(connection, command, lambda _fetched, _total: None)
    return None if returncode == EXIT_NO_BOTO3 else _read_result(connection, last, returncode, _hints(images)).files


def _what(images: BucketImages) -> tuple[str, ...]:
    return f"--prefix={images.prefix}", f"--suffixes={','.join(sorted(SUFFIXES))}", f"--table={images.targets}"


def _hints(images: BucketImages) -> Mapping[str, str]:
    access = (
        f"`deployer up` gives the host's role the right to read {images.url}. Where it has: the bucket's own policy, "
        "its KMS key or an archive class (Glacier) can refuse it still."
    )
    data = f"Look with `aws s3 ls {images.url}`, and correct [data] in deployer.toml; then run `deployer train` again."
    return {**HINTS, "aws": access, "data": data}


def _fetch(
    connection: Connection,
    python: str,
    command: str,
    hints: Mapping[str, str],
    on_progress: Callable[[int, int], None] | None,
) -> DataResult:
    """Run the agent, with boto3 installed for it where there is none; raise what it says."""
    last, returncode = _watch(connection, command, on_progress or (lambda _fetched, _total: None))
    if returncode == EXIT_NO_BOTO3:
        _install_boto3(connection, python)
        last, returncode = _watch(connection, command, on_progress or (lambda _fetched, _total: None))
    return _read_result(connection, last, returncode, hints)


def _read_result(
    connection: Connection, last: Mapping[str, Any], returncode: int, hints: Mapping[str, str]
) -> DataResult:
    if returncode or last.get("event") != "done":
        said = last.get("message") or f"it ended with exit code {returncode}"
        hint = hints.get(str(last.get("kind")), "")
        raise RemoteError(f"{connection.host} could not fetch the images: {said}.", hint=hint)
    return DataResult(
        files=last["files"], fetched=last["fetched"], fetched_bytes=last["fetched_bytes"], removed=last["removed"]
    )


def _watch(connection: Connection, command: str, on_progress: Callable[[int, int], None]) -> tuple[dict[str, Any], int]:
    """Run the agent; return its last word and its exit code."""
    last: dict[str, Any] = {}
    with connection.open(command) as stream:
        stream.close_input()
        for line in stream.lines():
            # What a login shell prints on the way in is none of the agent's.
            last = json.loads(line) if line.startswith(b"{") else last
            if last.get("event") == "progress":
                on_progress(last["bytes"], last["total_bytes"])
        completed = stream.finish(check=False)
    if completed.returncode and "message" not in last:
        words = completed.stderr.decode(errors="replace").strip().splitlines()
        last = {"event": "error", "message": words[-1] if words else ""}
    return last, completed.returncode


def _install_boto3(connection: Connection, python: str) -> None:
    command = f'{shlex.quote(python)} -m pip install --quiet --target "$HOME/.deployer/boto3" boto3'
    installed = connection.run(command, timeout_seconds=INSTALL_SECONDS, check=False)
    if installed.returncode:
        words = installed.stderr.decode(errors="replace").strip().splitlines()
        raise RemoteError(
            f"{python} on {connection.host} has no boto3, and it could not be installed: {words[-1] if words else ''}",
            hint=f"Use a Deep Learning AMI, or install it there: `deployer ssh -- {command}`.",
        )
