"""Images in tar shards, WebDataset's layout: `key.jpg` with its label in `key.cls` or `key.json` beside it.

An index.json beside the shards (shard_index) saves reading their headers: in a bucket, that is reading all there is.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from unicodedata import normalize

from model.console import count, say
from model.data.formats import is_image_name
from model.data.listing import Listing, Place
from model.data.shard_index import INDEX_NAME, Indexed, read_index
from model.data.sources import Entry
from model.data.targets import FILENAME_COLUMNS, GROUP_COLUMNS, LABEL_COLUMNS
from model.data.tars import Member, Span, Tars, scan
from model.errors import DataError

# Shards without an index are looked through at the same time.
SCAN_THREADS = 8


@dataclass(frozen=True, kw_only=True)
class ShardLabel:
    """What a shard says of one image: `key` is its file in the tar, `label` "" where it has none."""

    key: str
    name: str
    label: str
    group: str = ""


class ShardSource:
    """Images in tars; a name is that of the file in its tar, whichever that is."""

    def __init__(self, text: str, tars: Tars) -> None:
        self.text = text
        self.folder: Path | None = None
        self._tars = tars
        self._index = self._read_index()
        self._members = self._find_members()
        self._listing = Listing(text, self._members, self.read)

    @property
    def root(self) -> Place:
        return self._listing.root

    @property
    def has_labels(self) -> bool:
        """Whether there are labels beside the images; if not, tables and folders in the tars may tell."""
        if self._index:
            return True
        return _has_labels(self._members)

    def entries(self) -> tuple[Entry, ...]:
        return tuple(map(self.entry, self._members))

    def entry(self, name: str) -> Entry:
        span = self._members[name].span
        return Entry(name=name, size=span.size, version=f"{self._tars.version(span.tar)}+{span.start}")

    def read(self, name: str) -> bytes:
        """Return the bytes of one file; raises DataError, which names the shard, where they are damaged."""
        span = self._members[name].span
        body = self._tars.read(span)
        known = self._index.get(name)
        if len(body) != span.size or (known is not None and zlib.crc32(body) != known.crc32):
            raise DataError(
                f"The shard {span.tar} in {self.text} is damaged: {name} in it is not what was written.",
                hint="Write or fetch the shard again.",
            )
        return body

    def order(self, names: Sequence[str]) -> Sequence[str]:
        """Return the names as they stand in the tars, one tar after the other."""
        ordered = sorted(names, key=lambda name: (self._members[name].span.tar, self._members[name].span.start))
        self._tars.plan([self._members[name].span for name in ordered])
        return ordered

    def close(self) -> None:
        self._tars.close()

    def read_labels(self, group_column: str = "") -> list[ShardLabel]:
        """Return what the shards say of each image, in the order of the keys.

        `group_column` is the field of `key.json` that holds the group, instead of those of known names.
        """
        beside: dict[str, dict[str, str]] = {}
        for name in self._members:
            if _is_label(name):
                stem, kind = _split(name)
                beside.setdefault(stem, {})[kind] = name
        images = sorted(name for name in self._members if name in self._index or is_image_name(name))
        return [self._read_label(name, beside.get(_split(name)[0], {}), group_column) for name in images]

    def _read_label(self, name: str, beside: dict[str, str], group_column: str) -> ShardLabel:
        known = self._index.get(name)
        if known:
            group = known.group if group_column in {"", "group"} else ""
            return ShardLabel(key=name, name=known.name, label=known.label, group=group)
        fields: dict[str, Any] = {}
        if "json" in beside:
            fields = self._parse(self._members[beside["json"]])
        label = _first(fields, (*LABEL_COLUMNS, "cls"))
        if not label and "cls" in beside:
            label = normalize("NFC", self._members[beside["cls"]].body.decode(errors="replace")).strip()
        return ShardLabel(
            key=name,
            name=_first(fields, FILENAME_COLUMNS) or name,
            label=label,
            group=_first(fields, (group_column,) if group_column else GROUP_COLUMNS),
        )

    def _parse(self, member: Member) -> dict[str, Any]:
        try:
            fields = json.loads(member.body)
        except ValueError as error:
            raise DataError(
                f"{member.name} in the shard {member.span.tar} is not JSON: {error}.", hint="Write the shard again."
            ) from error
        return fields if isinstance(fields, dict) else {"label": fields}

    def _read_index(self) -> dict[str, Indexed]:
        document = self._tars.read_beside(INDEX_NAME)
        return {} if document is None else read_index(document, self.text, self._tars.sizes)

    def _find_members(self) -> dict[str, Member]:
        indexed = {item.tar for item in self._index.values()}
        members = {
            key: Member(name=key, span=Span(tar=item.tar, start=item.start, size=item.size))
            for key, item in self._index.items()
        }
        unknown = [tar for tar in sorted(self._tars.sizes) if tar not in indexed]
        if unknown and not indexed:
            say(f"looking through {count(len(unknown), 'shard')} of {self.text}: there is no {INDEX_NAME} beside them")
        with ThreadPoolExecutor(SCAN_THREADS) as pool:
            found = list(pool.map(lambda tar: list(scan(self._tars, tar, is_wanted=_is_label)), unknown))
        for member in _tell_apart([member for part in found for member in part], self.text):
            other = members.setdefault(member.name, member)
            if other is not member:
                tars = sorted({other.span.tar, member.span.tar})
                raise DataError(
                    f"{member.name} is {'twice ' if len(tars) == 1 else ''}in {' and '.join(tars)} of {self.text}.",
                    hint="A file's name may be in one shard, and once: write them again, or remove one.",
                )
        return members


def _tell_apart(members: list[Member], where: str) -> list[Member]:
    """Return the files of labelled shards, named with their shard where each shard counts its images from the first.

    Files without labels beside them keep their names: folders in a tar are classes, and a shard would be taken for one.
    """
    names = Counter(member.name for member in members)
    if not any(number > 1 and is_image_name(name) for name, number in names.items()) or not _has_labels(names):
        return members
    say(f"the shards of {where} use the same names: each image is named with its shard")
    return [replace(member, name=f"{_name_shard(member)}/{member.name}") for member in members]


def _name_shard(member: Member) -> str:
    return member.span.tar.removesuffix(".tar")


def _has_labels(names: Iterable[str]) -> bool:
    """Say whether there is a label beside an image; a JSON file that no image has the name of is none."""
    names = list(names)
    labels = {_split(name)[0] for name in names if _is_label(name)}
    return any(is_image_name(name) and _split(name)[0] in labels for name in names)


def _split(name: str) -> tuple[str, str]:
    """Return key and kind as WebDataset does: at the first dot of the file's name."""
    path = PurePosixPath(name)
    stem, _, kind = path.name.partition(".")
    return (path.parent / stem).as_posix(), kind.lower()


def _is_label(name: str) -> bool:
    return _split(name)[1] in {"cls", "json"}


def _first(fields: dict[str, Any], names: Sequence[str]) -> str:
    lowered = {str(name).strip().lower(): value for name, value in fields.items()}
    values = (lowered.get(name.lower()) for name in names)
    value = next((value for value in values if isinstance(value, str | int | float) and value != ""), "")
    return normalize("NFC", str(value)).strip()
