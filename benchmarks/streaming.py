"""Pictures out of S3, whose first byte takes 20 ms: ours, one object at a time and in shards, against boto3."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measures import ROOT, Arms, NotHere, Setting, rate, row
from benchmarks.object_server import BUCKET
from benchmarks.pictures import write_pictures

LATENCY_MS = 20
# Of a small form: so long that neither the client's core nor other programs count.
QUICK_LATENCY_MS = 200
SIZES = ((256, 256),)
PER_SHARD = 500


@row("s3-objects", f"single objects of S3, {LATENCY_MS} ms to the first byte", at_least=20.0, quick=True)
def single_objects(setting: Setting) -> Iterator[Arms]:
    yield from compare(setting, prefix="photos", count=setting.choose(2000, 384))


@row("s3-shards", f"tar shards in S3, {LATENCY_MS} ms to the first byte", at_least=80.0, quick=True)
def shards(setting: Setting) -> Iterator[Arms]:
    yield from compare(setting, prefix="shards", count=setting.choose(5000, 1500))


def compare(setting: Setting, *, prefix: str, count: int) -> Iterator[Arms]:
    """Read all pictures below a prefix, and some of them with one thread of boto3, which is slow enough to tell."""
    try:
        import boto3
    except ImportError as error:
        raise NotHere("boto3 is not installed") from error
    from model.data.sources import open_source

    paths = write_pictures(setting.folder / "photos", count, sizes=SIZES)
    if prefix == "shards":
        write_shards(paths, setting.folder / "shards")
    with serve(setting.folder, latency_ms=setting.choose(LATENCY_MS, QUICK_LATENCY_MS)):
        client = boto3.client("s3")
        keys = [path.relative_to(setting.folder).as_posix() for path in paths[: setting.choose(200, 10)]]
        source = open_source(f"s3://{BUCKET}/{prefix}")
        names = [entry.name for entry in source.entries() if entry.name.endswith(".jpg")]

        def read_ours() -> None:
            for name in source.order(names):
                source.read(name)

        def read_by_boto3() -> None:
            for key in keys:
                client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

        yield Arms(
            "images/s",
            {"deployer": rate(len(names), read_ours), "boto3, one thread": rate(len(keys), read_by_boto3)},
        )
        source.close()


@contextmanager
def serve(folder: Path, *, latency_ms: int = LATENCY_MS) -> Iterator[None]:
    """Serve a folder as a bucket, from a process of its own, to which this process's environment leads."""
    command = [sys.executable, "-m", "benchmarks.object_server", str(folder), "--latency-ms", str(latency_ms)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None  # noqa: S101 - a pipe was asked for
    before = dict(os.environ)
    os.environ |= {
        "AWS_ENDPOINT_URL": server.stdout.readline().strip(),
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.terminate()
        server.wait()
        server.stdout.close()


def write_shards(paths: list[Path], folder: Path) -> None:
    """Write pictures into tars."""
    folder.mkdir()
    for first in range(0, len(paths), PER_SHARD):
        with tarfile.open(folder / f"{first:06}.tar", "w") as tar:
            for path in paths[first : first + PER_SHARD]:
                tar.add(path, arcname=path.name)
