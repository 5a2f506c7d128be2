"""The way of a set's images into memory: from an earlier run's cache, or read, decoded and kept for the next one."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.config import TrainConfig
from model.console import say
from model.data.cache import Growing, Kept, NoRoom, PixelCache, digest_images, find_cache_folder, reserve
from model.data.images import DECODER, Pixels, decode_or_explain
from model.data.labelled import Sample
from model.data.sources import S3_SCHEME, Source
from model.data.store import PixelStore
from model.errors import DataError, name_reason

# A local folder is worth a cache from so many bytes on: two cores decode them in about two seconds.
WORTH_BYTES = 256 << 20
# Of the machine's memory; a larger set lies in a file that is mapped into memory.
MEMORY_SHARE = 0.5


class ImageFeed:
    """Brings the images of a list of samples into one array, by way of a cache where there is one."""

    def __init__(self, config: TrainConfig, source: Source, samples: Sequence[Sample]) -> None:
        """Look whether an earlier run has left the images; nothing is read yet."""
        self._size = config.decode_size
        self._source = source
        self._growing: Growing | None = None
        self._listed = len(samples)
        sizes = np.zeros(len(samples), dtype=np.int64)
        versions = _find_versions(source, samples, sizes)
        self._digest = digest_images(versions, side=self._size, decoder=DECODER)
        self._cache = _choose_cache(config, source, int(sizes.sum()))
        self.bad: dict[int, str] = {}  # positions that the earlier run found no picture at, and their reasons
        self._kept = self._find_kept(samples)

    @property
    def place(self) -> Path | None:
        """The folder of the cache, where there is one."""
        return None if self._cache is None else self._cache.folder

    @property
    def is_kept(self) -> bool:
        """Whether an earlier run has decoded the images."""
        return self._kept is not None

    def start(self, samples: Sequence[Sample], order: Sequence[int]) -> PixelStore:
        """Begin to bring the images of `samples`, which are those of before without the bad ones; raises DataError."""
        if self._kept is not None:
            pixels, checksums = self._kept.pixels, self._kept.checksums
        else:
            pixels, checksums = self._make_room(len(samples)), None
            order = _follow(self._source, samples, order)

        def fill(position: int) -> Pixels | str:
            return decode_or_explain(samples[position].path, self._size)

        self.store = PixelStore(pixels, fill, order, checksums=checksums)
        return self.store

    def finish(self) -> Pixels:
        """Wait for all, keep them for the next run, and return those that hold a picture, in their order."""
        store = self.store
        store.wait()
        good = [position for position in range(len(store.pixels)) if position not in store.faults]
        if store.faults:
            # Moved up in place: a copy without the bad ones would need the memory twice.
            for place, position in enumerate(good):
                store.pixels[place] = store.pixels[position]
        pixels = store.pixels[: len(good)]
        with suppress(OSError):  # the next run does it again
            self._keep(pixels, good)
        return pixels

    def close(self) -> None:
        """Bring no more, and remove what is not whole."""
        self._source.close()
        self.store.close()
        if self._growing is not None:
            self._growing.close()
            self._growing = None

    def _keep(self, pixels: Pixels, good: Sequence[int]) -> None:
        checksums, bad = self.store.checksums[good], sorted({*self.bad, *self.store.faults})
        if self._kept is not None and self.store.repaired and self._cache is not None:
            self._growing = self._begin(self._cache, len(pixels))
            if self._growing is not None:
                self._growing.pixels[:] = pixels
        if self._growing is not None:
            self._growing.finish(checksums, bad)
            self._growing.close()
            self._growing = None

    def _find_kept(self, samples: Sequence[Sample]) -> Kept | None:
        """Return what is kept, unless a file that held no picture then holds one now."""
        if self._cache is None:
            return None
        kept = self._cache.find(self._digest, side=self._size, count=len(samples))
        if kept is None:
            return None
        for position in kept.bad:
            found = decode_or_explain(samples[position].path, self._size)
            if not isinstance(found, str):
                return None
            self.bad[position] = found
        return kept

    def _begin(self, cache: PixelCache, count: int) -> Growing | None:
        try:
            return cache.begin(self._digest, side=self._size, count=count)
        except OSError as error:
            reason = str(error) if isinstance(error, NoRoom) else name_reason(error)
            say(f"note: decoded images are not kept for the next run in {cache.folder}: {reason}")
            return None

    def _make_room(self, count: int) -> Pixels:
        shape = (count, self._size, self._size, 3)
        needed = int(np.prod(shape, dtype=np.int64))
        if self._cache is not None and count == self._listed:
            self._growing = self._begin(self._cache, count)
            if self._growing is not None:
                return self._growing.pixels
        try:
            # The system hands out memory that it does not have, and kills who writes to it.
            if needed <= MEMORY_SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
                return np.empty(shape, dtype=np.uint8)
            with tempfile.TemporaryFile() as file:
                reserve(file.fileno(), needed)
                return np.memmap(file, dtype=np.uint8, mode="r+", shape=shape)
        except (MemoryError, OSError) as error:
            raise DataError(
                f"{count:,} images at {self._size} pixels need {needed / 1e9:.1f} GB of memory, or of disk in"
                f" {tempfile.gettempdir()}.",
                hint="Use a smaller --image-size, or a machine with more.",
            ) from error


def _find_versions(source: Source, samples: Sequence[Sample], sizes: NDArray[np.int64]) -> Iterator[tuple[str, str]]:
    """Yield name and version of each file, and fill in its bytes."""
    for position, sample in enumerate(samples):
        try:
            entry = source.entry(sample.key)
        except DataError:  # a link that leads nowhere; the decoder will tell
            yield sample.key, ""
        else:
            sizes[position] = entry.size
            yield sample.key, entry.version


def _choose_cache(config: TrainConfig, source: Source, size_bytes: int) -> PixelCache | None:
    """Return the cache that was asked for; without a word, one where decoding takes long or another place is read."""
    if config.cache == "none" or not config.cache_gb:
        return None
    is_shared = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if not config.cache and size_bytes < WORTH_BYTES and not source.text.startswith(S3_SCHEME) and not is_shared:
        return None
    folder = Path(config.cache).expanduser() if config.cache else find_cache_folder()
    return PixelCache(folder=folder, max_bytes=int(config.cache_gb * 1e9))


def _follow(source: Source, samples: Sequence[Sample], order: Sequence[int]) -> list[int]:
    """Return the positions in the order that suits the source, which begins to fetch."""
    positions: dict[str, list[int]] = {}
    for position in order:
        positions.setdefault(samples[position].key, []).append(position)
    return [position for key in source.order(list(positions)) for position in positions[key]]


@contextmanager
def taking_turns(config: TrainConfig) -> Iterator[None]:
    """Let the processes of one training on one machine come in one after the other: the first decodes for all."""
    with ExitStack() as stack:
        if int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > 1 and config.cache != "none":
            folder = Path(config.cache).expanduser() if config.cache else find_cache_folder()
            with suppress(OSError):  # then each decodes for itself
                folder.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context((folder / "turns.lock").open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield
