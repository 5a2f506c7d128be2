"""`python -m model.data shard`: labelled images packed into tars in WebDataset's layout, with an index beside them.

Each image is three files of one key, its place in the data set: `000000017.jpg` as it was, `000000017.cls` with the
number of its class, and `000000017.json` with its name, label and group. The same images make the same tars.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from model.console import count, list_names, warn
from model.data.formats import is_image_name
from model.data.labelled import BadFile, LabelledImages, Sample
from model.data.shard_index import INDEX_NAME, Indexed, write_index
from model.data.shelves import Shelf
from model.data.sources import Source
from model.errors import DataError, UsageError, name_reason
from model.progress import Progress

MB = 1_000_000
# S3 is read at full speed from some 100 MB on; beyond a gigabyte, one that is cut off costs too much.
SHARD_MB = 256
# A small set is divided all the same, so that several are read at once; but not into crumbs.
FEW, LEAST_MB = 4, 16

_BLOCK = tarfile.BLOCKSIZE
_NAME = re.compile(r"shard-\d{6,}\.tar")


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written; `sent` of the `shards` were not there yet."""

    images: int
    shards: int
    sent: int
    size: int


def write_shards(source: Source, found: LabelledImages, shelf: Shelf, *, shard_mb: int = 0) -> Written:
    """Write shards of `shard_mb` megabytes (0: what suits the size of the set), then the index; raises DataError.

    What was interrupted is begun again, and what is there already is not sent again. Shards of an earlier set are
    removed when the new index is there.
    """
    earlier = shelf.names()
    _refuse_other_files(shelf, earlier)
    _tell_left_out(found)
    classes = {label: number for number, label in enumerate(found.classes)}
    images: dict[str, Indexed] = {}
    sizes: dict[str, int] = {}
    sent = 0
    with Progress(len(found.samples), "image") as progress:
        for number, places in enumerate(_plan(source, found.samples, shard_mb)):
            writer = _Writer(f"shard-{number:06d}.tar", source, classes, progress)
            sent += shelf.put(writer.name, lambda file, w=writer, p=places: w.write(file, found.samples, p))  # type: ignore[misc]
            images |= writer.images
            sizes[writer.name] = writer.size
    shelf.write(INDEX_NAME, write_index({key: images[key] for key in sorted(images)}, sizes))
    for name in {*earlier} - {*sizes, INDEX_NAME}:
        shelf.remove(name)
    return Written(images=len(images), shards=len(sizes), sent=sent, size=sum(sizes.values()))


class _Writer:
    """Writes one tar, and remembers where in it the images are."""

    def __init__(self, name: str, source: Source, classes: Mapping[str, int], progress: Progress) -> None:
        self.name = name
        self.images: dict[str, Indexed] = {}
        self.size = 0
        self._source = source
        self._classes = classes
        self._progress = progress

    def write(self, file: BinaryIO, samples: Sequence[Sample], places: Sequence[int]) -> str:
        """Write these images in this order; return what tells the tar from one of another content."""
        order = {samples[place].key: place for place in places}
        for key in self._source.order(list(order)):
            self._write_image(file, samples[order[key]], order[key])
            self._progress.advance()
        file.write(bytes(2 * _BLOCK))
        self.size += 2 * _BLOCK
        rows = [[key, image.size, image.crc32, image.name, image.label] for key, image in self.images.items()]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def _write_image(self, file: BinaryIO, sample: Sample, place: int) -> None:
        try:
            body = self._source.read(sample.key)
        except OSError as error:
            why = name_reason(error)
            raise DataError(f"{sample.name} cannot be read: {why}.", hint="Mend or remove it.") from error
        key = f"{place:09d}"
        # A name that a shard of others gives an image may lack the ending that its file has.
        name = sample.name if is_image_name(sample.name) else sample.key
        image = f"{key}{PurePosixPath(name).suffix.lower()}"
        start = self._write_file(file, image, body)
        fields = {"name": sample.name, "label": sample.label, "group": sample.group}
        self._write_file(file, f"{key}.cls", str(self._classes[sample.label]).encode())
        self._write_file(file, f"{key}.json", json.dumps(fields, ensure_ascii=False).encode(errors="surrogateescape"))
        self.images[image] = Indexed(
            tar=self.name,
            start=start,
            size=len(body),
            crc32=zlib.crc32(body),
            name=sample.name,
            label=sample.label,
            group=sample.group,
        )

    def _write_file(self, file: BinaryIO, name: str, body: bytes) -> int:
        """Write a file of the tar and return where its bytes begin."""
        header = tarfile.TarInfo(name)
        header.size = len(body)
        start = self.size + _BLOCK
        padding = bytes(-len(body) % _BLOCK)
        for part in (header.tobuf(tarfile.USTAR_FORMAT), body, padding):
            file.write(part)
            self.size += len(part)
        return start


def _plan(source: Source, samples: Sequence[Sample], shard_mb: int) -> list[list[int]]:
    """Divide the images, mixed: who reads shards one after the other should meet all classes at any time."""
    sizes = [source.entry(sample.key).size for sample in samples]
    total = sum(sizes)
    shards = max(-(-total // (SHARD_MB * MB)), min(FEW, total // (LEAST_MB * MB)), 1)
    most = shard_mb * MB if shard_mb else total / shards
    mixed = sorted(range(len(samples)), key=lambda place: hashlib.sha256(f"{place}".encode()).digest())
    plan: list[list[int]] = [[]]
    size = 0
    for place in mixed:
        if plan[-1] and size + sizes[place] > most and (shard_mb or len(plan) < shards):
            plan.append([])
            size = 0
        plan[-1].append(place)
        size += sizes[place]
    return plan


def _refuse_other_files(shelf: Shelf, names: Sequence[str]) -> None:
    others = [name for name in sorted(names) if name != INDEX_NAME and not _NAME.fullmatch(name)]
    if others:
        raise UsageError(
            f"{shelf.text} holds other files than shards: {list_names(others)}.",
            hint="Name a folder that is empty or not there yet, or that holds an earlier set of shards.",
        )


def _tell_left_out(found: LabelledImages) -> None:
    if found.bad:
        warn(f"{count(len(found.bad), 'image')} left out: {list_names(_describe(found.bad))}.")
    if found.unlabelled:
        warn(f"{count(len(found.unlabelled), 'image')} without a label left out: {list_names(found.unlabelled)}.")


def _describe(bad: Sequence[BadFile]) -> list[str]:
    return [str(file) for file in bad]
