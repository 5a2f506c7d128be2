"""What crosses the border between training and examination: groups in several parts, and pictures nearly alike."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from model.console import count, list_names
from model.data.cache import reserve
from model.data.duplicates import SIDE, find_near_duplicates, fingerprint
from model.data.grouping import parse_groups, suggest_groups
from model.data.images import Pixels
from model.data.samples import Sample
from model.data.split import Split

# Fingerprints that are kept in memory itself: of some 10,000 images.
MAX_BYTES = 8 << 20


@dataclass(frozen=True, kw_only=True)
class NearDuplicate:
    """Two images that are nearly one, in different parts; `distance` is 0 for the same picture and grows to 6."""

    first: str
    second: str
    distance: int
    parts: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Leaks:
    """What crosses between parts: of `groups`, so many with so many images are in more than one part."""

    groups: int = 0
    leaked_groups: int = 0
    leaked_images: int = 0
    near_duplicates: tuple[NearDuplicate, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GroupLeak:
    """A leak of groups, and the sentence that warns of it ("" when there is none)."""

    leaks: Leaks
    warning: str


@dataclass(frozen=True, kw_only=True)
class NearDuplicateLeak:
    """Pairs of images across parts, the nearest first, and the sentence that warns of them."""

    near_duplicates: tuple[NearDuplicate, ...]
    warning: str


def name_parts(splits: Sequence[Split]) -> dict[int, str]:
    """Return the part of each position: train, validation or test; with folds, the fold that tests it."""
    if len(splits) == 1:
        parts = {"train": splits[0].train, "validation": splits[0].validation, "test": splits[0].test}
    else:
        parts = {f"fold {number}": split.test for number, split in enumerate(splits, 1)}
    return {position: name for name, members in parts.items() for position in members}


def find_group_leak(samples: Sequence[Sample], parts: Mapping[int, str]) -> GroupLeak:
    """Count the groups that are in more than one part: the given ones or, without any, those that the names tell of."""
    if any(sample.group for sample in samples):
        leaks = _count_leaks([sample.group for sample in samples], parts)
        way_out = "Leave --split image out to keep groups whole."
        return GroupLeak(leaks=leaks, warning=_tell_leak(leaks, "groups", way_out))
    suggestion = suggest_groups([sample.name for sample in samples])
    if suggestion is None:
        return GroupLeak(leaks=Leaks(), warning="")
    leaks = _count_leaks(parse_groups([sample.name for sample in samples], suggestion.pattern), parts)
    what = f"groups that the names tell of ({suggestion.form}, such as {suggestion.example})"
    return GroupLeak(leaks=leaks, warning=_tell_leak(leaks, what, f"Pass --group-from '{suggestion.pattern}'."))


def find_near_duplicate_leak(samples: Sequence[Sample], pixels: Pixels, parts: Mapping[int, str]) -> NearDuplicateLeak:
    """Find images of one part that are nearly the same as one of another part."""
    names = sorted(set(parts.values()))
    homes = np.array([names.index(parts[position]) for position in range(len(samples))])
    distances = dict.fromkeys(_find_copies(pixels, parts), 0)
    distances |= {(i, k): distance for i, k, distance in find_near_duplicates(_take_fingerprints(pixels), parts=homes)}
    pairs = tuple(
        NearDuplicate(first=samples[i].name, second=samples[k].name, distance=distance, parts=(parts[i], parts[k]))
        for (i, k), distance in sorted(distances.items(), key=lambda pair: (pair[1], pair[0]))
    )
    if not pairs:
        return NearDuplicateLeak(near_duplicates=(), warning="")
    shown = [f"{pair.first} ({pair.parts[0]}) and {pair.second} ({pair.parts[1]})" for pair in pairs]
    warning = (
        f"{count(len(pairs), 'pair')} of images in different parts are nearly the same: {list_names(shown)}."
        " Remove one of each, or give both one group."
    )
    return NearDuplicateLeak(near_duplicates=pairs, warning=warning)


def _take_fingerprints(pixels: Pixels) -> Pixels:
    """Return those of all images; those of very many lie in a file that is mapped into memory."""
    shape = (len(pixels), SIDE, SIDE, 3)
    fingerprints = np.empty(shape, dtype=np.uint8)
    if fingerprints.nbytes > MAX_BYTES:
        with suppress(OSError), tempfile.TemporaryFile() as file:
            reserve(file.fileno(), fingerprints.nbytes)
            fingerprints = np.memmap(file, dtype=np.uint8, mode="r+", shape=shape)
    for position, image in enumerate(pixels):
        fingerprints[position] = fingerprint(image)
    return fingerprints


def _find_copies(pixels: Pixels, parts: Mapping[int, str]) -> Iterator[tuple[int, int]]:
    """Yield equal images, smooth ones too: one of the part that holds most of them with each in another part."""
    short = (int.from_bytes(hashlib.blake2b(image, digest_size=8).digest()) for image in pixels)
    digests = np.fromiter(short, dtype=np.uint64, count=len(pixels))
    order = np.argsort(digests, kind="stable")
    is_first = np.concatenate([[True], np.diff(digests[order]) != 0, [True]])
    borders = np.flatnonzero(is_first)
    crowded = np.flatnonzero(np.diff(borders) > 1)
    for begin, end in zip(borders[crowded], borders[crowded + 1], strict=True):
        positions = order[begin:end].tolist()
        home = Counter(parts[position] for position in positions).most_common(1)[0][0]
        first = next(position for position in positions if parts[position] == home)
        yield from ((min(first, other), max(first, other)) for other in positions if parts[other] != home)


def _count_leaks(groups: Sequence[str], parts: Mapping[int, str]) -> Leaks:
    homes: dict[str, set[str]] = {}
    for position, group in enumerate(groups):
        if group:
            homes.setdefault(group, set()).add(parts[position])
    leaked = {group for group, names in homes.items() if len(names) > 1}
    images = sum(group in leaked for group in groups)
    return Leaks(groups=len(homes), leaked_groups=len(leaked), leaked_images=images)


def _tell_leak(leaks: Leaks, what: str, way_out: str) -> str:
    if not leaks.leaked_groups:
        return ""
    verb = "is" if leaks.leaked_groups == 1 else "are"
    return (
        f"{leaks.leaked_groups:,} of {leaks.groups:,} {what}, {count(leaks.leaked_images, 'image')} in all,"
        f" {verb} in more than one part: the result will look better than it is. {way_out}"
    )
