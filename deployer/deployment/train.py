"""Train: code and data to the host, a job that outlives us, its log as it grows, its results home."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from deployer import artifacts, dataset
from deployer.aws.session import Session
from deployer.config import Config
from deployer.dataset.folder import IMAGE_SUFFIXES
from deployer.deployment import record as records
from deployer.deployment.jobs import choose, follow_job, refuse_if_busy
from deployer.deployment.presets import carry_preset
from deployer.deployment.record import Record
from deployer.deployment.reporter import Reporter, Step
from deployer.errors import ConfigError, DataError, Interrupted, JobError
from deployer.preflight.data import check_distance
from deployer.remote import probe, ssh, sync
from deployer.remote.job import DIRECTORY as JOBS
from deployer.remote.job import Jobs, JobSpec, JobState, JobStatus, new_job_id

# On the host.
PROJECT = "~/project"
LIBRARY = "~/.deployer/lib"
DATA = "~/.deployer/data"
ARGUMENTS = "DEPLOYER_ARGUMENTS"  # of the environment: what was typed, for the job that goes on
TRAIN, TUNE = "model.train", "model.tune"  # what a job runs: both have the same arguments, tune a few more
IMAGE_PATTERNS = tuple(f"*{suffix}" for suffix in sorted(IMAGE_SUFFIXES))

# The images of AWS have PyTorch, and not Optuna. The first word after it is the interpreter.
WITH_OPTUNA = (
    "/bin/bash",
    "-c",
    '"$1" -c "import optuna" 2>/dev/null || "$1" -m pip install --quiet --disable-pip-version-check optuna; exec "$@"',
    "bash",
)


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """How a job ended and where its results are; `detached` means that it still runs."""

    job: str
    status: JobStatus | None
    files: tuple[Path, ...] = ()
    folder: Path
    detached: bool = False
    seconds: float = 0.0


def train(
    config: Config,
    record: Record,
    session: Session,
    reporter: Reporter,
    *,
    arguments: Sequence[str] = (),
    detach: bool = False,
    resume: str | None = None,
    program: str = TRAIN,
) -> TrainResult:
    """Run one job on the first node and bring its results home.

    `resume` names the job whose checkpoints the new one goes on from, "" the latest one; without `arguments` of its own
    it has those of that job.

    Ctrl-C before the start changes nothing; after it, it detaches and the job goes on.
    """
    started = time.monotonic()
    if not config.train.command:
        arguments = carry_preset(arguments, Path.cwd())
        own = carry_preset(config.train.arguments, config.project)
        config = replace(config, train=replace(config.train, arguments=own))
    elif program == TUNE:
        raise ConfigError(
            f'`deployer tune` searches options of the built-in model, and [train] command is "{config.train.command}".',
            hint="Take the command out of deployer.toml, or search in your own program.",
        )
    host = records.host(config, record, record.nodes[0])
    images = _images(config, record, session, reporter)
    job = new_job_id(datetime.now(UTC))
    folder = config.runs_directory / job
    with closing(ssh.Connection(host)) as connection, Jobs(host) as jobs:
        with reporter.step("Connecting to " + host.alias):
            connection.connect()
            refuse_if_busy(jobs)
            earlier = None if resume is None else _choose_unfinished(jobs, resume)
            if earlier and not arguments:
                arguments = read_arguments(connection, earlier)
        facts, images = _prepare(config, record, session, connection, images, reporter)
        probe.require_gpu(facts, allow_cpu=config.allow_cpu)
        spec = job_spec(config, record, facts, images, job, arguments, is_resumed=bool(earlier), program=program)
        if earlier:
            spec = continue_from(spec, earlier, job)
        try:
            with reporter.step(f"Starting job {job}") as step:
                jobs.start(job, spec)
                typed = f"; {shlex.join(arguments)}" if earlier and arguments else ""
                step.say(_where(facts) + typed)
        except KeyboardInterrupt:
            raise Interrupted(
                f"Interrupted while job {job} was being started: it may run.", hint="`deployer status` knows."
            ) from None
        status = None if detach else follow_job(jobs, job, folder, reporter)
        if status is None:
            return TrainResult(job=job, status=None, folder=folder, detached=True)
        with reporter.step("Bringing the results home") as step:
            connection.connect()  # it may have been lost during the hours of training
            files = artifacts.fetch(connection, job, into=folder, on_progress=_bytes(step))
    return TrainResult(job=job, status=status, files=tuple(files), folder=folder, seconds=time.monotonic() - started)


def job_spec(
    config: Config,
    record: Record,
    facts: probe.HostFacts,
    images: dataset.Images | None,
    job: str,
    arguments: Sequence[str],
    *,
    is_resumed: bool = False,
    program: str = TRAIN,
) -> JobSpec:
    """Return what the host will run: the built-in model in the job's directory, or the user's command."""
    directory = f"{JOBS}/{job}"
    environment = {"PYTHONPATH": LIBRARY, "AWS_DEFAULT_REGION": record.region, ARGUMENTS: shlex.join(arguments)}
    arguments = [*(["--resume"] if is_resumed else []), *arguments]
    if record.usd_per_hour is not None:
        environment["DEPLOYER_USD_PER_HOUR"] = f"{record.usd_per_hour:.4f}"
    data = f"{DATA}/{images.folder}".rstrip("/") if images is not None else ""
    targets = f"{DATA}/{images.targets}" if images is not None and images.targets else ""
    if isinstance(images, dataset.BucketImages) and images.is_streamed:
        data, targets = images.url, images.targets
    elif data:
        environment["DEPLOYER_DATA_DIR"] = data
    if config.train.command:
        command = " ".join([config.train.command, *map(shlex.quote, arguments)])
        # The interpreter that passed the check comes first, so that a plain `python` has torch.
        path = f'export PATH={shlex.quote(str(Path(facts.python).parent))}:"$PATH"; '
        return JobSpec(argv=("/bin/bash", "-c", path + command), cwd=PROJECT, environment=environment)
    argv = [*WITH_OPTUNA, facts.python] if program == TUNE else [facts.python]
    argv += ["-m", program, "--data", data, "--output", f"{directory}/artifacts"]
    if targets:
        argv += ["--targets", targets]
    argv += ["--device", "cuda" if facts.cuda_device else "cpu"]
    return JobSpec(argv=(*argv, *config.train.arguments, *arguments), cwd=directory, environment=environment)


def _choose_unfinished(jobs: Jobs, wanted: str) -> str:
    found = choose(jobs, wanted)
    if found.state is JobState.SUCCEEDED:
        raise JobError(
            f"Job {found.job} has ended well; there is nothing to go on with.",
            hint="`deployer train` starts a new one.",
        )
    return found.job


def read_arguments(connection: ssh.Connection, job: str) -> tuple[str, ...]:
    """Return what was typed for an earlier job; a training goes on with the settings that it began with alone."""
    text = connection.run(f"cat {JOBS}/{job}/spec.json", check=False).text
    try:
        # From the bracket on: what a login shell prints on the way in is not the answer.
        return tuple(shlex.split(json.loads(text[text.find("{") :])["env"][ARGUMENTS]))
    except (ValueError, KeyError):
        return ()  # an earlier deployer did not keep them


def continue_from(spec: JobSpec, earlier: str, job: str) -> JobSpec:
    """Return the job that first takes over what an earlier one left; the earlier one stays as it is."""
    old = f"{JOBS}/{earlier}"
    script = (
        f'[ -n "$(ls {old}/checkpoints 2>/dev/null)" ] || '
        f'{{ echo "Error: job {earlier} left no checkpoint to go on from." >&2; exit 1; }}; '
        f'cp -a {old}/checkpoints {old}/artifacts {JOBS}/{job}/ && exec "$@"'
    )
    return replace(spec, argv=("/bin/bash", "-c", script, "bash", *spec.argv))


def _images(config: Config, record: Record, session: Session, reporter: Reporter) -> dataset.Images | None:
    """Return the images to send, or where they are on S3; the user's own command may do without any."""
    if config.data_bucket is not None:
        return _images_on_s3(config, record, session, reporter)
    with reporter.step("Reading the images") as step:
        try:
            found = dataset.scan(config)
        except DataError:
            if config.train.command:
                step.say("none here; the command does without")
                return None
            raise
        step.say(f"{found.images} images, {found.size / 1e6:.1f} MB")
        return found


