from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.config import TrainConfig, parse_train_arguments
from model.data.dataset import load_dataset
from model.data.images import decode_image
from model.errors import DataError
from model.progress import every

Draw = Callable[..., Path]
WriteTargets = Callable[..., Path]


def _config(folder: Path, *arguments: str) -> TrainConfig:
    return parse_train_arguments(
        ["--data", str(folder), "--output", str(folder.parent / "out"), "--image-size", "32", *arguments]
    )


def _scene(seed: int) -> Image.Image:
    """Return a picture with structure of its own at all sizes, unlike noise, which shrinking takes away."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((48, 48), Image.Resampling.BICUBIC)


def _draw_scenes(folder: Path, names: Sequence[str]) -> Path:
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _scene(seed).save(folder / name)
    return folder


def test_dataset_holds_pixels_targets_and_a_split(class_folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = _config(class_folders)

    dataset = load_dataset(config)

    size = config.decode_size
    assert dataset.pixels.shape == (40, size, size, 3)
    assert dataset.classes == ("blue", "red")
    assert [dataset.classes[target] for target in dataset.targets] == [sample.label for sample in dataset.samples]
    assert np.array_equal(dataset.pixels[7], decode_image(dataset.samples[7].path, size))
    assert [len(dataset.split.train), len(dataset.split.validation), len(dataset.split.test)] == [32, 4, 4]
    assert "40 images in 2 classes (labels from class folders)" in capsys.readouterr().out


def test_dataset_has_a_split_for_each_fold(class_folders: Path) -> None:
    dataset = load_dataset(_config(class_folders, "--folds", "4"))

    assert len(dataset.splits) == 4
    assert sorted(k for split in dataset.splits for k in split.test) == list(range(40))


def test_dataset_goes_without_broken_images_and_names_them(
    class_folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (class_folders / "red" / "red_07.png").write_text("no picture")
    config = _config(class_folders)

    dataset = load_dataset(config)

    assert "1 image cannot be read and will be skipped: red/red_07.png (is not an image)" in capsys.readouterr().err
    assert [str(file) for file in dataset.bad] == ["red/red_07.png (is not an image)"]
    assert len(dataset.samples) == len(dataset.pixels) == 39
    for sample, pixels in zip(dataset.samples, dataset.pixels, strict=True):
        assert np.array_equal(pixels, decode_image(sample.path, config.decode_size))
    assert sorted([*dataset.split.train, *dataset.split.validation, *dataset.split.test]) == list(range(39))


def test_a_class_of_which_too_little_can_be_read_is_an_error(class_folders: Path, draw_image: Draw) -> None:
    for number in range(3):
        draw_image(class_folders / "rare" / f"{number}.png", "green")
    (class_folders / "rare" / "0.png").write_bytes(b"")

    with pytest.raises(DataError, match="Class 'rare' has 2 images"):
        load_dataset(_config(class_folders))


def test_a_split_that_cannot_be_is_told_before_an_image_is_decoded(
    write_targets: WriteTargets, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(f"{k:02d}.png", "red" if k % 2 else "blue", "only" if k % 2 else f"g{k}") for k in range(40)]

    with pytest.raises(DataError, match=r"Class 'red' has 20 images in 1 group \(only\)"):
        load_dataset(_config(write_targets(rows)))

    assert "decoded" not in capsys.readouterr().out


def test_single_images_of_grouped_data_are_warned_about_with_the_leak_counted(
    write_targets: WriteTargets, capsys: pytest.CaptureFixture[str]
) -> None:
    # Ten groups of four, which cannot all be in one part each, and ten images that are alone.
    rows = [(f"{k:02d}.png", "red" if k % 2 else "blue", f"g{k // 4}" if k < 40 else "") for k in range(50)]
    project = write_targets(rows)

    dataset = load_dataset(_config(project, "--split", "image"))

    parts = {k: name for name in ("train", "validation", "test") for k in getattr(dataset.split, name)}
    groups = [{parts[k] for k in range(first, first + 4)} for first in range(0, 40, 4)]
    leaked = sum(len(group) > 1 for group in groups)
    assert leaked > 0
    assert (dataset.leaks.groups, dataset.leaks.leaked_groups, dataset.leaks.leaked_images) == (10, leaked, 4 * leaked)
    assert f"{leaked} of 10 groups, {4 * leaked} images in all, are in more than one part" in capsys.readouterr().err
    assert "Leave --split image out" in dataset.notes[0]


def test_whole_groups_leak_nothing(write_targets: WriteTargets, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(f"{k:02d}.png", "red" if k % 2 else "blue", f"g{k // 4}") for k in range(40)]

    dataset = load_dataset(_config(write_targets(rows)))

    assert (dataset.leaks.groups, dataset.leaks.leaked_groups, dataset.leaks.leaked_images) == (10, 0, 0)
    assert "more than one part" not in capsys.readouterr().err


def test_groups_that_only_the_names_tell_of_are_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{'fish' if k % 2 else 'sand'}/dive{k % 4}.mp4_{k}.png" for k in range(40)]
    folder = _draw_scenes(tmp_path / "data", names)

    dataset = load_dataset(_config(folder))

    assert (dataset.leaks.groups, dataset.leaks.leaked_groups, dataset.leaks.leaked_images) == (4, 4, 40)
    warning = capsys.readouterr().err
    assert "frames of videos" in warning
    assert r"Pass --group-from '(.*)\.mp4_\d+'" in warning


def test_groups_from_names_keep_dives_whole(tmp_path: Path) -> None:
    names = [f"{'fish' if k % 2 else 'sand'}/dive{k // 4}.mp4_{k}.png" for k in range(40)]
    folder = _draw_scenes(tmp_path / "data", names)

    dataset = load_dataset(_config(folder, "--group-from", r"(.*)\.mp4_\d+"))

    assert (dataset.leaks.groups, dataset.leaks.leaked_groups) == (10, 0)
    for part in (dataset.split.train, dataset.split.validation, dataset.split.test):
        assert len(part) == 4 * len({dataset.samples[k].group for k in part})


@pytest.mark.parametrize(("arguments", "parts"), [((), {"train", "validation", "test"}), (("--folds", "3"), None)])
def test_near_duplicates_across_parts_are_found_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], parts: set[str] | None
) -> None:
    names = [f"{'fish' if k % 2 else 'sand'}/{k:02d}.png" for k in range(40)]
    folder = _draw_scenes(tmp_path / "data", names)
    first = load_dataset(_config(folder, *arguments))
    assert first.leaks.near_duplicates == ()
    # The copy of a training image, saved again and smaller, goes where a test image is.
    there = {k: number for number, split in enumerate(first.splits) for k in split.test}
    twin = names.index(first.samples[first.splits[0].test[0]].name)
    other = next(k for k in first.splits[0].train if there.get(k) != 0)
    source = names.index(first.samples[other].name)
    _scene(source).resize((40, 40)).convert("RGB").save(folder / names[twin], format="JPEG", quality=85)
    capsys.readouterr()

    dataset = load_dataset(_config(folder, *arguments))

    (pair,) = dataset.leaks.near_duplicates
    assert {pair.first, pair.second} == {names[source], names[twin]}
    assert len(set(pair.parts)) == 2
    assert set(pair.parts) <= (parts or {"fold 1", "fold 2", "fold 3"})
    assert f"{pair.first} ({pair.parts[0]}) and {pair.second} ({pair.parts[1]})" in capsys.readouterr().err


def test_smooth_copies_across_parts_are_found(tmp_path: Path) -> None:
    names = [f"{'fish' if k % 2 else 'sand'}/{k:02d}.png" for k in range(40)]
    folder = _draw_scenes(tmp_path / "data", names)
    for name in names[:30]:
        Image.new("RGB", (48, 48), (10, 30, 60)).save(folder / name)

    dataset = load_dataset(_config(folder))

    pairs = dataset.leaks.near_duplicates
    smooth = {sample.name for sample in dataset.samples if sample.name in names[:30]}
    examined = {dataset.samples[k].name for k in (*dataset.split.validation, *dataset.split.test)}
    assert len(pairs) == len(examined & smooth) > 0
    assert {name for pair in pairs for name in (pair.first, pair.second)} >= examined & smooth
    assert all(pair.distance == 0 and "train" in pair.parts for pair in pairs)


def test_images_that_are_all_one_picture_are_refused(tmp_path: Path) -> None:
    source = _draw_scenes(tmp_path, ["one.png"]) / "one.png"
    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(10):
            shutil.copy(source, tmp_path / "data" / label / f"{number}.png")

    with pytest.raises(DataError, match="All 20 images hold the same picture"):
        load_dataset(_config(tmp_path / "data"))


def test_images_that_are_nearly_black_are_warned_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(20):
        values = np.random.default_rng(number).integers(0, 4096, (40, 40), dtype=np.uint16)  # 12 bits in 16
        path = tmp_path / "data" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(path)

    dataset = load_dataset(_config(tmp_path / "data"))

    assert dataset.pixels.max() <= 4095 / 257 + 1
    assert "12-bit values" in capsys.readouterr().err
    assert "12-bit values" in dataset.notes[0]


def test_more_pixels_than_memory_are_an_error(class_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    # Mocks, because a machine that is too small cannot be had: this one has a page of a hundred bytes and a full disk.
    monkeypatch.setattr(os, "sysconf", lambda name: 100 if name == "SC_PAGE_SIZE" else 1)
    monkeypatch.setattr(os, "posix_fallocate", refuse)

    with pytest.raises(DataError, match=r"40 images at \d+ pixels need 0\.0 GB") as raised:
        load_dataset(_config(class_folders))

    assert "--image-size" in raised.value.hint


def test_every_says_yes_once_in_so_many_seconds() -> None:
    clock = iter([0.0, 1.0, 4.9, 5.0, 9.0, 10.0, 30.0, 31.0])
    is_due = every(5.0, clock=lambda: next(clock))

    assert [is_due() for _ in range(7)] == [False, False, True, False, True, True, False]
