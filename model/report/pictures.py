"""The pictures of the report: where the model was surest and wrong, and where it knew least, with what it looked at."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.data.images import read_image, shrink

if TYPE_CHECKING:
    from model.data.samples import Sample
    from model.inference.classifier import Classifier

SHOWN_MISTAKES = 12
SHOWN_UNSURE = 8

PICTURE_PIXELS = 280
# Twenty cases of two pictures each stay well under the 2 MB of a page that is mailed, whatever they show.
PICTURE_BYTES = 25_000

# What the gradient of a large network keeps of all pictures at once takes gigabytes; ResNet-152 keeps 0.2 GB of each.
EXPLAINED_AT_ONCE = 4

# Cividis (Nuñez et al., 2018) at five places: it grows in brightness all the way, for colour-blind eyes and for print.
CIVIDIS = ((0, 34, 78), (66, 78, 108), (124, 123, 120), (188, 175, 111), (254, 232, 56))
# How much of the colour covers the picture where the heat is 0, and where it is 1.
LEAST_COVER, MOST_COVER = 0.35, 0.75


@dataclass(frozen=True, kw_only=True)
class Case:
    """One picture worth a look, as JPEG; `heat` is the same picture under Grad-CAM, None where there is none."""

    name: str
    label: str
    predicted: str
    probability: float
    picture: bytes
    heat: bytes | None
    kind: str  # "mistake" or "unsure"


def choose_cases(
    samples: Sequence[Sample],
    probabilities: NDArray[np.floating[Any]],
    targets: Sequence[str],
    classes: Sequence[str],
    classifier: Classifier,
) -> list[Case]:
    """Return the surest mistakes, then the least certain answers; files that can no longer be read are passed over.

    `probabilities` is (N, classes), `targets` are the labels of the samples.
    """
    probabilities = np.asarray(probabilities)
    answers = probabilities.argmax(axis=1)
    is_wrong = np.array([classes[answer] != label for answer, label in zip(answers, targets, strict=True)], dtype=bool)
    best_two = np.sort(probabilities, axis=1)[:, -2:]
    # Stable: of equals the first comes first, on every machine.
    surest_first = np.argsort(-best_two[:, -1], kind="stable").tolist()
    closest_first = np.argsort(best_two[:, -1] - best_two[:, 0], kind="stable").tolist()

    size = classifier.decode_size
    mistakes = _read((place for place in surest_first if is_wrong[place]), samples, size, limit=SHOWN_MISTAKES)
    unsure = _read((place for place in closest_first if place not in mistakes), samples, size, limit=SHOWN_UNSURE)
    read = mistakes | unsure
    heats = _explain(classifier, [pixels for _, pixels in read.values()], [int(answers[place]) for place in read])
    return [
        Case(
            name=samples[place].name,
            label=targets[place],
            predicted=classes[answers[place]],
            probability=float(probabilities[place, answers[place]]),
            picture=encode_picture(picture),
            heat=None if heat is None else encode_picture(lay_over(picture, heat)),
            kind="mistake" if place in mistakes else "unsure",
        )
        for (place, (picture, _)), heat in zip(read.items(), heats, strict=True)
    ]


def encode_picture(picture: Image.Image) -> bytes:
    """Return a JPEG of at most PICTURE_BYTES, or the smallest there is of a picture that is all noise."""
    content = b""
    for quality in (85, 75, 60, 45, 30, 15):
        jpeg = io.BytesIO()
        picture.save(jpeg, "JPEG", quality=quality)
        content = jpeg.getvalue()
        if len(content) <= PICTURE_BYTES:
            break
    return content


def lay_over(picture: Image.Image, heat: NDArray[np.floating[Any]]) -> Image.Image:
    """Return a picture in grey under a heat (rows, columns) from 0 to 1, which grows yellow where it is high."""
    grey = np.asarray(picture.convert("L").convert("RGB"), dtype=np.float64)
    grown = Image.fromarray(heat.astype(np.float32)).resize(picture.size, Image.Resampling.BICUBIC)
    shares = np.clip(np.asarray(grown, dtype=np.float64), 0.0, 1.0)
    places = np.linspace(0.0, 1.0, len(CIVIDIS))
    colours = np.stack([np.interp(shares, places, channel) for channel in zip(*CIVIDIS, strict=True)], axis=-1)
    cover = (LEAST_COVER + (MOST_COVER - LEAST_COVER) * shares)[..., None]
    return Image.fromarray(((1.0 - cover) * grey + cover * colours).round().astype(np.uint8))


def _read(
    places: Iterable[int], samples: Sequence[Sample], size: int, *, limit: int
) -> dict[int, tuple[Image.Image, NDArray[np.uint8]]]:
    """Return up to `limit` pictures: small for people, and square for the network."""
    read: dict[int, tuple[Image.Image, NDArray[np.uint8]]] = {}
    for place in places:
        if len(read) == limit:
            break
        path = samples[place].path
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", module="PIL")  # about odd metadata; the picture is fine
                image = read_image(path, at_least=2 * max(size, PICTURE_PIXELS))
                read[place] = (_make_small(image), shrink(image, size))
        # Removed or changed since the training decoded it, when Pillow raises nearly anything; the report is worth more
        # than the picture.
        except Exception:  # noqa: S112
            continue
    return read


def _make_small(image: Image.Image) -> Image.Image:
    """Return a copy whose sides are at most PICTURE_PIXELS long, neither of them less than one."""
    picture = image.copy()
    picture.thumbnail((PICTURE_PIXELS, PICTURE_PIXELS))
    return picture


def _explain(
    classifier: Classifier, pixels: Sequence[NDArray[np.uint8]], answers: Sequence[int]
) -> list[NDArray[np.float32] | None]:
    """Return the heat of each picture; None where the network has no map of places, or no place speaks for the answer.

    Of an ensemble the first network is asked, and of its views the whole picture: the others look much alike.
    """
    # PyTorch takes seconds to import; a page that is only read again needs none of it.
    from model.report.gradcam import compute_heat

    heats: list[NDArray[np.float32] | None] = []
    for start in range(0, len(pixels), EXPLAINED_AT_ONCE):
        several = slice(start, start + EXPLAINED_AT_ONCE)
        maps = compute_heat(classifier.networks[0], classifier.prepare(np.stack(pixels[several])), answers[several])
        heats += [None] * len(pixels[several]) if maps is None else [heat if heat.any() else None for heat in maps]
    return heats