def _images_on_s3(config: Config, record: Record, session: Session, reporter: Reporter) -> dataset.BucketImages:
    with reporter.step(f"Looking for the images in {config.data.path}") as step:
        found = dataset.locate(session, config)
        far = check_distance(found, record.region)
        if far is not None:
            raise DataError(far.message, hint=far.hint)
        if not found.denied:
            least = "" if found.is_complete else "at least "
            step.say(f"{least}{found.objects} files, {found.size / 1e6:.1f} MB")
    return dataset.BucketImages(
        bucket=found.bucket, prefix=found.prefix, region=record.region, targets=config.data.targets
    )


def _prepare(
    config: Config,
    record: Record,
    session: Session,
    connection: ssh.Connection,
    images: dataset.Images | None,
    reporter: Reporter,
) -> tuple[probe.HostFacts, dataset.Images | None]:
    """Send code and data and probe the host: three roads at once, since each waits for something else.

    Images on S3 are streamed by the job where it can (docs/decisions/0014), and brought to the host where it cannot.
    """
    with ThreadPoolExecutor(2) as pool:
        facts = pool.submit(probe.probe, connection, pythons=record.pythons)
        code = pool.submit(_send_code, config, connection, images)
        if isinstance(images, dataset.Dataset):
            with reporter.step("Sending the images to the bucket") as step:
                dataset.upload(session, record.bucket, images, on_progress=_bytes(step))
        with reporter.step("Sending the code and checking PyTorch on the host") as step:
            sent, bytes_sent, notes = code.result()
            found = facts.result()
            step.say(f"{sent} files, {bytes_sent / 1e3:.0f} kB; torch {found.torch}, torchvision {found.torchvision}")
    for note in notes:
        reporter.warn(note)
    python = found.python or "python3"
    if isinstance(images, dataset.BucketImages) and not config.train.command:
        with reporter.step(f"Looking whether the host can read {images.url}") as step:
            count = dataset.look_on_host(connection, python=python, images=images)
            step.say("it has no boto3" if count is None else f"{count} files, read while it trains")
        if count is not None:
            return found, replace(images, is_streamed=True)
    if images is not None:
        with reporter.step("Bringing the images from the bucket to the host") as step:
            result = _bring_images(record, connection, images, python, step)
            step.say(f"{result.fetched} of {result.files} files, {result.fetched_bytes / 1e6:.1f} MB")
    return found, images


