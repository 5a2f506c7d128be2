"""Which sets of images there are below a place on S3, told from the names of the objects and from their tables."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from deployer.aws import s3
from deployer.aws.s3 import S3Object
from deployer.aws.session import Session
from deployer.dataset.bucket import SHARD_SUFFIX
from deployer.dataset.folder import IMAGE_SUFFIXES, TABLE_SUFFIXES
from deployer.dataset.manifest import Manifest

INDEX_NAME = "index.json"  # beside shards, as `python -m model.data shard` writes it
LABEL_COLUMNS = ("label", "target", "class", "category")

Read = Callable[[str], bytes]


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """A set of images; `classes` is empty, and `images` None, where shards or tables do not tell."""

    url: str
    kind: str  # images or shards
    images: int | None
    classes: tuple[str, ...]
    size: int


def find_sets(session: Session, bucket: str, prefix: str) -> list[ImageSet]:
    """Return the sets below a prefix ("" or "folder/"), in the order of their names. Raises AwsError."""

    def read(key: str) -> bytes:
        return s3.get_bytes(session, bucket, key) or b""

    return group_sets(f"s3://{bucket}/", prefix, s3.list_objects(session, bucket, prefix), read)


def group_sets(root: str, prefix: str, objects: Iterable[S3Object], read: Read) -> list[ImageSet]:
    """Divide objects into sets: a folder with shards, one with a table, or one with a folder for each class."""
    seen = [item for item in objects if not any(part.startswith(".") for part in item.key.split("/"))]
    marked = {_parent(item.key) for item in seen if _suffix(item.key) in TABLE_SUFFIXES | {SHARD_SUFFIX}}
    sets: dict[str, list[S3Object]] = {}
    for item in seen:
        sets.setdefault(_find_home(_parent(item.key), prefix.rstrip("/"), marked), []).append(item)
    described = (_describe(root + home, items, read) for home, items in sorted(sets.items()))
    return [found for found in described if found is not None]


def describe_manifest(url: str, manifest: Manifest) -> ImageSet:
    """Return what was sent to a deployment's own bucket as a set."""
    names = [name for name in manifest.files if _suffix(name) in IMAGE_SUFFIXES]
    has_table = any(_suffix(name) in TABLE_SUFFIXES for name in manifest.files)
    return ImageSet(
        url=url,
        kind="images",
        images=len(names),
        classes=() if has_table else _name_folders(names),
        size=sum(item.size for item in manifest.files.values()),
    )


def _find_home(folder: str, top: str, marked: set[str]) -> str:
    """Return the folder of the set that what lies in `folder` belongs to."""
    above = [folder]
    while above[-1] != top and above[-1]:
        above.append(_parent(above[-1]))
    # Without a table or shards it is the folder of a class in the folder of its set, or images alone.
    return next((name for name in above if name in marked), above[min(1, len(above) - 1)])


def _describe(url: str, items: list[S3Object], read: Read) -> ImageSet | None:
    size = sum(item.size for item in items)
    if any(_suffix(item.key) == SHARD_SUFFIX for item in items):
        index = next((item.key for item in items if item.key.endswith(f"/{INDEX_NAME}") or item.key == INDEX_NAME), "")
        count, classes = _read_index(read(index)) if index else (None, ())
        return ImageSet(url=url, kind="shards", images=count, classes=classes, size=size)
    images = [item.key for item in items if _suffix(item.key) in IMAGE_SUFFIXES]
    if not images:
        return None
    tables = [item.key for item in items if _suffix(item.key) in TABLE_SUFFIXES]
    classes = _read_table(read(tables[0])) if tables else _name_folders(images)
    return ImageSet(url=url, kind="images", images=len(images), classes=classes, size=size)


def _name_folders(names: list[str]) -> tuple[str, ...]:
    """Return the folders that hold images, where there are several: each is a class."""
    folders = {_parent(name).rpartition("/")[2] for name in names}
    return tuple(sorted(folders)) if len(folders) > 1 else ()


def _read_index(document: bytes) -> tuple[int | None, tuple[str, ...]]:
    try:
        content = json.loads(document)
        return len(content["images"]), tuple(content["classes"])
    except (ValueError, KeyError, TypeError):
        return None, ()


def _read_table(document: bytes) -> tuple[str, ...]:
    text = document.decode("utf-8-sig", errors="replace")
    rows = list(csv.reader(io.StringIO(text), delimiter="\t" if "\t" in text.partition("\n")[0] else ","))
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    place = next((header.index(name) for name in LABEL_COLUMNS if name in header), None)
    if place is None:
        return ()
    return tuple(sorted({row[place].strip() for row in rows[1:] if len(row) > place} - {""}))


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _parent(name: str) -> str:
    return name.rpartition("/")[0]
