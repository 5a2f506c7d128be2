"""A folder made ready to train on: found, split, read, with a word to the log about all that was left out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model.config import TrainConfig
from model.console import count, list_names, say, warn
from model.data.feed import ImageFeed, taking_turns
from model.data.images import Pixels, import_resize
from model.data.leaks import Leaks, find_group_leak, find_near_duplicate_leak, name_parts
from model.data.ordering import draw_order
from model.data.samples import BadFile, LabelledImages, Sample, find_labelled_images
from model.data.sources import open_source
from model.data.split import Split, fold_samples, split_samples
from model.data.store import PixelStore
from model.errors import DataError
from model.progress import PROGRESS_SECONDS, every

# Images that differ nowhere by more than this, of 255, are one picture: nothing but rounding tells them apart.
MAX_ALIKE = 2

# When no pixel of any image is brighter than this, of 255, the values fill a small part of their range.
MAX_DARK = 31

# Mean and deviation of the channels are measured on so many training images, drawn by the seed: by then the mean is
# known to a fortieth of a deviation.
MEASURED = 512

# How often who waits for the last images looks whether a signal has come.
LOOK_SECONDS = 1.0


class UnreadableImages(Exception):
    """Images turned out to hold no picture after the training began: it must begin again without them."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """`pixels` is uint8 (N, size, size, RGB), in the order of `samples`; the splits hold positions in it.

    There are several splits with folds only. `notes` are the warnings that a reader of the report should see too.
    While there is a `loading`, not all pixels are there, and some of the samples may turn out to hold no picture.
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
    measured: tuple[int, ...] = ()  # the training images that tell mean and deviation of the channels; () is all
    loading: Loading | None = None
    listed: str = ""  # what tells the images that were found from others, those that hold no picture among them

    @property
    def split(self) -> Split:
        """The first split, the only one without folds."""
        return self.splits[0]

    @property
    def targets(self) -> list[int]:
        """The position in `classes` of each sample's label."""
        places = {label: place for place, label in enumerate(self.classes)}
        return [places[sample.label] for sample in self.samples]

    @property
    def store(self) -> PixelStore | None:
        """What still fills the pixels, if anything does."""
        return None if self.loading is None else self.loading.store

    def complete(self, between: Callable[[], None] = lambda: None) -> Dataset:
        """Return the set with all its images, and what only all of them tell; raises DataError.

        While it waits it calls `between`, which may raise.
        """
        return self if self.loading is None else self.loading.complete(between)

    def close(self) -> None:
        """Read no more images."""
        if self.loading is not None:
            self.loading.close()


def load_dataset(config: TrainConfig, *, is_streaming: bool = False) -> Dataset:
    """Find, split and decode the images of a folder, telling what happens; raises DataError.

    With `is_streaming` it returns when enough is read to begin with, and `loading` brings the rest
    (docs/decisions/0013).
    """
    with taking_turns(config):
        loading = Loading(config)
        try:
            return loading.begin() if is_streaming else loading.complete()
        except BaseException:
            loading.close()
            raise


