"""What one image file is before anything is made of it: format, colour mode, bits, size, and a digest of its bytes."""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from model.data.images import FORMATS, read_image
from model.data.listing import Place
from model.threads import count_cores

_CHUNK_BYTES = 1 << 20

# EXIF's orientation, its values for an image that is turned or mirrored, and for one that lies on its side.
_ORIENTATION = 0x0112
_TURNED = frozenset(range(2, 9))
_ON_ITS_SIDE = frozenset({5, 6, 7, 8})

# TIFF's tag for the bits of each channel.
_BITS_PER_SAMPLE = 258

_BITS = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I": 32, "F": 32}
_SUFFIXES = {
    "JPEG": {".jpg", ".jpeg", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".jfif"},
    "PNG": {".png"},
    "BMP": {".bmp"},
    "GIF": {".gif"},
    "WEBP": {".webp"},
    "TIFF": {".tif", ".tiff"},
}

# What a camera's JPEG with a small copy for its display is to Pillow.
_FORMATS = {"MPO": "JPEG"}

_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """One file; `mode` is Pillow's, width and height are those of the upright image, format "" is none we read."""

    size_bytes: int
    digest: bytes
    format: str = ""
    mode: str = ""
    bits: int = 0
    width: int = 0
    height: int = 0
    is_turned: bool = False
    frames: int = 1
    is_suffix_wrong: bool = False


def probe_images(paths: Sequence[Place]) -> list[Probe]:
    """Return what files say of themselves; one that cannot be read as an image has neither format nor size."""
    return _map(_probe, paths)


def digest_pixels(paths: Sequence[Place], *, progress: Callable[[], None]) -> list[bytes]:
    """Return digests of size and upright RGB pixels: the same for a BMP and the PNG made of it.

    `progress` is called after each. The images must be readable; raises what `read_image` raises.
    """
    return _map(_digest_pixels, paths, progress=progress)


def _map(
    work: Callable[[Place], _Result], paths: Sequence[Place], *, progress: Callable[[], None] | None = None
) -> list[_Result]:
    results = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # about odd metadata; the picture is fine
        pool = ThreadPoolExecutor(max_workers=count_cores())
        try:
            for result in pool.map(work, paths):
                results.append(result)
                if progress:
                    progress()
        finally:
            pool.shutdown(cancel_futures=True)  # on Ctrl-C, what was not begun is not begun
    return results


def _probe(path: Place) -> Probe:
    digest = hashlib.blake2b(digest_size=16)
    size_bytes = 0
    head = b""
    if not path.is_file():  # opening a pipe would wait for ever
        return Probe(size_bytes=0, digest=b"")
    # A damaged file makes Pillow raise nearly anything; that it cannot be read is said where it is decoded.
    with contextlib.suppress(Exception):
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                head = head or chunk[:32]
                digest.update(chunk)
                size_bytes += len(chunk)
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            orientation = _read(lambda: image.getexif().get(_ORIENTATION, 1), otherwise=1)
            upright = image.size[::-1] if orientation in _ON_ITS_SIDE and image.format != "TIFF" else image.size
            return Probe(
                size_bytes=size_bytes,
                digest=digest.digest(),
                format=_FORMATS.get(image.format or "", image.format or ""),
                mode=image.mode,
                bits=_find_bits(image, head),
                width=upright[0],
                height=upright[1],
                is_turned=orientation in _TURNED,
                # A camera's MPO holds a small copy for its display.
                frames=_read(lambda: getattr(image, "n_frames", 1), otherwise=1) if image.format != "MPO" else 1,
                is_suffix_wrong=path.suffix.lower() not in _SUFFIXES.get(image.format or "", {path.suffix.lower()}),
            )
    return Probe(size_bytes=size_bytes, digest=digest.digest())


def _digest_pixels(path: Place) -> bytes:
    image = read_image(path)
    digest = hashlib.blake2b(repr(image.size).encode(), digest_size=16)
    digest.update(np.asarray(image).tobytes())
    return digest.digest()


def _find_bits(image: Image.Image, head: bytes) -> int:
    """Return the bits of one channel as the file has them; Pillow's mode says 8 for PNG and TIFF of 48-bit colour."""
    if image.format == "PNG":
        return head[24]
    if image.format == "TIFF":
        bits = _read(lambda: image.getexif().get(_BITS_PER_SAMPLE, 0), otherwise=0)
        return int(max(bits) if isinstance(bits, tuple) else bits) or _BITS.get(image.mode, 8)
    return _BITS.get(image.mode, 8)


def _read(question: Callable[[], Any], *, otherwise: int) -> Any:
    """Return an answer from the metadata; damaged ones make Pillow raise nearly anything."""
    try:
        return question()
    except Exception:
        return otherwise
