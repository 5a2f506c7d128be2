"""From files to pixels: every image decoded once, by threads (decoders let go of the interpreter), and kept as uint8.

Plain JPEGs, which is nearly all there is, go through libjpeg-turbo by itself (simplejpeg) at a half, a quarter or an
eighth of their size where that suffices, and through PyTorch's resize where it is imported: 2.5 times as many as
Pillow does. All others, and all that is odd about a JPEG, are Pillow's: what it refuses is refused.
"""

from __future__ import annotations

import errno
import io
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from model.data.formats import explain_content
from model.data.greys import scale_grey
from model.data.listing import Place
from model.errors import DataError
from model.threads import count_cores

Pixels = NDArray[np.uint8]

# Only these decoders: Pillow knows formats that run other programs (EPS).
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")

# Changes when the same files give other pixels; decoded images of other versions are not used any more.
DECODER = f"3 simplejpeg {find_spec('simplejpeg') is not None} pillow {PIL.__version__}"

# The head of a JPEG: what it begins with, where EXIF and XMP are, and what comes after all such segments.
_JPEG_START = b"\xff\xd8\xff"
_APP1 = 0xE1
_FILL = 0xFF  # any number of them may stand before a marker
_PICTURE_MARKERS = frozenset({0xC0, 0xC1, 0xC2, 0xDA})  # a frame of one of the three usual kinds, or a scan
_PLAIN_COLOURS = frozenset({"YCbCr", "Gray", "RGB"})  # not CMYK, which Pillow knows to turn round

# A larger file is not read as a whole: what is no picture may have any size.
_MAX_BYTES = 1 << 28

# Futures are made for so many images at a time: a hundred thousand of them would weigh more than small pictures.
_SUBMITTED = 4096

# Tags of TIFF: whether each channel is a plane of its own, and how many bits a sample has.
_PLANAR_CONFIGURATION, _BITS_PER_SAMPLE = 284, 258
_SEPARATE = 2

# What EXIF's orientation asks for to see the picture upright.
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadableImage(Exception):
    """An image that is refused by us, not by Pillow; the message is the reason, as in `a.tif (is ...)`."""


@dataclass(frozen=True, kw_only=True)
class DecodedImages:
    """`pixels` is (image, height, width, RGB); `faults` says why a position holds no picture."""

    pixels: Pixels
    faults: dict[int, str]
    seconds: float


def decode_images(
    paths: Sequence[Place], size: int, *, progress: Callable[[int, float], None] | None = None
) -> DecodedImages:
    """Decode and shrink images to `size` by `size` pixels, whole, the aspect ratio given up.

    `progress` is called with the number done and the seconds gone, after each image, by the calling thread.
    """
    pixels = np.empty((len(paths), size, size, 3), dtype=np.uint8)
    started = time.perf_counter()
    faults = {}

    def decode_into(position: int) -> str:
        decoded = decode_or_explain(paths[position], size)
        if isinstance(decoded, str):
            return decoded
        pixels[position] = decoded
        return ""

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # about odd metadata; the picture is fine
        pool = ThreadPoolExecutor(max_workers=count_cores())
        try:
            for start in range(0, len(paths), _SUBMITTED):
                batch = range(start, min(start + _SUBMITTED, len(paths)))
                for position, fault in zip(batch, pool.map(decode_into, batch), strict=True):
                    if fault:
                        faults[position] = fault
                    if progress:
                        progress(position + 1, time.perf_counter() - started)
        finally:
            pool.shutdown(cancel_futures=True)  # on Ctrl-C, what was not begun is not begun
    return DecodedImages(pixels=pixels, faults=faults, seconds=time.perf_counter() - started)


def import_resize() -> None:
    """Import what shrinks decoded JPEGs fastest, where it is installed; what is decoded after that is shrunk by it."""
    with suppress(ImportError):
        import torch  # noqa: F401


def decode_or_explain(path: Place, size: int) -> Pixels | str:
    """Return one file as `decode_bytes` does, or why it cannot be; raises DataError where its bucket is at fault."""
    try:
        return decode_image(path, size)
    except (MemoryError, DataError):
        raise  # not the file's fault: memory, or the bucket that it is in
    # A damaged file makes Pillow raise nearly anything: OSError, SyntaxError, struct.error, zlib.error ...
    except Exception as error:
        return explain(error, path)


def decode_image(path: Place, size: int) -> Pixels:
    """Return one file as `decode_bytes` does; raises what `read_image` raises."""
    if isinstance(path, Path):
        _refuse_what_is_no_file(path)
        if path.stat().st_size > _MAX_BYTES:
            return shrink(read_image(path, at_least=2 * size), size)
    return decode_bytes(path.read_bytes(), size)


def decode_bytes(data: bytes, size: int) -> Pixels:
    """Return the content of an image file as (size, size, RGB), upright; raises UnreadableImage or as Pillow."""
    decoded = _decode_plain_jpeg(data, size)
    if decoded is None:
        # JPEG decodes to a fraction of its size for a fraction of the time; twice the target loses nothing visible.
        return shrink(_read(io.BytesIO(data), at_least=2 * size), size)
    # PyTorch's resize is Pillow's with the vector units of the CPU: a third of the time, and the same but for rounding.
    by_torch = "torch" in sys.modules
    pixels = _shrink_by_torch(decoded, size) if by_torch else shrink(Image.fromarray(decoded), size)
    turn = _find_turn_of_jpeg(data) if _has_metadata(data) else None
    return pixels if turn is None else np.asarray(Image.fromarray(pixels).transpose(turn))


