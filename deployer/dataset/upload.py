"""The way from here to the bucket."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass

from deployer.aws import s3
from deployer.aws.session import Session
from deployer.dataset.folder import Dataset
from deployer.dataset.manifest import Manifest, plan
from deployer.dataset.sending import send_all
from deployer.dataset.shards import Shard, ShardReader
from deployer.errors import DataError

MANIFEST_KEY = "data/manifest.json"
SHARDS_PREFIX = "data/shards/"

# Shards in flight: enough to fill a line with latency, few enough that an interrupted upload has finished most.
UPLOADS = 4
READ_BYTES = 1024**2


@dataclass(frozen=True, kw_only=True)
class UploadResult:
    """What an upload did; `sent_bytes` leaves out shards that an earlier, interrupted upload had completed."""

    manifest: Manifest
    changed: int
    removed: int
    sent_bytes: int


def read_manifest(session: Session, bucket: str) -> Manifest:
    """Return what the bucket holds; an empty manifest where nothing was ever uploaded."""
    document = s3.get_bytes(session, bucket, MANIFEST_KEY)
    return Manifest() if document is None else Manifest.from_json(document, source=f"s3://{bucket}/{MANIFEST_KEY}")


def upload(
    session: Session, bucket: str, dataset: Dataset, *, on_progress: Callable[[int, int], None] | None = None
) -> UploadResult:
    """Bring the bucket up to date: missing shards, several at once, then the manifest.

    `on_progress` gets bytes sent and bytes to send, from any thread. Stopped at any moment, the bucket still has its
    old manifest, and the next upload sends only what is not complete. Nothing is written when nothing changed.
    """
    todo = plan(dataset, read_manifest(session, bucket))
    missing: list[Shard] = []
    if todo.shards:
        there = {item.key: item.size for item in s3.list_objects(session, bucket, SHARDS_PREFIX)}
        missing = [shard for shard in todo.shards if there.get(_key(shard)) != shard.size]
        try:
            _send(session, bucket, missing, on_progress or (lambda _sent, _total: None))
        except DataError:
            # Perhaps a file was rewritten with its old time: the next scan must read it again.
            dataset.cache.unlink(missing_ok=True)
            raise
    if not todo.is_empty:
        s3.put_bytes(session, bucket, MANIFEST_KEY, todo.manifest.to_json(), content_type="application/json")
    return UploadResult(
        manifest=todo.manifest,
        changed=len(todo.changed),
        removed=len(todo.removed),
        sent_bytes=sum(shard.size for shard in missing),
    )


def _send(session: Session, bucket: str, shards: list[Shard], on_progress: Callable[[int, int], None]) -> None:
    def send(shard: Shard, stop: threading.Event, count: Callable[[int], None]) -> None:
        reader = ShardReader(shard, stop)
        try:
            with io.BufferedReader(reader, buffer_size=READ_BYTES) as stream:
                s3.upload_stream(session, bucket, _key(shard), stream, on_bytes=count)
        except Exception as error:
            raise reader.failure or error from error

    total = sum(shard.size for shard in shards)
    send_all(shards, send, total=total, threads=UPLOADS, on_progress=on_progress)


def _key(shard: Shard) -> str:
    return f"{SHARDS_PREFIX}{shard.id}.tar"
