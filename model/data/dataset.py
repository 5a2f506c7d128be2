"""A folder made ready to train on: found, decoded, split, with a word to the log about all that was left out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from model.console import count, list_names, say, warn
from model.data.images import DecodedImages, Pixels, decode_images
from model.data.samples import BadFile, LabelledImages, Sample, find_labelled_images
from model.data.split import Split, split_samples
from model.errors import DataError

# A line at least this often while something lasts.
PROGRESS_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """`pixels` is uint8 (N, size, size, RGB), in the order of `samples`; `split` holds positions in it."""

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    pixels: Pixels
    split: Split
    source: str
    bad: tuple[BadFile, ...]
    unlabelled: tuple[str, ...]
    duplicates: tuple[str, ...]

    @property
    def targets(self) -> list[int]:
        """The position in `classes` of each sample's label."""
        places = {label: place for place, label in enumerate(self.classes)}
        return [places[sample.label] for sample in self.samples]


def load_dataset(folder: Path, targets: Path | None, *, size: int, seed: int) -> Dataset:
    """Find, decode and split the images of a folder, telling what happens; raises DataError."""
    found = find_labelled_images(folder, targets)
    say(f"{count(len(found.samples), 'image')} in {count(len(found.classes), 'class')} (labels from {found.source})")
    _warn_about(found)
    decoded = _decode(found, size)
    if decoded.faults:
        bad = tuple(BadFile(name=found.samples[k].name, reason=why) for k, why in decoded.faults.items())
        warn(
            f"{count(len(bad), 'image')} cannot be read and will be skipped: {list_names([str(file) for file in bad])}."
        )
        good = [k for k in range(len(found.samples)) if k not in decoded.faults]
        found, pixels = found.without(bad), decoded.pixels[good]
    else:
        pixels = decoded.pixels
    split = split_samples(found.samples, seed=seed)
    groups = len({sample.group for sample in found.samples if sample.group})
    kept = f", {groups:,} groups kept whole" if groups else ""
    say(f"split: {len(split.train):,} train, {len(split.validation):,} validation, {len(split.test):,} test{kept}")
    return Dataset(
        samples=found.samples,
        classes=found.classes,
        pixels=pixels,
        split=split,
        source=found.source,
        bad=found.bad,
        unlabelled=found.unlabelled,
        duplicates=found.duplicates,
    )


def every(seconds: float, clock: Callable[[], float] = time.monotonic) -> Callable[[], bool]:
    """Return a question that is answered with yes at most once in so many seconds, the first time after them."""
    last = clock()

    def is_due() -> bool:
        nonlocal last
        now = clock()
        if now - last < seconds:
            return False
        last = now
        return True

    return is_due


def _warn_about(found: LabelledImages) -> None:
    if found.bad:
        names = list_names([str(file) for file in found.bad])
        warn(f"{count(len(found.bad), 'image')} of {found.source} cannot be used and will be skipped: {names}.")
    if found.duplicates:
        names = list_names(found.duplicates)
        warn(f"{count(len(found.duplicates), 'image')} named twice with the same label, used once: {names}.")
    if found.unlabelled:
        say(f"note: {count(len(found.unlabelled), 'image')} without a label not used: {list_names(found.unlabelled)}")


def _decode(found: LabelledImages, size: int) -> DecodedImages:
    total = len(found.samples)
    is_due = every(PROGRESS_SECONDS)

    def tell(done: int, seconds: float) -> None:
        if is_due() and done < total:
            say(f"decoding {done:,}/{total:,}  {done / seconds:,.0f} img/s")

    try:
        decoded = decode_images([sample.path for sample in found.samples], size, progress=tell)
    except MemoryError as error:
        gigabytes = total * size * size * 3 / 1e9
        raise DataError(
            f"{total:,} images at {size} pixels need {gigabytes:.1f} GB of memory.", hint="Use a smaller --image-size."
        ) from error
    say(f"decoded {total:,} images at {size}x{size} in {decoded.seconds:.1f}s  {total / decoded.seconds:,.0f} img/s")
    return decoded
