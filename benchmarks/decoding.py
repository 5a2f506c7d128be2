"""From a JPEG to the square that a network gets, on one core: ours, and Pillow as it is usually used."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measures import Arms, Setting, rate, row
from benchmarks.pictures import write_pictures

SIDE = 224
MIXED = ((320, 320), (500, 375))


@row("decode-1080p", "1080p JPEG → 224 px, per core", at_least=3.0, cores=1, quick=True)
def large(setting: Setting) -> Iterator[Arms]:
    count = setting.choose(24, 6)
    yield compare(write_pictures(setting.folder, count, sizes=((1920, 1080),), different=6))


@row("decode-small", "320–500 px JPEG → 224 px, per core", at_least=1.8, cores=1, quick=True)
def small(setting: Setting) -> Iterator[Arms]:
    count = setting.choose(240, 96)
    yield compare(write_pictures(setting.folder, count, sizes=MIXED))


def compare(paths: list[Path]) -> Arms:
    """Return the two ways from files to pixels, in seconds of the core: other programs do not lengthen them."""
    import torch  # noqa: F401 - as in a training: where it is loaded, ours resizes with it
    from PIL import Image

    from model.data.images import decode_image

    def decode_as_usual() -> None:
        for path in paths:
            with Image.open(path) as image:
                image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)

    def decode_ours() -> None:
        for path in paths:
            decode_image(path, SIDE)

    return Arms(
        "images/s",
        {
            "deployer": rate(len(paths), decode_ours, time.process_time),
            "Pillow: open, convert, resize": rate(len(paths), decode_as_usual, time.process_time),
        },
    )
