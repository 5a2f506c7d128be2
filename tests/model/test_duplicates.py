from __future__ import annotations

import io
import time
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from scenes import draw_scene

from model.data.duplicates import NEIGHBOURS, find_near_duplicates, fingerprint, join_pairs
from model.data.images import Pixels

SIZE = 96


def _draw_chest(seed: int) -> Pixels:
    """Return what all pictures of one kind share, light and dark in the same places, with a little of its own."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    shared = 150 - 110 * np.exp(-(((np.abs(x) - 0.22) / 0.14) ** 2) - (y / 0.35) ** 2)
    return _to_pixels(shared[..., None] + 0.15 * (draw_scene(seed).mean(axis=-1, keepdims=True) - 120))


def _to_pixels(values: np.ndarray) -> Pixels:
    return np.clip(np.broadcast_to(values, (*values.shape[:2], 3)), 0, 255).astype(np.uint8)


def _save_again(image: Pixels, quality: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def _shrink(image: Pixels, side: int) -> Pixels:
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))


def _fingerprints(*images: Pixels) -> Pixels:
    return np.stack([fingerprint(image) for image in images])


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.copy(),
        lambda image: _save_again(image, 40),
        lambda image: _shrink(image, 48),
        lambda image: _to_pixels(image * 1.15),
        lambda image: _to_pixels(image - 15.0),
        lambda image: _to_pixels(image + np.random.default_rng(0).normal(0, 6, image.shape)),
        np.fliplr,
        np.flipud,
        lambda image: np.rot90(_save_again(image, 40)),
        lambda image: np.rot90(image, 2),
        lambda image: np.rot90(image, 3),
        lambda image: image.transpose(1, 0, 2),
        lambda image: np.rot90(image.transpose(1, 0, 2), 2),
    ],
    ids=[
        *("same", "saved again", "shrunk", "brighter", "darker", "noisy"),
        *("mirrored", "upside down", "turned left", "turned round", "turned right", "mirrored and turned", "and back"),
    ],
)
@pytest.mark.parametrize("draw", [draw_scene, _draw_chest])
def test_a_changed_copy_is_near_and_nothing_else_is(
    draw: Callable[[int], Pixels], change: Callable[[Pixels], Pixels]
) -> None:
    images = [draw(seed) for seed in range(40)]

    pairs = find_near_duplicates(_fingerprints(*images, *(change(image) for image in images)))

    assert {(i, j) for i, j, _ in pairs} == {(k, k + 40) for k in range(40)}
    assert all(0 <= distance <= 6 for *_, distance in pairs)


def test_pictures_of_one_kind_are_not_near() -> None:
    chests = [_draw_chest(seed) for seed in range(80)]
    # The premise: by the usual measure, the correlation of the pictures, they are nearly the same.
    small = np.stack([_shrink(chest, 16) for chest in chests]).reshape(80, -1)
    assert np.median(np.corrcoef(small)) > 0.9

    assert find_near_duplicates(_fingerprints(*chests)) == ()


def test_a_picture_like_its_own_mirror_image_is_no_pair() -> None:
    scene = draw_scene(12)

    assert find_near_duplicates(_fingerprints(_to_pixels((scene + scene[:, ::-1]) / 2), draw_scene(13))) == ()


def test_smooth_pictures_are_not_near() -> None:
    rng = np.random.default_rng(1)
    light = np.linspace(10, 60, SIZE)[:, None, None]
    black = [_to_pixels(rng.normal(6, 2, (SIZE, SIZE, 3))) for _ in range(5)]
    fog = [_to_pixels(light + rng.normal(0, 2, (SIZE, SIZE, 3))) for _ in range(5)]
    blank = [np.full((SIZE, SIZE, 3), level, dtype=np.uint8) for level in (0, 0, 128, 255)]

    assert find_near_duplicates(_fingerprints(*black, *fog, *blank)) == ()


def test_another_colour_is_another_picture() -> None:
    noise = np.random.default_rng(2).normal(0, 30, (SIZE, SIZE, 1)) + draw_scene(3).mean(axis=-1, keepdims=True) - 120
    red, blue = (_to_pixels(noise + np.array(colour)) for colour in ((180, 80, 80), (80, 80, 180)))

    assert find_near_duplicates(_fingerprints(red, blue)) == ()


def test_the_nearest_pair_comes_first() -> None:
    scene = draw_scene(4)
    rough = _to_pixels(scene + np.random.default_rng(0).normal(0, 40, scene.shape))

    pairs = find_near_duplicates(_fingerprints(rough, scene, scene))

    assert pairs[0] == (1, 2, 0)
    assert [distance for *_, distance in pairs] == sorted(distance for *_, distance in pairs)
    assert pairs[-1][2] > 0


def test_parts_leave_only_pairs_that_cross() -> None:
    scene, other = draw_scene(5), draw_scene(6)
    fingerprints = _fingerprints(scene, scene, scene, other, other)

    pairs = find_near_duplicates(fingerprints, parts=[0, 0, 1, 1, 1])

    assert [pair[:2] for pair in pairs] == [(0, 2), (1, 2)]


def test_every_leaked_image_is_found_among_hundreds_alike() -> None:
    scene = draw_scene(7)
    rng = np.random.default_rng(0)
    frames = [_to_pixels(scene + rng.normal(0, 3, scene.shape)) for _ in range(300)]
    parts = rng.integers(0, 2, 300)

    pairs = find_near_duplicates(_fingerprints(*frames), parts=parts)

    assert {place for pair in pairs for place in pair[:2]} == set(range(300))
    assert all(parts[i] != parts[j] for i, j, _ in pairs)


def test_a_still_scene_is_one_cluster_and_few_pairs() -> None:
    scene = draw_scene(8)
    rng = np.random.default_rng(0)
    frames = [_to_pixels(scene + rng.normal(0, 3, scene.shape)) for _ in range(500)]

    pairs = find_near_duplicates(_fingerprints(*frames, *(draw_scene(seed) for seed in range(100, 140))))

    assert len(pairs) <= 500 * NEIGHBOURS
    assert join_pairs(pair[:2] for pair in pairs) == (tuple(range(500)),)


def test_the_same_fingerprint_many_times_is_one_cluster() -> None:
    pairs = find_near_duplicates(np.repeat(_fingerprints(draw_scene(9)), 2000, axis=0))

    assert join_pairs(pair[:2] for pair in pairs) == (tuple(range(2000)),)


def test_twenty_thousand_are_compared_in_seconds() -> None:
    fingerprints = np.random.default_rng(0).integers(0, 256, (20_000, 16, 16, 3), dtype=np.uint8)
    fingerprints[7::2000] = fingerprints[3::2000]
    compared: list[int] = []
    started = time.process_time()

    pairs = find_near_duplicates(fingerprints, progress=compared.append)

    assert [pair[:2] for pair in pairs] == [(k, k + 4) for k in range(3, 20_000, 2000)]
    assert sum(compared) == 20_000
    # One second of one core; the Python loop that this guards against takes minutes.
    assert time.process_time() - started < 10


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65])
def test_few_pictures_are_compared_too(count: int) -> None:
    fingerprints = np.repeat(_fingerprints(draw_scene(10)), count, axis=0)

    assert len(join_pairs(pair[:2] for pair in find_near_duplicates(fingerprints))) == (count > 1)


def test_the_fingerprint_of_another_size_is_nearly_the_same() -> None:
    scene = draw_scene(11, size=256)

    difference = fingerprint(scene).astype(int) - fingerprint(_shrink(scene, 32))

    assert fingerprint(scene).nbytes * 8 >= 64
    assert np.abs(difference).mean() < 3


def test_pairs_join_to_clusters_largest_first() -> None:
    assert join_pairs([(5, 6), (1, 2), (9, 2), (1, 4)]) == ((1, 2, 4, 9), (5, 6))
    assert join_pairs([]) == ()
