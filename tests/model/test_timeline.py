from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from video_files import read_frames, write_video

from model.data.images import decode_image
from model.errors import DataError, SaveError
from model.prediction.contact_sheet import KEPT_MOMENTS, MOST_MOMENTS, Moment, MomentCollector, choose_moments
from model.prediction.contact_sheet import draw_contact_sheet as draw_sheet
from model.prediction.segments import Sample, find_segments, format_timecode
from model.prediction.timeline import run_video, run_videos
from model.prediction.video_results import VideoResult

CLASSES = ("blue", "green", "red")
COLOURS = {"r": (200, 60, 50), "b": (40, 70, 190), "g": (40, 170, 60)}


class ColourClassifier:
    """Tells a frame by its strongest colour; stands in for a network, which takes seconds to train."""

    decode_size = 16

    def __init__(self) -> None:
        self.seen: list[NDArray[np.uint8]] = []

    def classify(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        self.seen += list(pixels)
        strength = pixels.astype(float).mean(axis=(1, 2))[:, [2, 1, 0]]
        return strength / strength.sum(axis=1, keepdims=True)


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a video of one colour a second: "bbr" is blue, blue, red."""

    def write(colours: str, name: str = "dive.mp4") -> Path:
        def draw(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
            return np.full((size[1], size[0], 3), COLOURS[colours[number // 5]], dtype=np.uint8)

        return write_video(tmp_path / name, 5 * len(colours), rate=5, size=(96, 64), draw=draw, options={"g": "5"})

    return write


def classify(path: Path, output: Path, *, classifier: ColourClassifier | None = None, **options: object) -> VideoResult:
    settings = {"classes": CLASSES, "model": "a", "every_seconds": 1.0, "output": output} | options
    return run_video(path, classifier or ColourClassifier(), **settings)


def read_rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


def test_a_video_becomes_a_row_for_each_frame(tmp_path: Path, film: Callable[..., Path]) -> None:
    result = classify(film("bbr"), tmp_path / "out")

    rows = read_rows(result.table)
    assert list(rows[0]) == [
        *("seconds", "timecode", "frame", "label", "probability"),
        *("p_blue", "p_green", "p_red"),
    ]
    assert [(row["seconds"], row["timecode"], row["frame"], row["label"]) for row in rows] == [
        ("0.000", "00:00:00.000", "0", "blue"),
        ("1.000", "00:00:01.000", "5", "blue"),
        ("2.000", "00:00:02.000", "10", "red"),
    ]
    assert all(row["probability"] == row[f"p_{row['label']}"] for row in rows)
    assert sum(float(rows[0][f"p_{label}"]) for label in CLASSES) == pytest.approx(1, abs=1e-5)


def test_a_video_becomes_segments_that_cover_it(tmp_path: Path, film: Callable[..., Path]) -> None:
    result = classify(film("bbbrrbrrg"), tmp_path / "out")

    rows = read_rows(result.segments)
    assert [(row["label"], row["start"], row["end"], row["frames"]) for row in rows] == [
        ("blue", "0.000", "3.000", "3"),
        ("red", "3.000", "8.000", "5"),  # its single blue frame is flicker
        ("green", "8.000", "9.000", "1"),
    ]
    assert rows[1]["start_timecode"] == "00:00:03.000"
    assert rows[1]["end_timecode"] == "00:00:08.000"
    assert rows[1]["seconds"] == "5.000"
    assert 0.4 < float(rows[1]["probability"]) < float(rows[0]["probability"]) + 0.3
    assert result.seconds_by_class == {"red": 5.0, "blue": 3.0, "green": 1.0}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("a", "a"),
        ("aabaa", "aaaaa"),
        ("abab", "aaab"),
        ("aabbaa", "aabbaa"),
        ("aabcc", "aabcc"),  # it may be either: it stays
        ("baaab", "baaab"),  # nothing on one side
    ],
)
def test_flicker_of_one_frame_is_stilled(labels: str, expected: str) -> None:
    classes = ("a", "b", "c")
    samples = [
        Sample(seconds=2.0 * place, number=place, shares=np.eye(3)[classes.index(label)])
        for place, label in enumerate(labels)
    ]

    segments = find_segments(samples, classes, end=2.0 * len(labels))

    assert "".join(segment.label * segment.frames for segment in segments) == expected
    assert [segment.start for segment in segments][1:] == [segment.end for segment in segments][:-1]
    assert (segments[0].start, segments[-1].end) == (0.0, 2.0 * len(labels))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.0, "00:00:00.000"), (59.9996, "00:01:00.000"), (3725.0625, "01:02:05.062"), (360_000.0, "100:00:00.000")],
)
def test_timecodes_are_those_of_a_player(seconds: float, expected: str) -> None:
    assert format_timecode(seconds) == expected


def test_the_network_sees_a_frame_as_it_sees_a_picture_of_it(tmp_path: Path, film: Callable[..., Path]) -> None:
    path = film("rg")
    classifier = ColourClassifier()
    frames = list(read_frames(path, 1.0))
    Image.fromarray(frames[1].pixels).save(tmp_path / "frame.png")

    classify(path, tmp_path / "out", classifier=classifier)

    assert np.array_equal(classifier.seen[1], decode_image(tmp_path / "frame.png", 16))


def test_the_sheet_shows_the_surest_moment_of_each_run(tmp_path: Path, film: Callable[..., Path]) -> None:
    result = classify(film("bbbrbbbggb"), tmp_path / "out")

    assert result.sheet is not None
    with Image.open(result.sheet) as sheet:
        assert sheet.format == "JPEG"
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    # Two pictures, red before green; the blue of most frames is not shown.
    columns = {
        name: np.flatnonzero((abs(pixels - COLOURS[name]).sum(axis=2) < 40).sum(axis=0) > 30) for name in COLOURS
    }
    assert len(columns["r"]) > 80
    assert len(columns["g"]) > 80
    assert columns["r"].max() < columns["g"].min()
    assert not len(columns["b"])


@pytest.mark.parametrize(("colours", "interesting"), [("bbbb", ()), ("bbrr", ("green",))])
def test_a_video_without_a_moment_of_interest_has_no_sheet(
    tmp_path: Path,
    film: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    colours: str,
    interesting: Sequence[str],
) -> None:
    result = classify(film(colours), tmp_path / "out", interesting=interesting)

    assert result.sheet is None
    assert not list((tmp_path / "out").glob("*.jpg"))
    assert (
        f"no contact sheet: no frame shows {interesting[0] if interesting else 'another class'}"
        in capsys.readouterr().out
    )


def test_a_class_may_be_called_interesting(tmp_path: Path, film: Callable[..., Path]) -> None:
    assert classify(film("bbbr"), tmp_path / "out", interesting=("blue",)).sheet is not None


def make_moment(seconds: float, probability: float, label: str = "fish") -> Moment:
    picture = io.BytesIO()
    Image.new("RGB", (32, 18), "navy").save(picture, "JPEG")
    return Moment(
        seconds=seconds,
        timecode=format_timecode(seconds),
        label=label,
        probability=probability,
        picture=picture.getvalue(),
    )


def test_moments_are_the_surest_but_spread_over_time() -> None:
    sure = [make_moment(second, 0.99) for second in range(50)]  # one long encounter
    unsure = [make_moment(second, 0.6) for second in range(500, 1000, 50)]

    chosen = choose_moments([*sure, *unsure], 12)

    assert len(chosen) == 12
    assert [moment.seconds for moment in chosen] == sorted(moment.seconds for moment in chosen)
    assert sum(moment.probability == 0.6 for moment in chosen) >= 6
    assert sum(moment.probability == 0.99 for moment in chosen) >= 2


def test_a_long_encounter_shows_once_a_minute() -> None:
    collector = MomentCollector()
    for second in range(150):
        collector.add(
            seconds=second,
            timecode=format_timecode(second),
            label="fish",
            probability=0.9 - abs(second - 70) / 1000,
            picture=Image.new("RGB", (32, 18)),
        )

    assert [moment.seconds for moment in collector.choose(["fish"])] == [59, 70, 120]


def test_moments_kept_do_not_grow_with_the_video() -> None:
    collector = MomentCollector()
    picture = Image.new("RGB", (32, 18))
    for second in range(10 * KEPT_MOMENTS):
        label, probability = ("fish", 0.5 + second % 97 / 200) if second % 2 else ("water", 0.9)
        collector.add(
            seconds=second, timecode=format_timecode(second), label=label, probability=probability, picture=picture
        )

    assert max(map(len, collector._runs.values())) <= KEPT_MOMENTS
    chosen = collector.choose(["fish"])
    assert len(chosen) == MOST_MOMENTS
    assert max(moment.probability for moment in chosen) == 0.5 + 96 / 200
    assert chosen[-1].seconds - chosen[0].seconds > 9 * KEPT_MOMENTS


@pytest.mark.parametrize("number", [1, 5, MOST_MOMENTS])
def test_a_sheet_holds_any_number_of_moments_and_long_names(number: int) -> None:
    moments = [
        make_moment(second, 0.9, "a class whose name is longer than its picture is wide") for second in range(number)
    ]

    with Image.open(io.BytesIO(draw_sheet("dive.mp4", moments))) as sheet:
        assert sheet.width < 1500
        assert sheet.height >= 48 + (18 + 56) * -(-number // 4)


def test_a_video_that_was_done_is_not_done_again(
    tmp_path: Path, film: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path, classifier = film("bbr"), ColourClassifier()
    first = classify(path, tmp_path / "out", classifier=classifier)
    seen = len(classifier.seen)

    again = classify(path, tmp_path / "out", classifier=classifier)

    assert len(classifier.seen) == seen
    assert again.is_earlier
    assert (again.table, again.sheet, again.frames) == (first.table, first.sheet, first.frames)
    assert "3 frames done before" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["model", "every", "interesting", "video", "table", "record"])
def test_a_video_is_done_again_when_something_changed(tmp_path: Path, film: Callable[..., Path], change: str) -> None:
    path, output = film("bbr"), tmp_path / "out"
    first = classify(path, output)
    options: dict[str, object] = {}
    if change == "model":
        options = {"model": "b"}
    elif change == "every":
        options = {"every_seconds": 0.5}
    elif change == "interesting":
        options = {"interesting": ("green",)}
    elif change == "video":
        film("bbrg")
    elif change == "table":
        first.table.unlink()
    else:
        (output / "dive.mp4.json").write_text("{")

    again = classify(path, output, **options)

    assert not again.is_earlier
    assert again.table.is_file()
    assert (again.sheet is None) == (change == "interesting")
    assert len(list(output.glob("*.jpg"))) == (0 if change == "interesting" else 1)


def test_an_interruption_leaves_no_file(tmp_path: Path, film: Callable[..., Path]) -> None:
    class Interrupting(ColourClassifier):
        def classify(self, _pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classify(film("bbr"), tmp_path / "out", classifier=Interrupting())

    assert not list(tmp_path.glob("out/*"))


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path, film: Callable[..., Path]) -> None:
    (tmp_path / "out").write_text("")

    with pytest.raises(SaveError, match="cannot be written"):
        classify(film("b"), tmp_path / "out")


def test_several_videos_keep_their_folders_and_a_broken_one_is_named(
    tmp_path: Path, film: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [film("br", "monday/dive.mp4"), film("gg", "tuesday/dive.mp4"), tmp_path / "tuesday" / "broken.mp4"]
    paths[2].write_text("nothing")

    results = run_videos(
        paths, ColourClassifier(), classes=CLASSES, model="a", every_seconds=1.0, output=tmp_path / "out"
    )

    assert [result.table for result in results] == [
        tmp_path / "out" / "monday" / "dive.mp4.csv",
        tmp_path / "out" / "tuesday" / "dive.mp4.csv",
    ]
    assert "Warning: 1 video of 3 cannot be read: broken.mp4." in capsys.readouterr().err


def test_a_single_broken_video_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "dive.mp4").write_text("nothing")

    with pytest.raises(DataError, match="is not a video"):
        run_videos(
            [tmp_path / "dive.mp4"],
            ColourClassifier(),
            classes=CLASSES,
            model="a",
            every_seconds=1.0,
            output=tmp_path / "out",
        )
