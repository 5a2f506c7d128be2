"""Grey images of more than eight bits as eight: by what the file says is white, so that all files of a set are alike.

Scaling each picture by its own darkest and lightest value would make an underexposed X-ray look like any other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Tags of TIFF: bits of a sample, whether zero is white or black, and whether whole numbers have a sign.
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_WHITE_IS_ZERO, _UNSIGNED, _SIGNED = 0, 1, 2


def scale_grey(image: Image.Image) -> NDArray[np.uint8]:
    """Return the values of a grey image of Pillow's modes I;16, I and F as (height, width), 0-255.

    1. Sixteen bits: 65,535 is white in every file; where a TIFF has fewer bits (12) or a sign, the largest number that
       they make.
    2. 32 bits and floats do not say what is white. Taken is the first of 1 (floats), 255 and 65,535 that no value
       exceeds.
    3. Where a value is larger or negative, the picture's own lowest and highest value are black and white.
    """
    tags = image.tag_v2 if hasattr(image, "tag_v2") else {}  # of TIFF only
    values = np.asarray(image)
    kind = tags.get(_SAMPLE_FORMAT, (0,))[0]
    if image.mode == "I" and kind == _UNSIGNED:
        values = values.view(np.uint32)
    bits = tags.get(_BITS, (16,))[0]
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        black, white = 0.0, 2.0**bits - 1.0
    elif kind == _SIGNED and bits <= 16:
        black, white = _find_range(values, (2.0 ** (bits - 1) - 1.0,))
    else:
        black, white = _find_range(values, (1.0, 255.0, 65_535.0) if image.mode == "F" else (255.0, 65_535.0))
    numbers = np.nan_to_num(values, nan=black, posinf=white, neginf=black)
    scaled = (numbers - black) * (255.0 / (white - black))
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        scaled = 255.0 - scaled
    return np.asarray(np.clip(scaled.round(), 0.0, 255.0), dtype=np.uint8)


def _find_range(values: NDArray[np.generic], whites: Sequence[float]) -> tuple[float, float]:
    """Return 0 and the first of `whites` that no value exceeds, or the lowest and the highest value."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    lowest, highest = float(finite.min()), float(finite.max())
    for white in whites:
        if lowest >= 0.0 and highest <= white:
            return 0.0, white
    return lowest, highest if highest > lowest else lowest + 1.0
