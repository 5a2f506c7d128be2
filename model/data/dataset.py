"""A folder made ready to train on: found, decoded, split, with a word to the log about all that was left out."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np

from model.config import TrainConfig
from model.console import count, list_names, say, warn
from model.data.images import DecodedImages, Pixels, decode_images
from model.data.leaks import Leaks, find_group_leak, find_near_duplicate_leak, name_parts
from model.data.samples import BadFile, LabelledImages, Sample, find_labelled_images
from model.data.split import Split, fold_samples, split_samples
from model.errors import DataError
from model.progress import PROGRESS_SECONDS, every

# Images that differ nowhere by more than this, of 255, are one picture: nothing but rounding tells them apart.
MAX_ALIKE = 2

# When no pixel of any image is brighter than this, of 255, the values fill a small part of their range.
MAX_DARK = 31


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """`pixels` is uint8 (N, size, size, RGB), in the order of `samples`; the splits hold positions in it.

    There are several splits with folds only. `notes` are the warnings that a reader of the report should see too.
    """

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    pixels: Pixels
    splits: tuple[Split, ...]
    source: str
    bad: tuple[BadFile, ...] = ()
    unlabelled: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    leaks: Leaks = Leaks()  # noqa: RUF009 - frozen
    notes: tuple[str, ...] = ()

    @property
    def split(self) -> Split:
        """The first split, the only one without folds."""
        return self.splits[0]

    @property
    def targets(self) -> list[int]:
        """The position in `classes` of each sample's label."""
        places = {label: place for place, label in enumerate(self.classes)}
        return [places[sample.label] for sample in self.samples]


def load_dataset(config: TrainConfig) -> Dataset:
    """Find, decode and split the images of a folder, telling what happens; raises DataError."""
    found = find_labelled_images(config.data, config.targets, group_from=config.group_from)
    say(f"{count(len(found.samples), 'image')} in {count(len(found.classes), 'class')} (labels from {found.source})")
    _tell_about(found)
    splits = _split(config, found)  # what cannot be split is told before minutes of decoding
    found, pixels = _decode(found, config.decode_size)
    dark = _check_pixels(pixels)
    if len(found.samples) < sum(len(part) for part in (splits[0].train, splits[0].validation, splits[0].test)):
        splits = _split(config, found)
    _tell_split(config, found, splits)
    parts = name_parts(splits)
    leak = find_group_leak(found.samples, parts)
    alike = find_near_duplicate_leak(found.samples, pixels, parts)
    warnings = [text for text in (dark, leak.warning, alike.warning) if text]
    for text in warnings:
        warn(text)
    return Dataset(
        samples=found.samples,
        classes=found.classes,
        pixels=pixels,
        splits=splits,
        source=found.source,
        bad=found.bad,
        unlabelled=found.unlabelled,
        duplicates=found.duplicates,
        leaks=replace(leak.leaks, near_duplicates=alike.near_duplicates),
        notes=(*found.notes, *warnings),
    )


def _tell_about(found: LabelledImages) -> None:
    if found.bad:
        names = list_names([str(file) for file in found.bad])
        warn(f"{count(len(found.bad), 'image')} of {found.source} cannot be used and will be skipped: {names}.")
    if found.duplicates:
        names = list_names(found.duplicates)
        warn(f"{count(len(found.duplicates), 'image')} named twice with the same label, used once: {names}.")
    for note in found.notes:
        warn(note)
    if found.unlabelled:
        say(f"note: {count(len(found.unlabelled), 'image')} without a label not used: {list_names(found.unlabelled)}")


def _split(config: TrainConfig, found: LabelledImages) -> tuple[Split, ...]:
    if config.folds:
        return fold_samples(
            found.samples,
            folds=config.folds,
            seed=config.seed,
            validation_share=config.validation_share,
            by=config.split,
        )
    split = split_samples(
        found.samples,
        seed=config.seed,
        validation_share=config.validation_share,
        test_share=config.test_share,
        by=config.split,
    )
    return (split,)


def _tell_split(config: TrainConfig, found: LabelledImages, splits: tuple[Split, ...]) -> None:
    groups = len({sample.group for sample in found.samples if sample.group})
    kept = "" if not groups else f", {groups:,} groups kept whole" if config.split == "group" else ", groups ignored"
    first = splits[0]
    sizes = f"{len(first.train):,} train, {len(first.validation):,} validation, {len(first.test):,} test"
    say(f"split: {sizes}{kept}" if len(splits) == 1 else f"{len(splits)} folds: each about {sizes}{kept}")


def _decode(found: LabelledImages, size: int) -> tuple[LabelledImages, Pixels]:
    """Return the pixels of the images that can be read, and what was found without the others."""
    decoded = _decode_all(found, size)
    if not decoded.faults:
        return found, decoded.pixels
    bad = tuple(BadFile(name=found.samples[k].name, reason=why) for k, why in decoded.faults.items())
    warn(f"{count(len(bad), 'image')} cannot be read and will be skipped: {list_names([str(file) for file in bad])}.")
    good = [k for k in range(len(found.samples)) if k not in decoded.faults]
    # Moved up in place: a copy without the bad ones would need the memory twice.
    for place, position in enumerate(good):
        decoded.pixels[place] = decoded.pixels[position]
    return found.without(bad), decoded.pixels[: len(good)]


def _decode_all(found: LabelledImages, size: int) -> DecodedImages:
    total = len(found.samples)
    is_due = every(PROGRESS_SECONDS)

    def tell(done: int, seconds: float) -> None:
        if is_due() and done < total:
            say(f"decoding {done:,}/{total:,}  {done / seconds:,.0f} img/s")

    needed = total * size * size * 3
    too_large = DataError(
        f"{total:,} images at {size} pixels need {needed / 1e9:.1f} GB of memory.",
        hint="Use a smaller --image-size, or a machine with more.",
    )
    # The system hands out memory that it does not have, and kills who writes to it.
    if needed > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise too_large
    try:
        decoded = decode_images([sample.path for sample in found.samples], size, progress=tell)
    except MemoryError as error:
        raise too_large from error
    say(f"decoded {total:,} images at {size}x{size} in {decoded.seconds:.1f}s  {total / decoded.seconds:,.0f} img/s")
    return decoded


def _check_pixels(pixels: Pixels) -> str:
    """Refuse images that are all one picture; return a warning about images that are nearly black, or ""."""
    lowest, highest = pixels[0].copy(), pixels[0].copy()
    for image in pixels:
        np.minimum(lowest, image, out=lowest)
        np.maximum(highest, image, out=highest)
    if int((highest - lowest).max()) <= MAX_ALIKE:
        raise DataError(
            f"All {len(pixels):,} images hold the same picture: there is nothing to learn from them.",
            hint="Look at some of the files; a copy or an export may have gone wrong.",
        )
    if int(highest.max()) > MAX_DARK:
        return ""
    return (
        f"No pixel of any image is brighter than {int(highest.max())} of 255. 16-bit files that hold 12-bit values look"
        " like that: multiply the values by 16 when you export them."
    )
