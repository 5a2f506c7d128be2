from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from video_files import draw_number, read_number, write_video

from model.data.samples import find_labelled_images
from model.errors import DataError, Interrupted, UsageError
from model.video.frames import main


def save(*arguments: object) -> None:
    main([str(argument) for argument in arguments])


def list_names(folder: Path) -> list[str]:
    names = [path.name for path in folder.rglob("*") if path.is_file() and path.name != ".frames.json"]
    return sorted(names, key=lambda name: (len(name), name))


def read_picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "RGB"
        return np.asarray(image)


def test_frames_are_named_after_video_and_frame(tmp_path: Path) -> None:
    dive = write_video(tmp_path / "EX1708_VID_20170926T212000Z_ROVHD.mp4", 35)

    save(dive, "--output", tmp_path / "out", "--every", "1")

    names = list_names(tmp_path / "out")
    assert names == [f"{dive.name}_{number}.png" for number in (0, 10, 20, 30)]
    assert [read_number(read_picture(tmp_path / "out" / name)) for name in names] == [0, 10, 20, 30]
    assert {match[1] for name in names if (match := re.match(r"(.*)\.mp4_\d+", name))} == {dive.stem}


def test_frames_keep_the_suffix_of_the_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(write_video(tmp_path / "dive.MOV", 5), "--output", tmp_path / "out")

    assert list_names(tmp_path / "out") == ["dive.MOV_0.png"]
    assert r"--group-from '(.*)\.MOV_\d+'" in capsys.readouterr().out


def test_a_number_of_frames_is_spread_evenly(tmp_path: Path) -> None:
    save(write_video(tmp_path / "dive.mp4", 40), "--output", tmp_path / "out", "--frames", "4")

    assert list_names(tmp_path / "out") == [f"dive.mp4_{number}.png" for number in (0, 10, 20, 30)]


def test_a_number_of_frames_needs_a_length(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not say how long it is") as caught:
        save(write_video(tmp_path / "dive.h264", 10), "--output", tmp_path / "out", "--frames", "4")
    assert "--every" in caught.value.hint


def test_frames_may_be_smaller_and_jpeg(tmp_path: Path) -> None:
    dive = write_video(tmp_path / "dive.mp4", 5, size=(96, 64))

    save(dive, "--output", tmp_path / "out", "--size", "48", "--format", "jpg")

    assert read_picture(tmp_path / "out" / "dive.mp4_0.jpg").shape == (32, 48, 3)


def test_a_label_makes_a_set_that_can_be_trained_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for label in ("squid", "none"):
        videos = [write_video(tmp_path / label / f"{label}{number}.mp4", 20) for number in range(3)]
        save(*videos, "--output", out, "--every", "1", "--label", label)

    found = find_labelled_images(out)

    assert len(found.samples) == 12
    assert {(sample.label, sample.group) for sample in found.samples} == {
        (label, f"{label}{number}") for label in ("squid", "none") for number in range(3)
    }


def test_labels_come_from_the_folders_of_the_videos(tmp_path: Path) -> None:
    for label in ("squid", "none"):
        write_video(tmp_path / "dives" / label / f"a_{label}.mp4", 5)

    save(tmp_path / "dives", "--output", tmp_path / "out", "--label-from-folder")

    assert (tmp_path / "out" / "targets.csv").read_text() == (
        "filename,label,group\na_none.mp4_0.png,none,a_none\na_squid.mp4_0.png,squid,a_squid\n"
    )


def test_a_targets_file_without_labels_is_one_to_fill_in(tmp_path: Path) -> None:
    dive, table = write_video(tmp_path / "dive.mp4", 5), tmp_path / "set" / "targets.csv"

    save(dive, "--output", tmp_path / "set" / "images", "--targets", table)

    assert table.read_text() == "filename,label,group\nimages/dive.mp4_0.png,,dive\n"


def test_rows_are_added_behind_those_that_are_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "targets.csv").write_bytes(b'\xef\xbb\xbffilename,label,group\r\nold.png,"a, b",x')

    save(write_video(tmp_path / "dive.mp4", 5), "--output", out, "--label", "squid")

    assert (out / "targets.csv").read_bytes() == (
        b'\xef\xbb\xbffilename,label,group\r\nold.png,"a, b",x\ndive.mp4_0.png,squid,dive\n'
    )


def test_a_table_with_other_columns_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "targets.csv").write_text("index\tfilename\tlabel\n1\told.png\tsquid\n")

    with pytest.raises(DataError, match="its first line is not filename,label,group"):
        save(write_video(tmp_path / "dive.mp4", 5), "--output", out, "--label", "squid")
    assert list_names(out) == ["targets.csv"]


