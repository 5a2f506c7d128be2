"""Images that are learnt from while they are read: the store that threads fill, its cache, and what a training sees."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.checkpoint import load_checkpoint
from model.config import TrainConfig, parse_train_arguments
from model.data import cache as caching
from model.data import dataset as loading
from model.data import feed
from model.data import store as storing
from model.data.cache import SUFFIX, NoRoom, PixelCache
from model.data.dataset import UnreadableImages, load_dataset
from model.data.images import Pixels, decode_or_explain
from model.data.store import PixelStore
from model.errors import DataError, Interrupted
from model.evaluation.results import EpochLog
from model.interruption import Interruption
from model.training import epochs
from model.training.batches import build_image_set
from model.training.fit import fit
from model.training.loop import Evaluation, evaluate
from model.training.resume import has_begun_with_more

DIGEST = "0" * 32


def _row(position: int) -> Pixels:
    return np.full((4, 4, 3), position, dtype=np.uint8)


def _store(count: int, fill: object = _row, order: Sequence[int] | None = None) -> PixelStore:
    return PixelStore(np.zeros((count, 4, 4, 3), dtype=np.uint8), fill, order or range(count))


def _config(folder: Path, *arguments: str) -> TrainConfig:
    return parse_train_arguments(
        ["--data", str(folder), "--output", str(folder.parent / "out"), "--image-size", "32", *arguments]
    )


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PixelCache:
    # The disk of the tests may have less to spare than a user's.
    monkeypatch.setattr(caching, "FREE_BYTES", 0)
    return PixelCache(folder=tmp_path / "cache", max_bytes=10_000)


def _keep(cache: PixelCache, digest: str = DIGEST, *, count: int = 3, bad: Sequence[int] = ()) -> Path:
    growing = cache.begin(digest, side=4, count=count)
    store = PixelStore(growing.pixels, _row, range(count))
    store.wait()
    growing.finish(store.checksums[: count - len(bad)], bad)
    growing.close()
    return cache.folder / f"{digest}{SUFFIX}"


def test_store_lets_who_needs_some_images_go_on_without_the_others() -> None:
    late = Event()

    def fill(position: int) -> Pixels:
        if position > 2:
            late.wait(30)
        return _row(position)

    store = _store(6, fill, [2, 0, 1, 5, 4, 3])
    assert store.wait([0, 1, 2])
    is_whole_too_soon = store.is_complete
    late.set()
    assert store.wait()
    store.close()

    assert not is_whole_too_soon
    assert store.is_complete
    assert store.pixels[:, 0, 0, 0].tolist() == store.means.tolist() == [0, 1, 2, 3, 4, 5]


def test_store_names_what_holds_no_picture_and_raises_what_ends_the_reading() -> None:
    store = _store(4, lambda position: "is empty" if position == 2 else _row(position))
    store.wait()
    assert store.faults == {2: "is empty"}

    def fail(position: int) -> Pixels:
        raise DataError(f"no {position}")

    with pytest.raises(DataError, match="no "):
        _store(4, fail).wait()


def test_end_of_a_store_does_not_wait_for_what_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "CLOSE_SECONDS", 0.01)
    come = Event()

    def fill(position: int) -> Pixels:
        come.wait()
        return _row(position)

    store = _store(4, fill)
    store.close()  # returns

    assert not store.wait(seconds=0)
    come.set()


def test_cache_gives_back_what_was_kept_and_nothing_else(cache: PixelCache) -> None:
    _keep(cache, count=4, bad=[1])

    kept = cache.find(DIGEST, side=4, count=4)

    assert kept is not None
    assert kept.bad == (1,)
    assert kept.pixels[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert cache.find("1" * 32, side=4, count=4) is None
    assert not list(cache.folder.glob("*.growing"))


@pytest.mark.parametrize("damage", ["cut", "empty", "tail", "other"])
def test_cache_removes_a_damaged_file(cache: PixelCache, damage: str) -> None:
    path = _keep(cache)
    content = path.read_bytes()
    changed = bytearray(content)
    changed[-30] ^= 1
    path.write_bytes({"cut": content[:100], "empty": b"", "tail": bytes(changed), "other": b"PIXELS 1" * 40}[damage])

    assert cache.find(DIGEST, side=4, count=3) is None
    assert not path.exists()


def test_a_damaged_image_of_a_cache_is_decoded_anew(cache: PixelCache) -> None:
    path = _keep(cache)
    content = bytearray(path.read_bytes())
    content[50] ^= 255  # of the second image
    path.write_bytes(content)
    kept = cache.find(DIGEST, side=4, count=3)
    assert kept is not None
    asked: list[int] = []

    def fill(position: int) -> Pixels:
        asked.append(position)
        return _row(position)

    store = PixelStore(kept.pixels, fill, range(3), checksums=kept.checksums)
    store.wait()

    assert asked == [1]
    assert store.pixels[1].tolist() == _row(1).tolist()
    assert path.read_bytes() == content  # others may be using it


def test_cache_is_bounded_and_what_was_not_used_for_longest_goes_first(cache: PixelCache) -> None:
    first, second = (_keep(cache, digit * 32, count=80) for digit in "12")
    os.utime(first, (1, 1))
    os.utime(second, (2, 2))
    assert cache.find("1" * 32, side=4, count=80) is not None  # which is a use

    third = _keep(cache, "3" * 32, count=80)

    assert first.exists()
    assert not second.exists()
    assert third.exists()
    with pytest.raises(NoRoom, match="--cache-gb"):
        cache.begin("4" * 32, side=4, count=300)  # more than all


def test_cache_counts_what_other_runs_are_filling(cache: PixelCache) -> None:
    filling = cache.begin("1" * 32, side=4, count=150)

    with pytest.raises(NoRoom):
        cache.begin("2" * 32, side=4, count=150)

    filling.close()
    cache.begin("2" * 32, side=4, count=150).close()


@pytest.mark.parametrize(
    ("options", "reason"),
    [(("--cache-gb", "0.00001"), "--cache-gb"), ((), "of its disk are free"), (("file",), "not a directory")],
)
def test_a_cache_that_is_not_kept_is_told(
    options: tuple[str, ...],
    reason: str,
    class_folders: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(caching, "FREE_BYTES", 1 << 60 if not options else 0)
    (tmp_path / "file").write_bytes(b"")
    place = tmp_path / "file" / "cache" if options == ("file",) else tmp_path / "cache"
    arguments = () if options == ("file",) else options

    dataset = load_dataset(_config(class_folders, "--cache", str(place), *arguments))

    assert len(dataset.pixels) == 40
    told = capsys.readouterr().out
    assert "note: decoded images are not kept for the next run" in told
    assert reason in told


def test_cache_leaves_the_disk_its_last_bytes(cache: PixelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = _keep(cache)
    monkeypatch.setattr(caching, "FREE_BYTES", 1 << 60)

    with pytest.raises(NoRoom, match="of its disk are free"):
        cache.begin("1" * 32, side=4, count=3)
    assert kept.exists()


def test_two_runs_that_fill_the_same_cache_do_not_meet(cache: PixelCache) -> None:
    first = cache.begin(DIGEST, side=4, count=3)
    (cache.folder / f"{'5' * 32}.1.growing").write_bytes(b"of a run that was killed")
    assert first is not None
    whole = _keep(PixelCache(folder=cache.folder, max_bytes=10_000), "6" * 32)

    first.pixels[:] = 7
    first.close()

    assert whole.exists()
    assert sorted(path.name for path in cache.folder.iterdir()) == [whole.name]


def test_two_runs_with_the_same_process_number_do_not_meet(cache: PixelCache) -> None:
    first, second = (cache.begin(DIGEST, side=4, count=3) for _ in range(2))  # as in two containers

    assert first is not None
    assert second is not None
    first.pixels[:], second.pixels[:] = 7, 8
    assert (first.pixels == 7).all()


def test_who_has_no_home_keeps_nothing(class_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", _fail_to_find_home)

    assert len(load_dataset(_config(class_folders)).samples) == 40
    assert caching.find_cache_folder().parts[:2] == ("/", ".cache")


def _fail_to_find_home() -> Path:
    raise RuntimeError("Could not determine home directory.")  # of a user that the system does not know


def test_a_second_run_decodes_nothing_and_says_so(
    class_folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = _config(class_folders, "--cache", str(tmp_path / "cache"))
    (class_folders / "red" / "red_07.png").write_bytes(b"")
    first = load_dataset(config)
    capsys.readouterr()

    second = load_dataset(config)

    told = capsys.readouterr()
    assert "39 decoded images of an earlier run" in told.out
    assert "red_07.png (is empty)" in told.err
    assert np.array_equal(first.pixels, second.pixels)
    assert first.splits == second.splits
    assert first.bad == second.bad


def test_changed_files_are_decoded_anew(class_folders: Path, tmp_path: Path, draw_image: object) -> None:
    config = _config(class_folders, "--cache", str(tmp_path / "cache"))
    load_dataset(config)
    path = class_folders / "blue" / "blue_03.png"
    (class_folders / "red" / "red_03.png").replace(path)
    draw_image(class_folders / "red" / "red_03.png", "red", seed=99)  # type: ignore[operator]

    again = load_dataset(config)

    position = [sample.name for sample in again.samples].index("blue/blue_03.png")
    assert again.pixels[position].mean(axis=(0, 1)).argmax() == 0  # red now


def test_another_folder_with_files_of_the_same_names_sizes_and_times_is_another_set(tmp_path: Path) -> None:
    for folder, colour in (("then", "red"), ("now", "green")):
        for label, number in product("ab", range(5)):
            path = tmp_path / folder / label / f"{number}.bmp"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(number).integers(0, 99, (40, 40, 3), dtype=np.uint8)
            noise[..., ("red", "green").index(colour)] += 100
            Image.fromarray(noise).save(path)
            os.utime(path, (1_000_000_000, 1_000_000_000))  # as an archive may leave it

    then, now = (load_dataset(_config(tmp_path / name, "--cache", str(tmp_path / "c"))) for name in ("then", "now"))

    assert then.pixels.mean(axis=(0, 1, 2)).argmax() == 0
    assert now.pixels.mean(axis=(0, 1, 2)).argmax() == 1


@pytest.mark.parametrize("has_fallocate", [True, False])
def test_images_that_memory_is_too_short_for_lie_in_a_file(
    class_folders: Path, monkeypatch: pytest.MonkeyPatch, has_fallocate: bool
) -> None:
    in_memory = load_dataset(_config(class_folders))
    monkeypatch.setattr(feed, "MEMORY_SHARE", 0)
    if not has_fallocate:
        monkeypatch.delattr(os, "posix_fallocate")  # macOS has none

    in_a_file = load_dataset(_config(class_folders))

    assert isinstance(in_a_file.pixels, np.memmap)
    assert np.array_equal(in_a_file.pixels, in_memory.pixels)


def test_a_small_local_set_leaves_nothing_behind(
    class_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))

    load_dataset(_config(class_folders))

    assert not (tmp_path / "home").exists()


def test_a_set_that_is_read_while_it_is_learnt_from_is_the_same_set(
    class_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "MEASURED", 5)
    config = _config(class_folders)
    whole = load_dataset(config)

    begun = load_dataset(config, is_streaming=True)
    ended = begun.complete()

    assert begun.loading is not None
    assert len(begun.measured) == 5
    assert (begun.measured, begun.splits, begun.samples) == (whole.measured, whole.splits, whole.samples)
    assert np.array_equal(ended.pixels, whole.pixels)
    assert (ended.leaks, ended.notes) == (whole.leaks, whole.notes)


def test_groups_that_leak_are_told_before_anything_is_learnt(
    draw_image: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loading, "MEASURED", 5)
    for label, dive, frame in product(("red", "blue"), range(5), range(4)):
        draw_image(tmp_path / "photos" / label / f"dive{dive}.mp4_{frame}.png", label, seed=4 * dive + frame)

    begun = load_dataset(_config(tmp_path / "photos"), is_streaming=True)
    told = capsys.readouterr().err
    ended = begun.complete()

    assert "in more than one part" in told
    assert "in more than one part" not in capsys.readouterr().err
    assert any("in more than one part" in note for note in ended.notes)


def test_an_image_that_turns_out_to_hold_no_picture_is_left_out_as_if_it_had_been_known(
    class_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(loading, "MEASURED", 5)
    config = _config(class_folders)
    begun = load_dataset(config, is_streaming=True)
    begun.close()
    last = next(k for k in begun.split.train if k not in begun.measured)
    begun.samples[last].path.write_bytes(b"")  # type: ignore[union-attr]
    known = load_dataset(config)

    surprised = load_dataset(config, is_streaming=True)
    data = build_image_set(
        surprised.pixels, surprised.targets, [127.0] * 3, [60.0] * 3, torch.device("cpu"), store=surprised.store
    )
    if surprised.loading is not None:
        with pytest.raises(UnreadableImages):
            data.load(torch.arange(len(surprised.samples)))
    ended = surprised.complete()

    assert [file.name for file in ended.bad] == [begun.samples[last].name]
    assert (ended.samples, ended.splits, ended.measured) == (known.samples, known.splits, known.measured)
    assert np.array_equal(ended.pixels, known.pixels)


def test_a_signal_is_obeyed_while_the_last_images_are_waited_for(
    class_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(class_folders, "--arch", "cnn", "--epochs", "2", "--batch-size", "12", "--device", "cpu")
    log = EpochLog(tmp_path / "metrics.jsonl")

    message = _stop_before_the_last_images(config, log, monkeypatch)

    assert "in epoch 1/2 after step 3 of 3; saved" in message
    assert log.epochs == []  # the epoch is told when it is gone on with


@pytest.mark.parametrize("change", ["test image broken", "other classes", "other images"])
def test_only_a_training_on_the_same_images_begins_again_when_some_hold_no_picture(
    class_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    config = _config(class_folders, "--arch", "cnn", "--epochs", "2", "--batch-size", "12", "--device", "cpu")
    with monkeypatch.context() as patches:
        _stop_before_the_last_images(config, EpochLog(tmp_path / "metrics.jsonl"), patches)
    if change == "test image broken":
        dataset = load_dataset(config)
        dataset.samples[dataset.split.test[0]].path.write_bytes(b"")  # type: ignore[union-attr]
    elif change == "other classes":
        (class_folders / "red").rename(class_folders / "rot")
        (class_folders / "rot" / "red_00.png").unlink()
    else:
        (class_folders / "red" / "red_00.png").unlink()

    checkpoint = load_checkpoint(config.checkpoints / "last.pt")

    assert has_begun_with_more(checkpoint, load_dataset(config)) == (change == "test image broken")


def _stop_before_the_last_images(config: TrainConfig, log: EpochLog, patches: pytest.MonkeyPatch) -> str:
    """Train until a signal comes, at the end of epoch one while the test images are not there; return the message."""
    whole, come, interruption = load_dataset(config), Event(), _Told()
    late = {whole.samples[position].path for position in whole.split.test}

    def decode(path: Path, size: int) -> Pixels | str:
        return decode_or_explain(path, size) if path not in late or come.wait(60) else "comes too late"

    def examine(*arguments: Any, **options: Any) -> Evaluation:
        evaluation = evaluate(*arguments, **options)
        interruption.is_told = True
        return evaluation

    patches.setattr(loading, "MEASURED", 5)
    patches.setattr(loading, "LOOK_SECONDS", 0.01)
    patches.setattr(feed, "decode_or_explain", decode)
    patches.setattr(epochs, "evaluate", examine)
    begun = load_dataset(config, is_streaming=True)
    with pytest.raises(Interrupted) as raised:
        fit(config, begun, log, interruption)
    come.set()
    begun.close()
    return raised.value.message


class _Told(Interruption):
    """A signal that comes when the test says so."""

    is_told = False

    @property
    def is_received(self) -> bool:
        return self.is_told
