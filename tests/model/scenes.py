"""Pictures with structure of all sizes, as photographs have it: what near duplicates are told by."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image

from model.data.images import Pixels


@cache
def draw_scene(seed: int, *, size: int = 96) -> Pixels:
    """Return blots of all sizes and colours as (size, size, RGB)."""
    rng = np.random.default_rng(seed)
    scene = np.zeros((size, size, 3))
    for cells in (3, 6, 12, 24, 48):
        blots = rng.normal(0, 60 / cells**0.5, (cells, cells, 3)) + rng.normal(0, 90 / cells**0.5, (cells, cells, 1))
        layers = [Image.fromarray(blots[..., k].astype(np.float32)).resize((size, size)) for k in range(3)]
        scene += np.stack([np.asarray(layer) for layer in layers], axis=-1)
    pixels = np.clip(scene + 120, 0, 255).astype(np.uint8)
    pixels.flags.writeable = False  # the same array goes to every caller
    return pixels