def read_image(path: Place, *, at_least: int = 0) -> Image.Image:
    """Return an image as RGB, upright as its EXIF data say, the first of several; raises UnreadableImage or as Pillow.

    With `at_least` it may come smaller than it is, but no side smaller than that.
    """
    _refuse_what_is_no_file(path)
    with path.open("rb") as file:
        return _read(file, at_least=at_least)


def shrink(image: Image.Image, size: int) -> Pixels:
    """Return an RGB image as (size, size, RGB), whole, the aspect ratio given up; for arrays, Image.fromarray first."""
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0))


def to_rgb(image: Image.Image) -> Image.Image:
    """Return any image as RGB: 16 bits scaled down, transparency on white, CMYK and palettes converted."""
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        return Image.fromarray(scale_grey(image)).convert("RGB")
    if image.mode == "LAB":
        raise UnreadableImage("has LAB colours, which are not read here: save it as RGB")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        # What is transparent has any colour; on white it looks as it does on a page.
        image = image.convert("RGBA")
        page = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(page, image).convert("RGB")
    return image.convert("RGB")


def explain(error: Exception, path: Place) -> str:
    """Say in a few words why an image cannot be read."""
    if isinstance(error, UnreadableImage):
        return str(error)
    if isinstance(error, OSError) and (isinstance(error, FileNotFoundError) or error.errno == errno.ELOOP):
        return "is a link that leads nowhere" if path.is_symlink() else "does not exist"
    if isinstance(error, PermissionError):
        return "may not be read"
    if isinstance(error, Image.DecompressionBombError):
        return f"has more than {Image.MAX_IMAGE_PIXELS or 0:,} pixels"
    try:
        with path.open("rb") as file:
            start = file.read(256)
    except OSError:
        return "cannot be read"
    if not start:
        return "is empty"
    if isinstance(error, UnidentifiedImageError):
        return explain_content(start) or "is not an image"
    return "is damaged"


def _refuse_what_is_no_file(path: Place) -> None:
    """Raise UnreadableImage for folders and pipes: opening a pipe would wait for ever."""
    if path.exists() and not path.is_file():
        raise UnreadableImage("is a folder" if path.is_dir() else "is not a file")


def _read(file: BinaryIO, *, at_least: int) -> Image.Image:
    with Image.open(file, formats=FORMATS) as image:
        if image.width * image.height > (Image.MAX_IMAGE_PIXELS or 0):
            raise Image.DecompressionBombError
        if _is_planar_and_deep(image):
            raise UnreadableImage("is a TIFF with planes of 16 bits, which is not read here: save it as PNG")
        if at_least:
            image.draft("RGB", (at_least, at_least))
        image.load()
        turn = _find_turn(image)  # after load(), which turns TIFF
        rgb = to_rgb(image)
        return rgb if turn is None else rgb.transpose(turn)


def _decode_plain_jpeg(data: bytes, size: int) -> Pixels | None:
    """Return a JPEG as RGB, no side smaller than `size` unless it was; None for all that Pillow had better look at."""
    decoder = _find_jpeg_decoder()
    if decoder is None or not data.startswith(_JPEG_START):
        return None
    try:
        height, width, colours, _ = decoder.decode_jpeg_header(data)
        if colours not in _PLAIN_COLOURS or height * width > (Image.MAX_IMAGE_PIXELS or 0):
            return None
        # Other fractions than these have no vector code in libjpeg-turbo: 5/8 takes longer than the whole.
        part = next((part for part in (8, 4, 2) if min(height, width) >= part * size), 1)
        pixels: Pixels = decoder.decode_jpeg(data, "RGB", min_height=-(-height // part), min_width=-(-width // part))
    # What it finds fault with may be harmless, or not: Pillow decides.
    except (ValueError, RuntimeError):
        return None
    return pixels


def _has_metadata(data: bytes) -> bool:
    """Say whether a JPEG may say that it lies on its side: whether EXIF or XMP come before the picture."""
    place = 2
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2]:
        kind = data[place + 1]
        if kind == _FILL:
            place += 1
            continue
        if kind in _PICTURE_MARKERS or kind == _APP1:
            return kind == _APP1
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return False


def _find_turn_of_jpeg(data: bytes) -> Image.Transpose | None:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:  # reads no more than the head
        return _find_turn(image)


def _shrink_by_torch(pixels: Pixels, size: int) -> Pixels:
    import torch
    from torch.nn.functional import interpolate

    image = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)
    resized = interpolate(image, (size, size), mode="bilinear", antialias=True)
    return resized.permute(0, 2, 3, 1)[0].numpy()


@cache
def _find_jpeg_decoder() -> ModuleType | None:
    try:
        import simplejpeg
    except ImportError:  # an extra: Pillow does its work
        return None
    module: ModuleType = simplejpeg
    return module


def _is_planar_and_deep(image: Image.Image) -> bool:
    """Say whether Pillow (13.0) would make noise of a TIFF: it reads planes of 16 bits as if they had 8."""
    tags = image.tag_v2 if hasattr(image, "tag_v2") else {}
    return tags.get(_PLANAR_CONFIGURATION) == _SEPARATE and max(tags.get(_BITS_PER_SAMPLE, (1,))) > 8


def _find_turn(image: Image.Image) -> Image.Transpose | None:
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    # Damaged metadata make Pillow raise nearly anything; the picture is fine.
    except Exception:
        return None
