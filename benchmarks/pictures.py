"""Pictures to measure with, made here: noise of 1/f, as photographs have it, saved as JPEG of quality 85."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

QUALITY = 85
# Brightness varies by so much, of 255. A picture of 320 px then takes 40 KB, one of 1080p 700 KB, as photographs do.
DEVIATION = 34.0
# How much of a picture's variation its three channels share.
GREYNESS = 0.9


def draw_noise(width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """Return a picture (height, width, RGB)."""
    generator = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    planes = []
    for _ in range(4):
        plane = np.fft.irfft2(np.fft.rfft2(generator.standard_normal((height, width))) / frequency, (height, width))
        planes.append(plane / plane.std())
    grey, *colours = planes
    channels = [GREYNESS * grey + (1 - GREYNESS) * colour for colour in colours]
    return np.clip(np.stack(channels, axis=-1) * DEVIATION + 128, 0, 255).astype(np.uint8)


@lru_cache(maxsize=256)
def encode_noise(width: int, height: int, seed: int) -> bytes:
    """Return a picture as JPEG."""
    file = io.BytesIO()
    Image.fromarray(draw_noise(width, height, seed)).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def add_comment(jpeg: bytes, text: str) -> bytes:
    """Return a JPEG with a comment behind its first marker."""
    comment = text.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def write_pictures(
    folder: Path, count: int, *, sizes: tuple[tuple[int, int], ...], classes: int = 2, different: int = 24
) -> list[Path]:
    """Write pictures into one folder per class, the sizes in turn; only so many differ, which no decoder notices.

    Each has its number as a comment of the JPEG, so that no two files are the same.
    """
    paths = []
    for number in range(count):
        path = folder / f"class{number % classes}" / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn = number % different
        path.write_bytes(add_comment(encode_noise(*sizes[drawn % len(sizes)], drawn), f"{number:06}"))
        paths.append(path)
    return paths
