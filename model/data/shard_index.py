"""index.json beside shards: which bytes of which tar are which image, its label, and how to tell that it is whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from model.errors import DataError

INDEX_NAME = "index.json"
INDEX_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Indexed:
    """An image in a shard: its bytes are `size` from `start` on in `tar`, and their CRC-32 is `crc32`."""

    tar: str
    start: int
    size: int
    crc32: int
    name: str
    label: str
    group: str


def write_index(images: Mapping[str, Indexed], sizes: Mapping[str, int]) -> bytes:
    """Return the document: `images` by their keys, in the order of the data set, and the bytes of each shard."""
    rows = [[key, i.tar, i.start, i.size, i.crc32, i.name, i.label, i.group] for key, i in images.items()]
    classes = sorted({image.label for image in images.values()})
    content = {"version": INDEX_VERSION, "classes": classes, "shards": dict(sizes), "images": rows}
    return json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()


def read_index(document: bytes, where: str, sizes: Mapping[str, int]) -> dict[str, Indexed]:
    """Return the images by their keys; raises DataError where a shard is missing or has another size than was written.

    An index.json of somebody else's is none of ours, and says nothing.
    """
    try:
        content = json.loads(document)
        rows, shards = content["images"], content["shards"]
        if content["version"] != INDEX_VERSION:
            return {}
        images = {
            key: Indexed(tar=tar, start=start, size=size, crc32=crc32, name=name, label=label, group=group)
            for key, tar, start, size, crc32, name, label, group in rows
        }
    except (ValueError, KeyError, TypeError):
        return {}
    for shard, size in shards.items():
        if shard not in sizes:
            raise DataError(f"The shard {shard} is missing in {where}.", hint="Write or fetch it again.")
        if sizes[shard] != size:
            what = "cut off" if sizes[shard] < size else "not the one that was written"
            raise DataError(
                f"The shard {shard} in {where} is {what}: it has {sizes[shard]:,} bytes, and {size:,} were written.",
                hint="Write or fetch it again.",
            )
    return images