def _bring_images(
    record: Record, connection: ssh.Connection, images: dataset.Images, python: str, step: Step
) -> dataset.DataResult:
    if isinstance(images, dataset.BucketImages):
        return dataset.mirror_on_host(
            connection, python=python, images=images, destination=DATA, on_progress=_bytes(step)
        )
    return dataset.fetch_on_host(
        connection,
        python=python,
        bucket=record.bucket,
        region=record.region,
        destination=DATA,
        on_progress=_bytes(step),
    )


def _send_code(
    config: Config, connection: ssh.Connection, images: dataset.Images | None
) -> tuple[int, int, tuple[str, ...]]:
    exclude = ["/runs/", "/.deployer/"]
    inside = config.data_directory.is_relative_to(config.project) and config.data_directory != config.project
    if images is not None:
        exclude += [f"/{_literal(config.data_directory.relative_to(config.project))}/"] if inside else IMAGE_PATTERNS
    project = sync.sync(connection, sync.scan(config.project, exclude=exclude), PROJECT)
    with resources.as_file(resources.files("model")) as folder:
        library = sync.sync(connection, sync.scan(folder, exclude=["__pycache__/"]), f"{LIBRARY}/model")
    return project.sent + library.sent, project.bytes_sent + library.bytes_sent, tuple(project.notes)


def _literal(path: Path) -> str:
    """Return a path as a pattern of .gitignore that means just this path."""
    return re.sub(r"([\\*?\[\]!# ])", r"\\\1", path.as_posix())


def _where(facts: probe.HostFacts) -> str:
    return f"on {facts.cuda_device}" if facts.cuda_device else "on the CPU (allow_cpu is set)"


def _bytes(step: Step) -> Callable[[int, int], None]:
    return lambda done, total: step.progress(done, total, "bytes")
