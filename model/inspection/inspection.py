"""A folder of images looked at without training on it: every file read once, whatever its labels are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.data.duplicates import SIDE, fingerprint
from model.data.folders import find_all_pictures
from model.data.formats import explain_suffix
from model.data.images import Pixels, decode_images
from model.data.listing import Place, name_place
from model.data.samples import BadFile, LabelledImages, Sample, collect_labelled_images
from model.data.sources import Source, hold, name_of, open_source
from model.errors import DataError
from model.inspection.probe import Probe, probe_images
from model.progress import Progress

# Images in memory at a time: it stays flat however many there are.
CHUNK = 512

# Enough for a fingerprint; a large JPEG decodes to a fraction of its size for a fraction of the time.
DECODED_SIDE = 64


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was seen: `samples`, `probes` and `fingerprints` (N, 16, 16, RGB) go together and hold readable images only.

    Where the labels are refused, `refusals` say why, `source` is "" and every label is "". Of 255, `spread` is how much
    the most different two images differ at any place, and `brightest` the largest value of all.
    """

    folder: str
    source: str
    samples: tuple[Sample, ...]
    probes: tuple[Probe, ...]
    fingerprints: Pixels
    spread: int
    brightest: int
    bad: tuple[BadFile, ...]
    unlabelled: tuple[str, ...]
    named_twice: tuple[str, ...]
    notes: tuple[str, ...]
    refusals: tuple[DataError, ...]


def inspect_folder(
    folder: Path | str,
    targets: Path | str | None = None,
    *,
    group_from: str = "",
) -> Inspection:
    """Look at every image of a folder or bucket; raises DataError only where there is none, or no such targets file."""
    source = open_source(folder)
    if source.folder and targets is not None and not Path(targets).is_file():
        raise DataError(f"The targets file {targets} does not exist or is no file.")
    found, refusals = _collect(source, targets, group_from)
    reading = _Reading(len(found.samples))
    with Progress(len(found.samples), "image") as progress:
        for start in range(0, len(found.samples), CHUNK):
            chunk = found.samples[start : start + CHUNK]
            places = [sample.path for sample in chunk]
            reading.read(places if source.folder else hold(source, [k.key for k in chunk]), start, progress)
    good = [k for k in range(len(found.samples)) if k not in reading.faults]
    broken = tuple(BadFile(name=found.samples[k].name, reason=why) for k, why in sorted(reading.faults.items()))
    return Inspection(
        folder=source.text,
        source=found.source,
        samples=tuple(found.samples[k] for k in good),
        probes=tuple(reading.probes[k] for k in good),
        fingerprints=reading.fingerprints[good] if reading.faults else reading.fingerprints,
        spread=reading.spread,
        brightest=reading.brightest,
        bad=(*found.bad, *broken),
        unlabelled=found.unlabelled,
        named_twice=found.duplicates,
        notes=found.notes,
        refusals=refusals,
    )


def _collect(
    source: Source, targets: Path | str | None, group_from: str
) -> tuple[LabelledImages, tuple[DataError, ...]]:
    """Return the images with labels and groups, or as much as is not refused, and what was refused."""
    refusals: list[DataError] = []
    for pattern in dict.fromkeys((group_from, "")):
        try:
            return collect_labelled_images(source, targets, group_from=pattern), tuple(refusals)
        except DataError as error:
            if error.message not in {refusal.message for refusal in refusals}:
                refusals.append(error)
    samples: list[Sample] = []
    bad: list[BadFile] = []
    for path in find_all_pictures(source.root):
        place = name_place(path)
        key = name_of(place, source)
        reason = explain_suffix(key)
        if reason:
            bad.append(BadFile(name=key, reason=reason))
        else:
            samples.append(Sample(name=key, place=place, label="", key=key))
    return LabelledImages(source="", samples=tuple(samples), bad=tuple(bad)), tuple(refusals)


class _Reading:
    """What is known of the files so far, a few hundred bytes each."""

    def __init__(self, count: int) -> None:
        self.probes: list[Probe] = []
        self.fingerprints = np.zeros((count, SIDE, SIDE, 3), dtype=np.uint8)
        self.faults: dict[int, str] = {}
        self._lowest = np.full((DECODED_SIDE, DECODED_SIDE, 3), 255, dtype=np.uint8)
        self._highest = np.zeros_like(self._lowest)

    @property
    def spread(self) -> int:
        """Return the largest difference between two images at any place."""
        return int((self._highest.astype(np.int16) - self._lowest).max())

    @property
    def brightest(self) -> int:
        """Return the largest value of all."""
        return int(self._highest.max())

    def read(self, paths: Sequence[Place], start: int, progress: Progress) -> None:
        """Read files whose places begin at `start`."""
        self.probes += probe_images(paths)
        decoded = decode_images(paths, DECODED_SIDE, progress=lambda *_: progress.advance())
        self.faults.update({start + k: why for k, why in decoded.faults.items()})
        for k, pixels in enumerate(decoded.pixels):
            if k not in decoded.faults:
                self.fingerprints[start + k] = fingerprint(pixels)
                np.minimum(self._lowest, pixels, out=self._lowest)
                np.maximum(self._highest, pixels, out=self._highest)
