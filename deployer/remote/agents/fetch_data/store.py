"""The bucket: its manifest and the bytes of its shards, or its objects as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .words import Problem

MANIFEST_KEY = "data/manifest.json"
MANIFEST_VERSION = 1

MIB = 1024 * 1024


class Content:
    """Bytes in a shard, and the names of the files that they are."""

    def __init__(self, offset: int, size: int, digest: str, names: list[str]) -> None:
        self.offset, self.size, self.digest, self.names = offset, size, digest, names
        self.end = offset + size


class Object:
    """An image of the user's own bucket: `name` is its key behind the prefix, `modified_ns` nanoseconds since 1970."""

    def __init__(self, key: str, name: str, size: int, etag: str, modified_ns: int) -> None:
        self.key, self.name, self.size, self.etag, self.modified_ns = key, name, size, etag, modified_ns


class Cut(Exception):
    """The connection broke while an object was read."""


class Store:
    """The bucket, read with the role of this host."""

    def __init__(self, bucket: str, region: str, connections: int) -> None:
        import boto3
        from botocore.config import Config

        config = Config(
            retries={"mode": "standard", "max_attempts": 5},
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=connections,
        )
        self.bucket = bucket
        self.client: Any = boto3.client("s3", region_name=region, config=config)

    def read_manifest(self, *, unless: str) -> tuple[str, dict[str, list[Any]] | None]:
        """Return its ETag and {name: [size, sha256, shard, offset]}, or None while the ETag is still `unless`."""
        answer = self._get(MANIFEST_KEY, **({"IfNoneMatch": unless} if unless else {}))
        if answer is None:
            return unless, None
        try:
            content = json.loads(b"".join(iter(lambda: answer["Body"].read(MIB), b"")))
            files: dict[str, list[Any]] = {MANIFEST_VERSION: content["files"]}[content["version"]]
        except (ValueError, KeyError, TypeError) as error:
            where = f"s3://{self.bucket}/{MANIFEST_KEY}"
            raise Problem(
                "data", f"{where} is not a manifest that this version of deployer knows: {error!r}"
            ) from error
        return answer["ETag"], files

    def open_range(self, shard: str, start: int, end: int) -> Any:
        """Open the bytes of a shard from `start` up to `end`."""
        if start == end:
            return None  # one empty file: it has no bytes, and S3 has no empty ranges
        return self._get(f"data/shards/{shard}.tar", Range=f"bytes={start}-{end - 1}")["Body"]

    def list_objects(self, prefix: str) -> Iterator[Object]:
        """Yield the objects whose keys begin with the prefix."""
        with problems(f"s3://{self.bucket}/{prefix}", "listed"):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    modified_ns = int(item["LastModified"].timestamp()) * 10**9
                    yield Object(item["Key"], item["Key"][len(prefix) :], item["Size"], item["ETag"], modified_ns)

    def open_object(self, item: Object) -> Any:
        """Open an object as it was when it was listed."""
        return self._get(item.key, IfMatch=item.etag)["Body"]

    def _get(self, key: str, **options: str) -> Any:
        from botocore.exceptions import ClientError

        with problems(f"s3://{self.bucket}/{key}", "read"):
            try:
                return self.client.get_object(Bucket=self.bucket, Key=key, **options)
            except ClientError as error:
                if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 304:
                    return None
                raise


@contextmanager
def problems(where: str, done: str) -> Iterator[None]:
    """Turn what boto3 raises into a Problem that says what could not be done."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code") or error
        if code == "PreconditionFailed":
            raise Problem("data", f"{where} was changed while the images were fetched") from error
        raise Problem("aws", f"{where} cannot be {done}: {code}") from error
    except BotoCoreError as error:
        raise Problem("aws", f"{where} cannot be {done}: {error}") from error


def read(body: Any, size: int) -> bytes:
    """Return up to `size` bytes, at least one."""
    try:
        block: bytes = body.read(size)
    except Exception as error:  # urllib3, http.client and botocore each have a name of their own for it
        raise Cut(str(error)) from error
    if not block:
        raise Cut("it ended too early")
    return block


def skip(body: Any, size: int) -> None:
    """Read `size` bytes that nobody wants."""
    while size:
        size -= len(read(body, min(size, MIB)))
