"""What this machine remembers of a deployment, and the lock that keeps two commands from changing it at once."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from deployer.config import Config
from deployer.errors import Busy, NotDeployed
from deployer.remote.host import Host, write_atomically

FORMAT = 1
MARK = "changing"


@dataclass(frozen=True, kw_only=True)
class Node:
    """One instance of a deployment."""

    alias: str
    instance_id: str
    instance_type: str
    availability_zone: str
    public_ip: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """A deployment as `up` left it; `usd_per_hour` is all nodes with disks and addresses, or None."""

    name: str
    cloud: str
    region: str
    account: str
    bucket: str
    nodes: tuple[Node, ...]
    user: str
    pythons: tuple[str, ...]
    spot: bool
    usd_per_hour: float | None
    created: float  # Unix seconds
    max_hours: float
    gpu: str = ""
    project: str = ""
    format: int = FORMAT


def read(config: Config) -> Record:
    """Return the record of the deployment. Raises NotDeployed."""
    path = config.state_directory / "deployment.json"
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        nodes = tuple(Node(**node) for node in table.pop("nodes"))
        return Record(**table | {"nodes": nodes, "pythons": tuple(table["pythons"])})
    except FileNotFoundError:
        others = sorted(item.parent.name for item in config.state_directory.parent.glob("*/deployment.json"))
        known = f" Deployed here are: {', '.join(others)} (choose one with --name)." if others else ""
        where = "the local cloud" if config.cloud == "local" else "AWS"
        raise NotDeployed(
            f"{config.name!r} is not deployed on {where} from this folder.{known}", hint="Run `deployer up` first."
        ) from None
    except (ValueError, TypeError, KeyError) as error:
        raise NotDeployed(
            f"{path} is damaged: {error}.", hint="Run `deployer up` again: it looks at what exists and writes it anew."
        ) from error


def write(config: Config, record: Record) -> None:
    """Save the record atomically."""
    write_atomically(config.state_directory / "deployment.json", json.dumps(asdict(record), indent=2))


def node(record: Record, index: int) -> Node:
    """Return one of the instances, counted from 0. Raises NotDeployed."""
    if not 0 <= index < len(record.nodes):
        raise NotDeployed(f"There is no node {index}: {record.name!r} has {len(record.nodes)}, counted from 0.")
    return record.nodes[index]


def host(config: Config, record: Record, node: Node) -> Host:
    """Return how to reach a node."""
    return Host(
        alias=node.alias,
        address=node.public_ip,
        user=record.user,
        identity_file=config.state_directory / "id_ed25519",
        known_hosts=config.state_directory / "known_hosts",
        host_key_alias=node.instance_id,
        ssh_config=config.ssh_config,
    )


def prepare(config: Config) -> Path:
    """Make the deployment's folder, readable by its owner alone and unseen by git; return it."""
    root = config.project / ".deployer"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    root.chmod(0o700)
    ignore = root / ".gitignore"
    if not ignore.exists():
        ignore.write_text("# What this machine knows of its deployments: state, keys, addresses.\n*\n")
    folder = config.state_directory
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def deployment_id(config: Config) -> str:
    """Return the random id of this deployment, drawn by its first `up`."""
    path = prepare(config) / "id"
    if not path.exists():
        remember_id(config, secrets.token_hex(6))
    return path.read_text().strip()


def remember_id(config: Config, deployment_id: str) -> None:
    """Keep the id of this deployment."""
    (prepare(config) / "id").write_text(deployment_id)


def is_unfinished(config: Config) -> bool:
    """Say whether an earlier change never came to its end."""
    return (prepare(config) / MARK).exists()


@contextmanager
def unfinished(config: Config) -> Iterator[bool]:
    """Mark the deployment as being changed; yields whether an earlier change never came to its end.

    The mark stays when this block is left by an exception or never, and goes when it ends well.
    """
    mark = prepare(config) / MARK
    before = mark.exists()
    mark.touch()
    yield before
    mark.unlink(missing_ok=True)


@contextmanager
def exclusive(config: Config, command: str) -> Iterator[None]:
    """Hold the deployment for one command. Raises Busy, naming the holder, where another has it."""
    path = prepare(config) / "lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "another command"
            raise Busy(
                f"{holder} is working on deployment {config.name!r}.",
                hint="Wait until it has ended, or stop it with Ctrl-C where it runs.",
            ) from None
        file.truncate(0)
        file.write(f"`deployer {command}` (process {os.getpid()}, since {time.strftime('%H:%M:%S')})")
        file.flush()
        yield
        file.truncate(0)
