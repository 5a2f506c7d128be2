from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from model.checkpoint import Checkpoint
from model.data.samples import Sample
from model.inference.classifier import Classifier
from model.networks.catalogue import build_network
from model.report.pictures import (
    PICTURE_BYTES,
    PICTURE_PIXELS,
    SHOWN_MISTAKES,
    SHOWN_UNSURE,
    choose_cases,
    encode_picture,
    lay_over,
)

Draw = Callable[..., Path]

CLASSES = ("a", "b")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    torch.manual_seed(0)
    checkpoint = Checkpoint(
        arch="cnn",
        classes=CLASSES,
        image_size=64,
        mean=(128.0, 128.0, 128.0),
        std=(64.0, 64.0, 64.0),
        states=(build_network("cnn", class_count=2, image_size=64).state_dict(),),
        training={},
    )
    return Classifier(checkpoint, device="cpu")


def _open(jpeg: bytes | None) -> Image.Image:
    assert jpeg is not None
    return Image.open(io.BytesIO(jpeg))


def _choose(folder: Path, draw: Draw, classifier: Classifier, shares: list[float], **options: Any) -> list[Any]:
    """Choose among pictures that are all "a", with the given probabilities of "b"."""
    samples = [
        Sample(name=f"{place}", place=str(draw(folder / f"{place}.png", seed=place, **options)), label="a")
        for place in range(len(shares))
    ]
    probabilities = np.array([[1.0 - share, share] for share in shares])
    return choose_cases(samples, probabilities, ["a"] * len(shares), CLASSES, classifier)


def test_choose_cases_shows_the_surest_mistakes_then_the_closest_answers(
    tmp_path: Path, draw_image: Draw, classifier: Classifier
) -> None:
    cases = _choose(tmp_path, draw_image, classifier, [0.1, 0.9, 0.51, 0.45, 0.99, 0.3])

    assert [(case.kind, case.name) for case in cases] == [
        ("mistake", "4"),
        ("mistake", "1"),
        ("mistake", "2"),
        ("unsure", "3"),
        ("unsure", "5"),
        ("unsure", "0"),
    ]
    assert (cases[0].label, cases[0].predicted, cases[0].probability) == ("a", "b", 0.99)


def test_choose_cases_shows_a_dozen_mistakes_and_eight_others(
    tmp_path: Path, draw_image: Draw, classifier: Classifier
) -> None:
    cases = _choose(tmp_path, draw_image, classifier, [0.9] * 15 + [0.4] * 10, size=(16, 16))

    kinds = [case.kind for case in cases]
    assert kinds == ["mistake"] * SHOWN_MISTAKES + ["unsure"] * SHOWN_UNSURE
    # Mistakes that found no room are not shown as unsure while there are closer answers.
    assert {int(case.name) for case in cases[SHOWN_MISTAKES:]} <= set(range(15, 25))


def test_choose_cases_passes_over_files_that_have_gone(
    tmp_path: Path, draw_image: Draw, classifier: Classifier
) -> None:
    good = draw_image(tmp_path / "good.png")
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(good.read_bytes()[:200])
    paths = [tmp_path / "gone.png", damaged, good]
    samples = [Sample(name=path.stem, place=str(path), label="a") for path in paths]

    cases = choose_cases(samples, np.array([[0.1, 0.9]] * 3), ["a"] * 3, CLASSES, classifier)

    assert [case.name for case in cases] == ["good"]


def test_choose_cases_stands_when_no_file_is_left(tmp_path: Path, classifier: Classifier) -> None:
    samples = [Sample(name="gone", place=str(tmp_path / "gone.png"), label="a")]

    assert choose_cases(samples, np.array([[0.1, 0.9]]), ["a"], CLASSES, classifier) == []


def test_pictures_are_upright_small_and_of_their_own_shape(tmp_path: Path, classifier: Classifier) -> None:
    picture = Image.new("RGB", (600, 300), "red")
    exif = picture.getexif()
    exif[0x0112] = 6  # held upright: to be turned by a quarter
    picture.save(tmp_path / "turned.jpg", exif=exif)
    samples = [Sample(name="turned", place=str(tmp_path / "turned.jpg"), label="a")]

    (case,) = choose_cases(samples, np.array([[0.1, 0.9]]), ["a"], CLASSES, classifier)

    assert _open(case.picture).size == (PICTURE_PIXELS // 2, PICTURE_PIXELS)
    assert case.heat is None or _open(case.heat).size == _open(case.picture).size


def test_encode_picture_keeps_noise_small() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (PICTURE_PIXELS, PICTURE_PIXELS, 3), dtype=np.uint8)

    jpeg = encode_picture(Image.fromarray(noise))

    assert len(jpeg) <= PICTURE_BYTES
    assert _open(jpeg).size == (PICTURE_PIXELS, PICTURE_PIXELS)


def test_lay_over_is_brightest_where_the_heat_is() -> None:
    heat = np.zeros((4, 4), dtype=np.float32)
    heat[0, 3] = 1.0

    covered = np.asarray(lay_over(Image.new("RGB", (200, 100), "grey"), heat).convert("L"), dtype=float)

    assert covered.shape == (100, 200)
    assert covered[:20, 160:].mean() > covered[60:, :100].mean() + 50