def test_a_frame_with_another_label_is_refused(tmp_path: Path) -> None:
    dive, out = write_video(tmp_path / "dive.mp4", 5), tmp_path / "out"
    save(dive, "--output", out, "--label", "squid")
    before = (out / "targets.csv").read_bytes()

    with pytest.raises(UsageError, match=r"dive\.mp4_0\.png is 'squid' .* would now be 'fish'"):
        save(dive, "--output", out, "--label", "fish")
    assert (out / "targets.csv").read_bytes() == before


def test_a_second_run_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dive, out = write_video(tmp_path / "dive.mp4", 20), tmp_path / "out"
    save(dive, "--output", out, "--every", "1", "--label", "squid")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.iterdir()}

    save(dive, "--output", out, "--every", "1", "--label", "squid")

    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.iterdir()} == before
    assert "dive.mp4: 2 frames saved before" in capsys.readouterr().out


def test_frames_sorted_or_thrown_away_do_not_come_back(tmp_path: Path) -> None:
    dive, out = write_video(tmp_path / "dive.mp4", 40), tmp_path / "out"
    save(dive, "--output", out, "--every", "1")
    (out / "squid").mkdir()
    (out / "dive.mp4_10.png").rename(out / "squid" / "dive.mp4_10.png")
    (out / "dive.mp4_20.png").unlink()

    save(dive, "--output", out, "--every", "1")
    save(dive, "--output", out, "--every", "0.5")

    assert list_names(out) == [f"dive.mp4_{number}.png" for number in (0, 5, 10, 15, 25, 30, 35)]
    assert (out / "squid" / "dive.mp4_10.png").exists()
    assert not (out / "dive.mp4_10.png").exists()


def test_other_pictures_of_the_same_name_are_never_written_over(tmp_path: Path) -> None:
    dive, out = write_video(tmp_path / "dive.mp4", 5), tmp_path / "out"
    out.mkdir()
    Image.new("RGB", (48, 32), "white").save(out / "dive.mp4_0.png")
    before = (out / "dive.mp4_0.png").read_bytes()

    with pytest.raises(UsageError, match="shows something else"):
        save(dive, "--output", out)
    assert (out / "dive.mp4_0.png").read_bytes() == before


def test_two_videos_of_one_name_are_refused(tmp_path: Path) -> None:
    videos = [write_video(tmp_path / day / "dive.mp4", 5) for day in ("monday", "tuesday")]

    with pytest.raises(DataError, match=r"monday/dive\.mp4 and .*tuesday/dive\.mp4"):
        save(*videos, "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_video_of_a_known_name_is_refused(tmp_path: Path) -> None:
    save(write_video(tmp_path / "a" / "dive.mp4", 5), "--output", tmp_path / "out")
    other = write_video(tmp_path / "b" / "dive.mp4", 5, draw=lambda number, size: draw_number(number + 9, size))

    with pytest.raises(UsageError, match="another video called"):
        save(other, "--output", tmp_path / "out")


def test_a_video_that_cannot_be_read_is_named_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.mp4").write_text("nothing")

    save(tmp_path / "broken.mp4", write_video(tmp_path / "dive.mp4", 5), "--output", tmp_path / "out")

    assert list_names(tmp_path / "out") == ["dive.mp4_0.png"]
    assert "1 video of 2 cannot be read: broken.mp4." in capsys.readouterr().err


def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dive, out = write_video(tmp_path / "dive.mp4", 40), tmp_path / "out"

    def interrupt(path: Path, content: bytes) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        if len(list_names(out)) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    # Only to have the signal come in the middle.
    monkeypatch.setattr("model.video.frames.write_file", interrupt)
    with pytest.raises(Interrupted):
        save(dive, "--output", out, "--every", "1", "--label", "squid")
    monkeypatch.undo()
    assert list_names(out) == ["dive.mp4_0.png", "dive.mp4_10.png"]

    save(dive, "--output", out, "--every", "1", "--label", "squid")

    assert list_names(out)[1:] == [f"dive.mp4_{number}.png" for number in (0, 10, 20, 30)]
    assert len((out / "targets.csv").read_text().splitlines()) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--every", "0"], "not a number above 0"),
        (["--frames", "0"], "not a whole number"),
        (["--frames", "3", "--every", "1"], "not allowed with"),
        (["--label", " "], "cannot be empty"),
        (["--format", "gif"], "invalid choice"),
        (["--targets", "elsewhere/targets.csv"], "not beside it"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, arguments: list[str], message: str) -> None:
    dive = write_video(tmp_path / "dive.mp4", 2)

    with pytest.raises(UsageError, match=message):
        save(dive, "--output", tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There are no videos in"):
        save(tmp_path, "--output", tmp_path / "out")


def test_frames_need_no_network(tmp_path: Path) -> None:
    dive = write_video(tmp_path / "dive.mp4", 5)
    code = "import sys; from model.video.frames import main; main(sys.argv[1:]); assert 'torch' not in sys.modules"

    done = subprocess.run(
        [sys.executable, "-c", code, str(dive), "--output", str(tmp_path / "out")], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert "dive.mp4: 1 frame saved" in done.stdout
