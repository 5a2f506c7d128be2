"""Images on S3 by hand: send what changed, and look at what is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from deployer import dataset
from deployer.aws.session import Session
from deployer.config import Config, DataConfig
from deployer.deployment import record
from deployer.deployment.reporter import Reporter, Step
from deployer.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What was sent where; `elsewhere` are files there that are not here."""

    destination: str
    images: int
    files: int
    sent: int
    sent_bytes: int
    elsewhere: tuple[str, ...] = ()


def push(config: Config, session: Session, reporter: Reporter, *, folder: Path | None, destination: str) -> Pushed:
    """Send the images and tables of a folder that are not there yet; where nothing is named, to the deployment."""
    if folder is not None:
        config = replace(config, data=DataConfig(path=str(folder.absolute())))
    elif config.data_bucket is not None:
        raise UsageError(
            f"[data] path is {config.data.path}: the images are on S3 already.",
            hint="Name the folder to send: deployer data push FOLDER s3://bucket/folder.",
        )
    bucket, prefix = split_url(destination) if destination else (record.read(config).bucket, "")
    with reporter.step("Reading the images") as step:
        found = dataset.scan(config, on_progress=lambda read, total: step.progress(read, total))
        step.say(f"{found.images:,} images, {found.size / 1e6:,.1f} MB")
    where = destination or f"s3://{bucket}"
    elsewhere: tuple[str, ...] = ()
    with reporter.step(f"Sending what {where} has not") as step:
        if not destination:
            uploaded = dataset.upload(session, bucket, found, on_progress=_bytes(step))
            sent, sent_bytes = uploaded.changed, uploaded.sent_bytes
        else:
            result = dataset.push(session, bucket, prefix, found, on_progress=_bytes(step))
            sent, sent_bytes, elsewhere = result.sent, result.sent_bytes, result.elsewhere
        step.say(f"{sent:,} of {len(found.files):,} files, {sent_bytes / 1e6:,.1f} MB")
    if elsewhere:
        shown = ", ".join(elsewhere[:3]) + (" ..." if len(elsewhere) > 3 else "")
        reporter.warn(f"{where} holds {len(elsewhere):,} files that are not here, and keeps them: {shown}")
    return Pushed(
        destination=where,
        images=found.images,
        files=len(found.files),
        sent=sent,
        sent_bytes=sent_bytes,
        elsewhere=elsewhere,
    )


def list_sets(config: Config, session: Session, where: str) -> list[dataset.ImageSet]:
    """Return the sets of images at a place on S3; where none is named, what the deployment's bucket was sent."""
    if where:
        return dataset.find_sets(session, *split_url(where))
    if config.data_bucket is not None:
        return dataset.find_sets(session, *config.data_bucket)
    bucket = record.read(config).bucket
    manifest = dataset.read_manifest(session, bucket)
    return [dataset.describe_manifest(f"s3://{bucket}", manifest)] if manifest.files else []


def split_url(url: str) -> tuple[str, str]:
    """Return bucket and prefix ("" or "folder/") of s3://bucket/folder."""
    bucket, _, folder = url.removeprefix("s3://").partition("/")
    return bucket, f"{folder.rstrip('/')}/" if folder.strip("/") else ""


def _bytes(step: Step) -> Callable[[int, int], None]:
    return lambda done, total: step.progress(done, total, "bytes")
