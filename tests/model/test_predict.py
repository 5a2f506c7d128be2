"""`python -m model.predict`, most of it with a classifier that looks at the brightness alone."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brightness import CLASSES, Brightness, make_work
from numpy.typing import NDArray
from PIL import Image
from video_files import write_video

from model.checkpoint import Checkpoint, save_checkpoint
from model.console import run
from model.data.images import Pixels, decode_images
from model.errors import CheckpointError, DataError, Interrupted, UsageError
from model.networks.catalogue import build_network
from model.predict import Work, fill_table, main, predict
from model.prediction.config import PredictConfig, parse_predict_arguments

ROOT = Path(__file__).parents[2]


class Stopping(Brightness):
    """Is interrupted at the batch with this number."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self._batch = batch

    def classify(self, pixels: Pixels) -> NDArray[np.float64]:
        if len(self.seen) == self._batch:
            raise Interrupted(signal.SIGINT)
        return super().classify(pixels)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten pictures from black to white in two dives, and one that is none, in the working folder."""
    folder = tmp_path / "photos"
    for number in range(10):
        path = folder / f"dive{number % 2}" / f"frame_{number // 2}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10), (number * 28,) * 3).save(path)
    (folder / "dive0" / "broken.png").write_text("not an image")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model, which finds everything light: the last layer's bias is all that is not zero."""
    network = build_network("cnn", class_count=2, image_size=32)
    state = {name: torch.zeros_like(weight) for name, weight in network.state_dict().items()}
    state[list(state)[-1]] = torch.tensor([0.0, 2.0])
    path = tmp_path_factory.mktemp("model") / "model.pt"
    checkpoint = Checkpoint(
        arch="cnn", classes=CLASSES, image_size=32, mean=(127.0,) * 3, std=(64.0,) * 3, states=(state,)
    )
    save_checkpoint(path, checkpoint)
    return path


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_predict_writes_a_row_for_each_image_and_lists_what_it_skipped(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_table(Path("out.csv"), make_work(Brightness()))

    rows = _read(Path("out.csv"))
    assert list(rows[0]) == ["filename", "label", "probability", "p_dark", "p_light"]
    assert [row["filename"] for row in rows] == [f"dive{dive}/frame_{k}.png" for dive in (0, 1) for k in range(5)]
    assert [row["label"] for row in rows] == ["dark"] * 3 + ["light"] * 2 + ["dark"] * 2 + ["light"] * 3
    assert _read(Path("out.skipped.csv")) == [{"filename": "dive0/broken.png", "reason": "is not an image"}]
    assert sorted(path.name for path in Path().iterdir()) == ["out.csv", "out.skipped.csv", "photos"]
    told = capsys.readouterr()
    assert "10 images classified; results in out.csv" in told.out
    assert "1 image cannot be read and will be skipped: dive0/broken.png (is not an image)" in told.err


def test_predict_names_a_format_that_is_not_read(photos: Path) -> None:
    (photos / "phone.heic").write_bytes(b"as a telephone writes it")

    fill_table(Path("out.csv"), make_work(Brightness()))

    reasons = {row["filename"]: row["reason"] for row in _read(Path("out.skipped.csv"))}
    assert reasons["phone.heic"].startswith("is HEIC")


def test_predict_does_not_list_as_skipped_what_was_mended(photos: Path) -> None:
    fill_table(Path("out.csv"), make_work(Brightness()))
    (photos / "dive0" / "broken.png").unlink()

    fill_table(Path("out.csv"), make_work(Brightness()))

    assert sorted(path.name for path in Path().iterdir()) == ["out.csv", "photos"]


@pytest.mark.parametrize("batch", range(4))
def test_predict_goes_on_where_it_was_interrupted(photos: Path, batch: int, capsys: pytest.CaptureFixture[str]) -> None:
    fill_table(Path("whole.csv"), make_work(Brightness()))
    capsys.readouterr()
    with pytest.raises(Interrupted):
        fill_table(Path("out.csv"), make_work(Stopping(batch)))
    assert (f"{3 * batch} of 11 images are done and kept" in capsys.readouterr().out) is (batch > 0)
    assert not Path("out.csv").exists()

    classifier = Brightness()
    fill_table(Path("out.csv"), make_work(classifier, batch_size=2))

    done = 3 * batch - 1 if batch else 0  # the one that is broken is in the first batch
    assert sum(len(pixels) for pixels in classifier.seen) == 10 - done
    assert Path("out.csv").read_bytes() == Path("whole.csv").read_bytes()
    assert Path("out.skipped.csv").read_bytes() == Path("whole.skipped.csv").read_bytes()
    assert not Path("out.csv.part").exists()


def test_predict_shows_the_network_what_the_training_showed_it(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:1080, :1920]
    film = np.stack([rows % 256, columns % 256, (rows * columns) % 256], axis=2).astype(np.uint8)
    Image.fromarray(film).save(tmp_path / "frame.jpg", exif=_turned())
    Image.fromarray(film[..., 0]).save(tmp_path / "grey.png")
    classifier = Brightness()

    fill_table(tmp_path / "out.csv", make_work(classifier, what=str(tmp_path)))

    learnt = decode_images([tmp_path / "frame.jpg", tmp_path / "grey.png"], classifier.decode_size)
    assert np.array_equal(np.concatenate(classifier.seen), learnt.pixels)


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_predict_sorts_what_it_is_sure_of(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        fill_table(Path("out.csv"), make_work(Brightness(), sort=Path("photos/sorted"), threshold=0.6))

    sorted_names = {path.relative_to("photos/sorted").as_posix() for path in Path("photos/sorted").rglob("*.png")}
    rows = _read(Path("out.csv"))
    assert len(rows) == len(sorted_names) == 10
    for row in rows:
        folder = row["label"] if float(row["probability"]) >= 0.6 else "unsure"
        assert f"{folder}/{row['filename'].replace('/', '_')}" in sorted_names
    told = capsys.readouterr().out
    assert "10 images copied into photos/sorted; unsure/ is where the probability is below 0.6" in told
    assert "10 images of these had been there before" in told


def test_predict_says_which_folder_stands_for_a_class(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = make_work(Brightness(), sort=Path("sorted"), threshold=0.0)
    fill_table(Path("out.csv"), Work(**(vars(work) | {"classes": ("dark/deep", "light")})))

    assert (Path("sorted") / "dark_deep" / "dive0_frame_0.png").is_file()
    assert "class 'dark/deep' is in dark_deep/" in capsys.readouterr().out


def test_predict_refuses_images_of_which_none_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("not an image")

    with pytest.raises(DataError, match=r"None of the images in .* can be read: a\.jpg"):
        fill_table(tmp_path / "out.csv", make_work(Brightness(), what=str(tmp_path / "photos")))

    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_predict_classifies_the_videos_beside_a_broken_picture(
    tmp_path: Path, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_video(tmp_path / "dive" / "dive.mp4")
    (tmp_path / "dive" / "thumbnail.jpg").write_text("not an image")

    predict(PredictConfig(model=model_file, what=(str(tmp_path / "dive"),), output=tmp_path / "out", device="cpu"))

    assert "thumbnail.jpg (is not an image)" in capsys.readouterr().err
    assert (tmp_path / "out" / "dive.mp4.csv").is_file()
    assert not (tmp_path / "out" / "predictions.csv").exists()


def test_predict_prints_the_answer_for_one_image(
    photos: Path, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict(PredictConfig(model=model_file, what=("photos/dive0/frame_1.png",), device="cpu"))

    assert capsys.readouterr().out.splitlines() == ["frame_1.png: light", "  light  0.8808", "  dark   0.1192"]
    assert [path.name for path in Path().iterdir()] == ["photos"]


def test_predict_refuses_one_image_that_cannot_be_read(photos: Path, model_file: Path) -> None:
    with pytest.raises(DataError, match=r"broken\.png cannot be read: it is not an image"):
        predict(PredictConfig(model=model_file, what=("photos/dive0/broken.png",), device="cpu"))


def test_predict_sorts_one_image_too(photos: Path, model_file: Path) -> None:
    predict(PredictConfig(model=model_file, what=("photos/dive0/frame_1.png",), sort=Path("sorted"), device="cpu"))

    assert [path.as_posix() for path in Path("sorted").rglob("*.png")] == ["sorted/light/frame_1.png"]


def test_predict_refuses_to_sort_among_the_originals(photos: Path, model_file: Path) -> None:
    with pytest.raises(UsageError, match="among the pictures"):
        predict(PredictConfig(model=model_file, what=("photos",), sort=Path("photos"), device="cpu"))

    assert [path.name for path in Path().iterdir()] == ["photos"]


def test_predict_refuses_a_class_that_the_model_does_not_know(photos: Path, model_file: Path) -> None:
    with pytest.raises(UsageError, match="no class 'fish'") as refusal:
        predict(PredictConfig(model=model_file, what=("photos",), interesting=("fish",), device="cpu"))

    assert "dark, light" in refusal.value.hint


def test_predict_reads_its_command_line(
    photos: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["predict", "photos/*/frame_*.png", "--model", str(model_file), "--device=cpu"])

    assert run(main) == 0

    told = capsys.readouterr()
    assert told.out.splitlines() == ["10 images classified; results in predictions.csv", "         10  light"]
    assert told.err == ""
    assert len(_read(Path("predictions.csv"))) == 10


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"output": Path("photos")}, UsageError, "photos is a folder"),
        ({"output": Path("photos/dive0/broken.png/out.csv")}, UsageError, r"broken\.png, which is no folder"),
        ({"model": Path("gone.pt")}, CheckpointError, "no model in gone.pt"),
        ({"what": ("gone",)}, DataError, "gone does not exist"),
    ],
)
def test_predict_refuses_before_it_begins(
    photos: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    values: dict[str, Any] = {"model": Path("photos/dive0/broken.png"), "what": ("photos",)} | options

    with pytest.raises(error, match=message):
        predict(PredictConfig(**values))

    assert [path.name for path in Path().iterdir()] == ["photos"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "m.pt"], "There is nothing to classify"),
        (["a"], "--model"),
        (["a", "--model", "m.pt", "--sort", "s", "--threshold", "1.2"], "'1.2' is not a number between 0 and 1"),
        (["a", "--model", "m.pt", "--sort", "s", "--threshold", "nan"], "'nan' is not a number"),
        (["a", "--model", "m.pt", "--threshold", "0.5"], "--threshold goes with --sort"),
        (["a", "--model", "m.pt", "--link"], "--link goes with --sort"),
        (["a", "--model", "m.pt", "--batch-size", "0"], "'0' is not a whole number"),
        (["a", "--model", "m.pt", "--every", "0"], "'0' is not a number above 0"),
        (["a", "--model", "m.pt", "--device", "tpu"], "tpu"),
    ],
)
def test_parse_predict_arguments_refuses(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_predict_arguments(arguments)


def test_parse_predict_arguments_takes_what_anywhere() -> None:
    words = ["a", "--model", "m.pt", "b", "--images", "c", "--link", "--sort", "s", "d", "--", "-e.png"]

    config = parse_predict_arguments(words)

    assert config.what == ("a", "b", "d", "c", "-e.png")
    assert (config.sort, config.threshold, config.link) == (Path("s"), 0.8, True)


@pytest.fixture
def run_script(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Return a function that runs Python in a process of its own, in the temporary folder."""
    head = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]\n"

    def run_it(script: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", head + script]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    return run_it


def test_predict_loses_and_doubles_nothing_when_it_is_killed(
    photos: Path, run_script: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    killed = run_script(
        """
import os, signal
from pathlib import Path
from brightness import Brightness, make_work
from model.predict import fill_table
class Killed(Brightness):
    def classify(self, pixels):
        if len(self.seen) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().classify(pixels)
fill_table(Path("out.csv"), make_work(Killed(), sort=Path("sorted")))
"""
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    fill_table(Path("whole.csv"), make_work(Brightness()))

    fill_table(Path("out.csv"), make_work(Brightness(), sort=Path("sorted")))

    assert Path("out.csv").read_bytes() == Path("whole.csv").read_bytes()
    assert len(list(Path("sorted").rglob("*.png"))) == 10


def test_predict_needs_no_more_memory_for_eight_times_the_images(
    photos: Path, run_script: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    for number in range(800):
        (photos / "dive0" / f"copy_{number:03d}.png").hardlink_to(photos / "dive0" / "frame_1.png")
    peaks = []
    for what in ("photos/dive0/copy_0*.png", "photos/dive0/copy_*.png"):
        done = run_script(
            f"""
import resource
from pathlib import Path
from brightness import Brightness, make_work
from model.predict import fill_table
class Large(Brightness):
    decode_size = 256
    def classify(self, pixels):
        answers = super().classify(pixels)
        self.seen.clear()
        return answers
fill_table(Path("out.csv"), make_work(Large(), what={what!r}, batch_size=16))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout.split()[-1]) / 1024)

    # All 800 would be 157 MB of pixels.
    assert peaks[1] - peaks[0] < 30
