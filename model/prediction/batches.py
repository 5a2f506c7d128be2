"""Images to answers, batch by batch: while the network looks at one batch, threads decode the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from model.data.formats import explain_suffix
from model.data.images import DecodedImages, decode_images
from model.inference.classifies import Classifies
from model.prediction.table import Answer


def classify_in_batches(
    names: Sequence[str], root: Path, classifier: Classifies, *, batch_size: int
) -> Iterator[list[Answer]]:
    """Yield the answers for each batch of files, in their order; two batches of pixels are held at most."""

    def decode(start: int) -> DecodedImages:
        paths = [root / name for name in names[start : start + batch_size]]
        return decode_images(paths, classifier.decode_size)

    ahead = ThreadPoolExecutor(max_workers=1)
    try:
        coming = ahead.submit(decode, 0)
        for start in range(0, len(names), batch_size):
            decoded = coming.result()
            coming = ahead.submit(decode, start + batch_size)  # behind the last batch there is an empty one
            yield _answer(names[start : start + batch_size], decoded, classifier)
    finally:
        ahead.shutdown(cancel_futures=True)


def _answer(names: Sequence[str], decoded: DecodedImages, classifier: Classifies) -> list[Answer]:
    good = [k for k in range(len(names)) if k not in decoded.faults]
    # A copy only where something is missing.
    pixels = decoded.pixels if len(good) == len(names) else decoded.pixels[good]
    shares = iter(np.asarray(classifier.classify(pixels)).tolist() if good else [])
    return [
        Answer(name=name, fault=explain_suffix(name) or decoded.faults[k])
        if k in decoded.faults
        else Answer(name=name, shares=tuple(next(shares)))
        for k, name in enumerate(names)
    ]