class Loading:
    """The reading of a set, which may go on while it is learnt from."""

    def __init__(self, config: TrainConfig) -> None:
        """Find the images and begin to read them; raises DataError."""
        self._config = config
        source = open_source(config.data)
        found = find_labelled_images(source, config.targets, group_from=config.group_from)
        _tell_about(found)
        self._listed = digest_samples(found.samples)
        splits = _split(config, found)  # what cannot be split is told before minutes of decoding
        self._feed = ImageFeed(config, source, found.samples)
        if self._feed.bad:
            found = _leave_out(found, self._feed.bad)
            splits = _split(config, found)
        self._found, self._splits = found, splits
        self._is_split_told = False
        self._whole: Dataset | None = None
        self._first = _choose_first(splits, seed=config.seed)
        import_resize()  # before a thread asks for it: all images are to be shrunk in one way
        self.store = self._feed.start(found.samples, _plan(splits, self._first, seed=config.seed))

    def begin(self) -> Dataset:
        """Return the set when the first images are there; whole, where these leave a doubt."""
        self.store.wait(self._first)
        is_doubtful = _measure_range(self.store.pixels, self._first) != ""
        if self.store.is_complete or self.store.faults or is_doubtful:
            return self.complete()
        self._tell_split()
        read, total = f"{len(self._first):,} of {len(self._found.samples):,}", f"{self.store.seconds:.1f}s"
        say(f"read {read} images in {total}; the others come while it learns")
        return self._describe(self.store.pixels, loading=self)

    def complete(self, between: Callable[[], None] = lambda: None) -> Dataset:
        """Wait for all images and return the set, having told what only all of them show; raises DataError."""
        if self._whole is None:
            self._wait(between)
            if self.store.faults:
                self._found = _leave_out(self._found, self.store.faults)
                self._splits = _split(self._config, self._found)
                self._is_split_told = False
            pixels = self._feed.finish()
            self._whole = self._examine(pixels)
        return self._whole

    def close(self) -> None:
        """Read no more."""
        self._feed.close()

    def _wait(self, between: Callable[[], None]) -> None:
        store, total = self.store, len(self.store.pixels)
        is_line_due = every(PROGRESS_SECONDS)
        while not store.wait(seconds=LOOK_SECONDS):
            between()
            if is_line_due():
                say(f"decoding {store.count_done:,}/{total:,}  {store.count_done / store.seconds:,.0f} img/s")
        size, rate = self._config.decode_size, total / max(store.seconds, 1e-9)
        if self._feed.is_kept:
            say(f"{total:,} decoded images of an earlier run in {self._feed.place}, checked in {store.seconds:.1f}s")
        else:
            say(f"decoded {total:,} images at {size}x{size} in {store.seconds:.1f}s  {rate:,.0f} img/s")

    def _examine(self, pixels: Pixels) -> Dataset:
        found = self._found
        trouble = _measure_range(pixels, range(len(pixels)))
        if trouble == _ALIKE:
            raise DataError(
                f"All {len(pixels):,} images hold the same picture: there is nothing to learn from them.",
                hint="Look at some of the files; a copy or an export may have gone wrong.",
            )
        self._tell_split()
        parts = name_parts(self._splits)
        alike = find_near_duplicate_leak(found.samples, pixels, parts)
        for text in filter(None, (trouble, alike.warning)):
            warn(text)
        warnings = filter(None, (trouble, self._leak.warning, alike.warning))
        leaks = replace(self._leak.leaks, near_duplicates=alike.near_duplicates)
        return self._describe(pixels, leaks=leaks, notes=(*found.notes, *warnings))

    def _tell_split(self) -> None:
        """Tell the parts, and what groups leak between them: names tell that, before anything is learnt."""
        if not self._is_split_told:
            _tell_split(self._config, self._found, self._splits)
            self._leak = find_group_leak(self._found.samples, name_parts(self._splits))
            if self._leak.warning:
                warn(self._leak.warning)
        self._is_split_told = True

    def _describe(self, pixels: Pixels, **further: Any) -> Dataset:
        found = self._found
        return Dataset(
            samples=found.samples,
            classes=found.classes,
            pixels=pixels,
            splits=self._splits,
            source=found.source,
            bad=found.bad,
            unlabelled=found.unlabelled,
            duplicates=found.duplicates,
            measured=_choose_first(self._splits, seed=self._config.seed),
            listed=self._listed,
            **{"notes": found.notes} | further,
        )


def digest_samples(samples: Sequence[Sample], *, parts: Sequence[str] = ()) -> str:
    """Return what tells the names, labels and groups of images from others, and their parts where these are given."""
    words = [f"{sample.name}\0{sample.label}\0{sample.group}" for sample in samples]
    return hashlib.sha256("\n".join([*words, *parts]).encode(errors="surrogateescape")).hexdigest()


def _tell_about(found: LabelledImages) -> None:
    say(f"{count(len(found.samples), 'image')} in {count(len(found.classes), 'class')} (labels from {found.source})")
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


def _leave_out(found: LabelledImages, faults: Mapping[int, str]) -> LabelledImages:
    """Return what was found without images that hold no picture, having named them; raises DataError."""
    bad = tuple(BadFile(name=found.samples[k].name, reason=why) for k, why in sorted(faults.items()))
    warn(f"{count(len(bad), 'image')} cannot be read and will be skipped: {list_names([str(file) for file in bad])}.")
    return found.without(bad)


def _choose_first(splits: Sequence[Split], *, seed: int) -> tuple[int, ...]:
    """Return the training images that are read first and tell mean and deviation: the first of epoch one."""
    # Folds share their statistics, as the one model of all of them has room for one pair: labels play no part in it.
    learnt = np.array(sorted({position for split in splits for position in split.train}))
    drawn = learnt[draw_order(len(learnt), seed=seed, epoch=1)[:MEASURED]]
    return tuple(np.sort(drawn).tolist())


def _plan(splits: Sequence[Split], first: Sequence[int], *, seed: int) -> list[int]:
    """Return all positions in the order in which the training will ask for them."""
    split = splits[0]
    shown = np.array(split.train)[draw_order(len(split.train), seed=seed, epoch=1)].tolist()
    return list(dict.fromkeys([*first, *shown, *split.validation, *split.test]))


# What `_measure_range` says of images that are all one picture; what it says of dark ones is for the user.
_ALIKE = "alike"


def _measure_range(pixels: Pixels, positions: Sequence[int]) -> str:
    """Return _ALIKE where images are all one picture, a warning where they are nearly black, else ""."""
    lowest, highest = pixels[positions[0]].copy(), pixels[positions[0]].copy()
    for place, position in enumerate(positions, start=1):
        np.minimum(lowest, pixels[position], out=lowest)
        np.maximum(highest, pixels[position], out=highest)
        # Two images nearly always tell: looked at after the second, the fourth, the eighth ... and the last.
        if place & (place - 1) == 0 or place == len(positions):
            is_bright, is_alike = int(highest.max()) > MAX_DARK, int((highest - lowest).max()) <= MAX_ALIKE
            if is_bright and not is_alike:
                return ""
    if is_alike:
        return _ALIKE
    return (
        f"No pixel of any image is brighter than {int(highest.max())} of 255. 16-bit files that hold 12-bit values look"
        " like that: multiply the values by 16 when you export them."
    )
