"""Images of our own: made from the machine of a deployment with the project's dependencies inside, and removed."""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ami import bake as recipe
from deployer import artifacts
from deployer.aws import ec2, own_images
from deployer.aws.images import MachineImage
from deployer.aws.own_images import BakedImage, Snapshot
from deployer.aws.session import Session
from deployer.config import Config
from deployer.deployment import record as records
from deployer.deployment.jobs import refuse_if_busy
from deployer.deployment.reach import make_reachable
from deployer.deployment.record import Node, Record
from deployer.deployment.reporter import Reporter
from deployer.errors import AwsError, ConfigError, DeployerError, JobError, NotDeployed, RemoteError
from deployer.remote import hostkeys, probe, ssh
from deployer.remote.job import Jobs

# CreateImage's own rule. docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html
NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")

# A first snapshot of 75 GiB takes a quarter of an hour; AWS promises nothing.
IMAGE_TIMEOUT_SECONDS = 3600
INSTALL_TIMEOUT_SECONDS = 3600
CLEAN_TIMEOUT_SECONDS = 600

_STILL_USABLE = "No image was made. The machine can be used as before; what it had in its home is gone."


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What `prune` removed."""

    images: tuple[BakedImage, ...]
    snapshots: tuple[Snapshot, ...]


def bake(config: Config, record: Record, session: Session, reporter: Reporter, *, name: str = "") -> MachineImage:
    """Make an image of the first node with the project's dependencies inside; return it when it can be launched.

    1. Nothing of the user's travels: no project, images, jobs, keys, histories; and not the machine's deadline.
    2. Jobs whose results are not home are not lost: JobError.
    3. When AWS refuses, the machine can still be logged in to. Otherwise it reboots, keeps its deadline and comes back.
    """
    name = _checked_name(name) or f"deployer-{config.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    requirements = dependencies(config.project)
    if own_images.is_taken(session, name):  # asked before the machine is touched
        raise ConfigError(
            f"There is an image {name!r} in {session.region} already.",
            hint="Choose another --name; `deployer ami list` shows what was baked, `deployer ami prune` removes it.",
        )
    node = record.nodes[0]
    parent = _parent(config, session, node)
    host = records.host(config, record, node)
    with closing(ssh.Connection(host)) as connection:
        with reporter.step(f"Connecting to {host.alias}"), Jobs(host) as jobs:
            connection.connect()
            _refuse_unfetched(config, jobs)
        with reporter.step("Installing the project's dependencies") as step:
            found = probe.probe(connection, pythons=record.pythons)
            if not found.python:
                raise RemoteError(f"No Python on {host} has torch and torchvision: {found.problem}.")
            connection.run(
                recipe.install_command(found.python),
                input="\n".join([*requirements, ""]).encode(),
                timeout_seconds=INSTALL_TIMEOUT_SECONDS,
            )
            step.say(f"{len(requirements)} requirements, on top of {found.python}")
        with _cleaned(connection, node, reporter):
            ami_id = own_images.create(
                session,
                node.instance_id,
                name=name,
                project=config.project.name,
                deployment=config.name,
                parent=parent,
                python=recipe.PYTHON,
            )
    made = _wait(config, session, ami_id, reporter)
    _come_back(config, record, session, reporter, node)
    return made


def dependencies(project: Path) -> tuple[str, ...]:
    """Return what the project needs, as pip takes it: requirements.txt with what it includes, else pyproject.toml."""
    file = project / "requirements.txt"
    if file.exists():
        return tuple(_lines(file, ()))
    try:
        table = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{project / 'pyproject.toml'} is not valid: {error}.") from error
    return tuple(str(item) for item in table.get("project", {}).get("dependencies", []))


def prune(session: Session, project: str, images: Sequence[BakedImage], reporter: Reporter) -> Pruned:
    """Deregister these images and delete their snapshots, also what an earlier attempt has left; return what went."""
    gone = {item.image.ami_id for item in images}
    with reporter.step("Removing images and their snapshots") as step:
        for number, item in enumerate(images, start=1):
            own_images.deregister(session, item.image.ami_id)
            step.progress(number, len(images), item.image.name)
        kept = {
            snapshot
            for item in own_images.baked(session, project)
            if item.image.ami_id not in gone
            for snapshot in item.snapshots
        }
        freed = tuple(item for item in own_images.snapshots(session, project) if item.id not in kept)
        held = [(snapshot, error) for snapshot in freed if (error := _delete(session, snapshot)) is not None]
    if held:
        snapshot, error = held[0]
        raise AwsError(
            f"{len(held)} of {len(freed)} snapshots were not deleted and still bill; {snapshot.id}: {error.message}",
            hint="`deployer ami prune` again removes them once nothing uses them: an image copied from ours may.",
            code=error.code,
            operation="ec2:DeleteSnapshot",
        ) from error
    return Pruned(images=tuple(images), snapshots=freed)


@contextmanager
def _cleaned(connection: ssh.Connection, node: Node, reporter: Reporter) -> Iterator[None]:
    """Take out what must not travel; where no image comes of it, put back what lets people in."""
    try:
        with reporter.step("Taking out what is this machine's own") as step:
            script = recipe.clean_script(node.instance_id).encode()
            answer = connection.run("sh -s", input=script, timeout_seconds=CLEAN_TIMEOUT_SECONDS)
            is_home = answer.text.rpartition("\n")[2] == "home"
            step.say("its home only: the system is not this machine's" if is_home else "home, keys, logs, deadline")
        yield
    except BaseException as error:
        with suppress(DeployerError):  # the road to the machine may be what failed
            connection.run("sh -s", input=recipe.undo_script(node.instance_id).encode(), check=False)
        if isinstance(error, DeployerError):
            error.hint = f"{error.hint} {_STILL_USABLE}".strip()
        raise


def _delete(session: Session, snapshot: Snapshot) -> AwsError | None:
    """Delete a snapshot; return why AWS does not, since the others shall go all the same."""
    try:
        own_images.delete_snapshot(session, snapshot.id)
    except AwsError as error:
        return error
    return None


def _checked_name(name: str) -> str:
    if name and not NAME.fullmatch(name):
        raise ConfigError(
            f"--name {name!r} cannot be the name of an image.",
            hint="Take 3 to 128 letters, digits, spaces and ( ) [ ] . / - ' @ _.",
        )
    return name


def _lines(file: Path, above: tuple[Path, ...]) -> list[str]:
    """Return the lines of a requirements file with those of the files that it includes in their place."""
    if file in above:
        raise ConfigError(f"{file} includes itself.")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}.") from error
    found: list[str] = []
    for line in text.splitlines():
        included = re.match(r"\s*(?:-r|--requirement)[ =]\s*(\S+)", line)
        if included:
            found += _lines(file.parent / included[1], (*above, file))
        elif line.strip() and not line.lstrip().startswith("#"):
            found.append(line)
    return found


def _parent(config: Config, session: Session, node: Node) -> MachineImage:
    running = [item.id for item in ec2.instances(session, config.name) if item.state == "running"]
    if node.instance_id not in running:
        raise NotDeployed(
            f"{node.instance_id} of {config.name!r} does not run, and an image is made of a running machine.",
            hint="Run `deployer up` first.",
        )
    return own_images.image_of(session, node.instance_id)


def _refuse_unfetched(config: Config, jobs: Jobs) -> None:
    """Raise JobError where a job runs, or has left results on the machine alone: they would not outlive the bake."""
    refuse_if_busy(jobs)
    for job in jobs.list():
        if not artifacts.is_fetched(config.runs_directory / job.job):
            raise JobError(
                f"The results of job {job.job} are on the machine only, and baking takes them away there.",
                hint=f"Run `deployer fetch {job.job}` first.",
            )


def _wait(config: Config, session: Session, ami_id: str, reporter: Reporter) -> MachineImage:
    """Wait until the image can be launched."""
    began, pause = time.monotonic(), 0.2
    with reporter.step(f"Waiting for {ami_id}") as step:
        while True:
            found = [item for item in own_images.baked(session, config.project.name) if item.image.ami_id == ami_id]
            state = found[0].state if found else "pending"
            if state == "available":
                step.say(f"{found[0].image.snapshot_gb} GiB")
                return found[0].image
            if state not in {"pending", "transient"}:
                raise AwsError(
                    f"AWS could not make the image {ami_id}: it is {state}.",
                    hint="`deployer ami prune` removes it; then try again.",
                )
            if time.monotonic() - began > IMAGE_TIMEOUT_SECONDS:
                raise AwsError(
                    f"{ami_id} is still {state} after {IMAGE_TIMEOUT_SECONDS // 60} minutes.",
                    hint="It goes on by itself: `deployer ami list` shows when it is available.",
                )
            step.say(f"{state}: AWS copies the disk")
            time.sleep(pause)
            pause = min(pause * 1.5, 15)


def _come_back(config: Config, record: Record, session: Session, reporter: Reporter, node: Node) -> None:
    """Meet the machine again after its reboot: it has new host keys, which its console shows."""
    hostkeys.forget(config.state_directory / "known_hosts", node.instance_id)
    try:
        make_reachable(config, record, session, reporter)
    except DeployerError as error:
        reporter.warn(
            f"The image is made, but the machine is not back yet: {error.message} `deployer up` waits for it."
        )
