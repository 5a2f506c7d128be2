"""Pictures to calibrate on and pictures to examine with: those that a training learnt from, and those it did not."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.checkpoint import Checkpoint
from model.console import list_names, warn
from model.data.images import Pixels, decode_bytes
from model.data.samples import LabelledImages, Sample, find_labelled_images
from model.data.sources import open_source
from model.data.split import split_samples
from model.errors import DataError
from model.exporting.config import ExportConfig
from model.threads import count_cores

# Of each kind at most: more calibrate no better, and of 2,000 half a point is ten pictures.
CALIBRATING = 128
EXAMINING = 2000

# Pictures that are held at once.
BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Labelled images in two parts that share none; `note` says what a reader of the figures should know."""

    classes: tuple[str, ...]
    side: int
    calibrating: tuple[Sample, ...]
    examining: tuple[Sample, ...]
    note: str = ""

    def read(self, samples: Sequence[Sample]) -> Iterator[tuple[Pixels, list[int]]]:
        """Yield the images, (N, side, side, RGB), and the positions of their classes; what is unreadable is left out.

        Raises DataError when that is everything.
        """
        places = {label: place for place, label in enumerate(self.classes)}
        bad = []
        with ThreadPoolExecutor(max_workers=count_cores()) as pool:
            for first in range(0, len(samples), BATCH):
                batch = samples[first : first + BATCH]
                decoded = list(pool.map(self._decode, batch))
                good = [k for k, pixels in enumerate(decoded) if pixels is not None]
                bad += [sample.name for sample, pixels in zip(batch, decoded, strict=True) if pixels is None]
                if good:
                    pixels = [image for image in decoded if image is not None]
                    yield np.stack(pixels), [places[batch[k].label] for k in good]
        if len(bad) == len(samples):
            raise DataError(f"None of the pictures can be read: {list_names(bad)}.")

    def _decode(self, sample: Sample) -> Pixels | None:
        try:
            return decode_bytes(sample.path.read_bytes(), self.side)
        except (MemoryError, DataError):
            raise
        # A damaged file makes Pillow raise nearly anything.
        except Exception:
            return None


def find_pictures(config: ExportConfig, checkpoint: Checkpoint) -> Pictures | None:
    """Find the images of a training in --data, or where its metrics.json says; None where there are none.

    Examined is on what predictions.csv, beside the model, says that the training did not learn from.
    """
    data = config.data or _find_data(config.model)
    if not data:
        return None
    source = open_source(data)
    found = find_labelled_images(source, config.targets, group_from=config.group_from)
    _refuse_other_classes(found, checkpoint)
    held_out = _read_held_out(config.model.with_name("predictions.csv"))
    calibrating = [sample for sample in found.samples if sample.name not in held_out]
    examining = [sample for sample in found.samples if sample.name in held_out]
    note = ""
    if not calibrating or not examining:
        note = (
            "which of these pictures the training learnt from is not known: drawn anew"
            if not held_out or calibrating
            else "every picture was learnt from by one of the networks: drawn anew"
        )
        warn(f"{note[0].upper()}{note[1:]}.")
        split = split_samples(found.samples, seed=0)
        calibrating = [found.samples[k] for k in split.train]
        examining = [found.samples[k] for k in (*split.validation, *split.test)]
    return Pictures(
        classes=checkpoint.classes,
        side=checkpoint.decode_size,
        calibrating=_choose(calibrating, CALIBRATING),
        examining=_choose(examining, EXAMINING),
        note=note,
    )


def _find_data(model: Path) -> str:
    """Return the folder that the training beside this model read, if it is still there; else ""."""
    try:
        data = json.loads(model.with_name("metrics.json").read_text(encoding="utf-8"))["recipe"]["data"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return data if isinstance(data, str) and Path(data).is_dir() else ""


def _read_held_out(table: Path) -> set[str]:
    try:
        with table.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = csv.DictReader(file)
            return {row["filename"] for row in rows if row.get("split") in {"validation", "test"}}
    except (OSError, KeyError, csv.Error):
        return set()


def _refuse_other_classes(found: LabelledImages, checkpoint: Checkpoint) -> None:
    unknown = [label for label in found.classes if label not in checkpoint.classes]
    if unknown:
        names, kind = list_names([repr(label) for label in unknown]), "class" if len(unknown) == 1 else "classes"
        raise DataError(
            f"The model does not know the {kind} {names} of {found.source}.",
            hint=f"Its classes are {list_names(checkpoint.classes)}; give the images of its training.",
        )


def _choose(samples: Sequence[Sample], most: int) -> tuple[Sample, ...]:
    """Return so many at most, evenly from each class and from each stretch of names."""
    ordered = sorted(samples, key=lambda sample: (sample.label, sample.name))
    places = np.unique(np.linspace(0, len(ordered) - 1, min(most, len(ordered))).round().astype(int))
    return tuple(ordered[place] for place in places)
