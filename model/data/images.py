"""From files to pixels: every image decoded once, by threads (Pillow lets go of the interpreter), and kept as uint8."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from model.threads import count_cores

Pixels = NDArray[np.uint8]

# Only these decoders: Pillow knows formats that run other programs (EPS).
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")


@dataclass(frozen=True, kw_only=True)
class DecodedImages:
    """`pixels` is (image, height, width, RGB); `faults` says why a position holds no picture."""

    pixels: Pixels
    faults: dict[int, str]
    seconds: float


def decode_images(
    paths: Sequence[Path], size: int, *, progress: Callable[[int, float], None] | None = None
) -> DecodedImages:
    """Decode and shrink images to `size` by `size` pixels, whole, the aspect ratio given up.

    `progress` is called with the number done and the seconds gone, after each image, by the calling thread.
    """
    pixels = np.empty((len(paths), size, size, 3), dtype=np.uint8)
    started = time.perf_counter()
    faults = {}

    def decode_into(position: int) -> str:
        try:
            pixels[position] = decode_image(paths[position], size)
        # A damaged file makes Pillow raise nearly anything: OSError, SyntaxError, struct.error, zlib.error ...
        except Exception as error:
            return explain(error, paths[position])
        return ""

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # about odd metadata; the picture is fine
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        pool = ThreadPoolExecutor(max_workers=count_cores())
        try:
            for position, fault in enumerate(pool.map(decode_into, range(len(paths)))):
                if fault:
                    faults[position] = fault
                if progress:
                    progress(position + 1, time.perf_counter() - started)
        finally:
            pool.shutdown(cancel_futures=True)  # on Ctrl-C, what was not begun is not begun
    return DecodedImages(pixels=pixels, faults=faults, seconds=time.perf_counter() - started)


def decode_image(path: Path, size: int) -> Pixels:
    """Return one image as (size, size, RGB), upright as its EXIF data say; raises what Pillow raises."""
    with Image.open(path, formats=FORMATS) as image:
        # JPEG decodes to a fraction of its size for a fraction of the time; twice the target loses nothing visible.
        image.draft("RGB", (2 * size, 2 * size))
        image.load()
        upright = ImageOps.exif_transpose(image)
        return np.asarray(to_rgb(upright).resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0))


def to_rgb(image: Image.Image) -> Image.Image:
    """Return any image as RGB: 16 bits scaled down, transparency on white, CMYK and palettes converted."""
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        return _stretch(image)
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        # What is transparent has any colour; on white it looks as it does on a page.
        image = image.convert("RGBA")
        page = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(page, image).convert("RGB")
    return image.convert("RGB")


def explain(error: Exception, path: Path) -> str:
    """Say in a few words why an image cannot be read."""
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, PermissionError):
        return "may not be read"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"has more than {Image.MAX_IMAGE_PIXELS or 0:,} pixels"
    if path.is_file() and path.stat().st_size == 0:
        return "is empty"
    if isinstance(error, UnidentifiedImageError):
        return "is not an image"
    return "is damaged"


def _stretch(image: Image.Image) -> Image.Image:
    """Return a 16-bit, 32-bit or float image with its values mapped to 0-255; Pillow alone would clip them."""
    values = np.asarray(image, dtype=np.float64)
    values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    if image.mode.startswith("I") and values.min() >= 0 and values.max() <= 65535:
        scaled = values if values.max() <= 255 and image.mode == "I" else values / 257.0
    else:
        span = float(values.max() - values.min()) or 1.0
        scaled = (values - values.min()) * (255.0 / span)
    return Image.fromarray(scaled.round().astype(np.uint8)).convert("RGB")
