"""Images in a bucket, read where they are: listed once, fetched many at a time in the order they are used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from model.arguments import S3_SCHEME
from model.data.listing import Listing, Place
from model.data.sources import SHARD_SUFFIX, Entry, Source, are_shards, refuse_compressed
from model.errors import DataError
from model.storage.ahead import ReadAhead
from model.storage.client import Listed, find_bucket
from model.storage.fetching import CONNECTIONS, Fetcher

# Bodies that were fetched and wait to be decoded.
AHEAD_BYTES = 64 << 20


def open_bucket(where: str) -> Source:
    """Return the images or shards below s3://bucket/prefix; raises DataError, SourceGone, UsageError."""
    name, _, prefix = where.removeprefix(S3_SCHEME).partition("/")
    bucket = find_bucket(where, name)
    found = list(bucket.list(prefix))
    # `reef` is the folder reef/, or the one object of that name, and not reef-private/ beside it.
    folder = prefix and prefix.rstrip("/") + "/"
    inside = {
        item.key.removeprefix(folder): item for item in found if item.key.startswith(folder) and item.key != folder
    }
    alone = {item.key.rpartition("/")[2]: item for item in found if item.key == prefix and item.key != folder}
    objects = alone if prefix.endswith(SHARD_SUFFIX) and alone else inside
    if not objects:
        raise DataError(
            f"There is nothing in {where}.", hint=f"Look with `aws s3 ls s3://{name}/`, and correct --data."
        )
    refuse_compressed(list(objects), where)
    fetcher = Fetcher(bucket=bucket)
    if are_shards(list(objects)):
        from model.data.shards import ShardSource
        from model.data.tars import BucketTars

        return ShardSource(where, BucketTars(where, fetcher, objects))
    return BucketSource(where, fetcher, objects)


class BucketSource:
    """Single objects below a prefix."""

    def __init__(self, text: str, fetcher: Fetcher, objects: dict[str, Listed]) -> None:
        self.text = text
        self.folder: Path | None = None
        self._fetcher = fetcher
        self._objects = objects
        self._listing = Listing(text, objects, self.read)
        self._ahead: ReadAhead[str] = ReadAhead(
            self._fetch, lambda name: self._objects[name].size, threads=CONNECTIONS, max_bytes=AHEAD_BYTES
        )

    @property
    def root(self) -> Place:
        return self._listing.root

    def entries(self) -> tuple[Entry, ...]:
        return tuple(map(self.entry, self._objects))

    def entry(self, name: str) -> Entry:
        item = self._objects[name]
        return Entry(name=name, size=item.size, version=item.etag)

    def read(self, name: str) -> bytes:
        return self._ahead.take(name)

    def order(self, names: Sequence[str]) -> Sequence[str]:
        self._ahead.plan(names)
        return names

    def close(self) -> None:
        self._ahead.close()
        self._fetcher.close()

    def _fetch(self, name: str) -> bytes:
        item = self._objects[name]
        return self._fetcher.fetch(item.key, etag=item.etag)
