"""What one image file is before anything is made of it: format, colour mode, bits, size, and a digest of its bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from model.data.images import FORMATS, read_image

_CHUNK_BYTES = 1 << 20

# EXIF's orientation, and those of its values that lay an image on its side.
_ORIENTATION = 0x0112
_ON_ITS_SIDE = frozenset({5, 6, 7, 8})

_BITS = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I": 32, "F": 32}
_SUFFIXES = {
    "JPEG": {".jpg", ".jpeg", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".jfif", ".mpo"},
    "PNG": {".png"},
    "BMP": {".bmp"},
    "GIF": {".gif"},
    "WEBP": {".webp"},
    "TIFF": {".tif", ".tiff"},
}


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


def probe_image(path: Path) -> Probe:
    """Return what a file says of itself; one that cannot be read as an image has neither format nor size."""
    digest = hashlib.blake2b(digest_size=16)
    size_bytes = 0
    head = b""
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                head = head or chunk[:32]
                digest.update(chunk)
                size_bytes += len(chunk)
        with Image.open(path, formats=FORMATS) as image:
            turned = image.getexif().get(_ORIENTATION, 1)
            width, height = reversed(image.size) if turned in _ON_ITS_SIDE else image.size
            return Probe(
                size_bytes=size_bytes,
                digest=digest.digest(),
                format=image.format or "",
                mode=image.mode,
                bits=_find_bits(image, head),
                width=width,
                height=height,
                is_turned=turned != 1,
                frames=getattr(image, "n_frames", 1),
                is_suffix_wrong=path.suffix.lower() not in _SUFFIXES.get(image.format or "", {path.suffix.lower()}),
            )
    # A damaged file makes Pillow raise nearly anything; that it cannot be read is said where it is decoded.
    except Exception:
        return Probe(size_bytes=size_bytes, digest=digest.digest())


def digest_pixels(path: Path) -> bytes:
    """Return a digest of an image's size and upright RGB pixels: the same for a BMP and the PNG made of it."""
    pixels = read_image(path)
    digest = hashlib.blake2b(repr(pixels.size).encode(), digest_size=16)
    digest.update(np.asarray(pixels).tobytes())
    return digest.digest()


def _find_bits(image: Image.Image, head: bytes) -> int:
    """Return the bits of one channel as the file has them; Pillow's mode says 8 for PNG and TIFF of 48-bit colour."""
    if image.format == "PNG":
        return head[24]
    if image.format == "TIFF":
        bits = image.getexif().get(258, 0)
        return int(max(bits) if isinstance(bits, tuple) else bits) or _BITS.get(image.mode, 8)
    return _BITS.get(image.mode, 8)
