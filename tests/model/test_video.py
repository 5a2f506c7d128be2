from __future__ import annotations

import os
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from video_files import draw_number, read_frames, read_number, turn_video, write_video

from model.errors import DataError, UsageError
from model.video import decoding
from model.video.reading import Frame, Video, fingerprint_video, is_video_name

GROUPS_OF_SEVEN = {"g": "7", "bf": "2"}


def read(path: Path, every: float) -> list[Frame]:
    """Return the frames, having checked that each shows the number it says it has."""
    frames = list(read_frames(path, every))
    assert [read_number(frame.pixels) for frame in frames] == [frame.number for frame in frames]
    return frames


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dive.mp4", {}),
        ("dive.mov", {"options": GROUPS_OF_SEVEN}),
        ("dive.mkv", {"options": {"g": "10", "x264-params": "open-gop=1:bframes=3:scenecut=0"}}),
        ("dive.ts", {"options": GROUPS_OF_SEVEN}),
        ("dive.webm", {"codec": "libvpx-vp9", "options": {"g": "9", "cpu-used": "8"}}),
        ("dive.avi", {"codec": "mpeg4"}),
        ("dive.mkv", {"start": 777}),
        ("dive.mp4", {"start": 77}),
        ("dive.flv", {}),
        # No times of its own, and frames stored in another order than shown.
        ("dive.avi", {"options": GROUPS_OF_SEVEN}),
        # Packets without any time.
        ("dive.h264", {}),
        # Key frames from which a picture is whole only ten frames later.
        ("dive.mkv", {"options": {"g": "10", "x264-params": "intra-refresh=1:scenecut=0"}}),
    ],
)
@pytest.mark.parametrize("every", [0.25, 1.0, 1.9])
def test_frames_are_those_on_the_screen_at_each_time(
    tmp_path: Path, name: str, options: dict[str, object], every: float
) -> None:
    path = write_video(tmp_path / name, 40, rate=10, **options)

    frames = read(path, every)

    expected = [int(step * every * 10 + 1e-9) for step in range(40) if step * every < 4.0]
    assert [frame.number for frame in frames] == expected
    assert [frame.seconds for frame in frames] == pytest.approx([number / 10 for number in expected], abs=0.001)


def test_frames_of_an_uneven_rate_go_by_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "dive.mp4", 6, ticks=[0, 40, 150, 160, 410, 420])

    frames = read(path, 1.0)

    # At 3 s the frame of 1.6 s is still on the screen; it comes once.
    assert [(frame.number, frame.seconds) for frame in frames] == [(0, 0.0), (1, 0.4), (3, 1.6)]


def test_frames_of_ntsc_are_numbered_as_the_deep_sea_sets_are(tmp_path: Path) -> None:
    path = write_video(tmp_path / "dive.mp4", 64, rate=Fraction(30000, 1001))

    assert [frame.number for frame in read(path, 1.0)] == [0, 29, 59]


def test_frames_closer_than_the_rate_come_once_each(tmp_path: Path) -> None:
    path = write_video(tmp_path / "dive.mp4", 5)

    assert [frame.number for frame in read(path, 0.01)] == [0, 1, 2, 3, 4]


def test_a_long_interval_decodes_few_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "dive.mp4", 60, options={"g": "5"})
    decoded = []
    # Watched, not replaced: nothing else tells what was passed over undecoded.
    genuine = decoding.Decoder._decode
    monkeypatch.setattr(
        decoding.Decoder, "_decode", lambda self, packet: decoded.append(packet) or genuine(self, packet)
    )

    frames = read(path, 3.0)

    assert [frame.number for frame in frames] == [0, 30]
    assert len(decoded) < 30


def test_a_run_that_is_too_long_to_hold_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "dive.mp4", 60)
    monkeypatch.setattr(decoding, "HELD_PACKETS", 3)

    assert [frame.number for frame in read(path, 2.5)] == [0, 25, 50]


COLOURS = [(200, 60, 50), (40, 170, 60), (40, 70, 190), (230, 230, 230)]


def draw_stripes(_number: int, size: tuple[int, int]) -> np.ndarray:
    return np.repeat(np.array(COLOURS, dtype=np.uint8)[None], size[1], axis=0).repeat(size[0] // 4, axis=1)


@pytest.mark.parametrize("size", [(1920, 1080), (64, 48), (48, 96)])
@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [("libx264", "yuv420p"), ("libx264", "yuv420p10le"), ("libx264", "yuvj420p"), ("libx264", "yuv444p")],
)
def test_frames_have_the_colours_that_were_recorded(
    tmp_path: Path, size: tuple[int, int], codec: str, pix_fmt: str
) -> None:
    options = {"crf": "5", "preset": "ultrafast"}
    path = write_video(
        tmp_path / "dive.mkv", 1, codec=codec, pix_fmt=pix_fmt, size=size, draw=draw_stripes, options=options
    )

    [frame] = read_frames(path, 1.0)

    assert frame.pixels.shape == (size[1], size[0], 3)
    assert frame.pixels.dtype == np.uint8
    for stripe, colour in enumerate(COLOURS):
        centre = (2 * stripe + 1) * size[0] // 8
        assert frame.pixels[size[1] // 2, centre].tolist() == pytest.approx(colour, abs=6)


def test_a_grey_video_gives_grey(tmp_path: Path) -> None:
    path = write_video(tmp_path / "dive.mkv", 1, codec="ffv1", pix_fmt="gray", size=(64, 48), draw=draw_stripes)

    [frame] = read_frames(path, 1.0)

    luma = [round(0.299 * red + 0.587 * green + 0.114 * blue) for red, green, blue in COLOURS]
    for stripe, value in enumerate(luma):
        assert frame.pixels[24, 16 * stripe + 8].tolist() == pytest.approx([value] * 3, abs=3)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_frames_are_turned_as_the_file_says(tmp_path: Path, quarters: int) -> None:
    path = write_video(tmp_path / "phone.mp4", 3, size=(96, 48))
    plain = next(read_frames(path, 1.0)).pixels
    turn_video(path, quarters)

    turned = next(read_frames(path, 1.0)).pixels

    assert np.array_equal(turned, np.rot90(plain, k=-quarters))


def test_interlaced_frames_are_woven(tmp_path: Path) -> None:
    options = {"x264-params": "interlaced=1", "crf": "5"}
    path = write_video(tmp_path / "tape.mkv", 12, size=(96, 64), options=options)

    assert [frame.number for frame in read(path, 0.5)] == [0, 5, 10]


def test_broken_packets_are_passed_over_and_counted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "dive.mp4", 60, options={"g": "5", "bf": "0"})
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 1000
    content[start : start + 200] = bytes(200)
    path.write_bytes(content)

    with Video(path) as video:
        frames = list(video.read(0.1))

    lost = set(range(60)) - {frame.number for frame in frames}
    assert 0 < len(lost) < 15
    assert video.broken > 1
    assert video.notes == (f"{video.broken} damaged frames of dive.mp4 passed over.",)
    assert [frame.seconds for frame in frames] == pytest.approx([frame.number / 10 for frame in frames])
    wrong = [frame.number for frame in frames if read_number(frame.pixels) != frame.number]
    assert len(wrong) < 5  # those that lean on a broken one, up to the next key frame


def test_a_broken_time_is_stood_for_by_the_next_whole_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "dive.avi", 40, codec="mjpeg", pix_fmt="yuvj420p")
    content = bytearray(path.read_bytes())
    for number in range(18, 23):
        start = _find_chunk(content, number)
        content[start : start + 200] = bytes(200)
    path.write_bytes(content)

    assert [frame.number for frame in read(path, 1.0)] == [0, 10, 23, 30]


def test_a_file_that_is_cut_off_gives_what_is_there(tmp_path: Path) -> None:
    path = write_video(tmp_path / "dive.mkv", 60)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    with Video(path) as video:
        frames = list(video.read(0.1))

    assert 10 < len(frames) < 50
    assert video.notes[-1] == f"dive.mkv is cut off: {video.end_seconds:.0f} of 6 seconds are there and were read."


def test_recordings_put_behind_one_another_go_on_in_time(tmp_path: Path) -> None:
    first, second = (write_video(tmp_path / f"{name}.ts", 30, options=GROUPS_OF_SEVEN) for name in "ab")
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())

    frames = list(read_frames(joined, 1.0))

    assert [frame.number for frame in frames] == [0, 10, 20, 30, 40, 50]
    assert [frame.seconds for frame in frames] == pytest.approx([0, 1, 2, 3, 4, 5], abs=0.11)


def test_length_and_count_are_known_beforehand(tmp_path: Path) -> None:
    with Video(write_video(tmp_path / "dive.mkv", 25, start=900)) as video:
        assert video.duration_seconds == pytest.approx(2.5)
        assert video.estimate_count(1.0) == 3
        assert len(list(video.read(1.0))) == 3
        assert video.end_seconds == pytest.approx(2.5)
        assert video.notes == ()


@pytest.mark.parametrize(
    "content", [b"", b"not a video", b"\0" * 5000, b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"]
)
def test_what_is_no_video_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "dive.mp4"
    path.write_bytes(content)

    with pytest.raises(DataError, match=r"dive\.mp4 is (empty|not a video)"):
        next(read_frames(path, 1.0))


def test_a_picture_or_a_playlist_of_other_files_is_no_video(tmp_path: Path) -> None:
    from PIL import Image

    secret = write_video(tmp_path / "secret.mp4")
    Image.new("RGB", (32, 32)).save(tmp_path / "picture.png")
    (tmp_path / "picture.png").rename(tmp_path / "picture.mp4")
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {secret.name}\n")

    for name in ("picture.mp4", "list.mp4"):
        with pytest.raises(DataError, match="is not a video"):
            next(read_frames(tmp_path / name, 1.0))


def test_a_recording_without_its_index_is_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "dive.mp4")
    path.write_bytes(path.read_bytes()[:-600])

    with pytest.raises(DataError, match="has no index"):
        next(read_frames(path, 1.0))


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    import av

    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        sound.sample_rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode())

    with pytest.raises(DataError, match="holds no video"):
        next(read_frames(path, 1.0))


def test_a_video_whose_frames_are_all_broken_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "dive.avi", 10, codec="mjpeg", pix_fmt="yuvj420p")
    content = bytearray(path.read_bytes())
    for number in range(10):
        start = _find_chunk(content, number)
        content[start : start + 200] = bytes(200)
    path.write_bytes(content)

    with pytest.raises(DataError, match="holds no frame that can be decoded"):
        list(read_frames(path, 1.0))


def test_what_is_not_there_or_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()

    for name, reason in {
        "gone.mp4": "does not exist",
        "folder.mp4": "is not a file",
        "pipe.mp4": "is not a file",
    }.items():
        with pytest.raises(DataError, match=reason):
            next(read_frames(tmp_path / name, 1.0))


@pytest.mark.parametrize("every", [0.0, -1.0, float("nan")])
def test_an_interval_that_cannot_be_is_refused(tmp_path: Path, every: float) -> None:
    path = write_video(tmp_path / "dive.mp4", 2)

    with pytest.raises(UsageError, match="above 0"):
        next(read_frames(path, every))


def test_pyav_missing_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "dive.mp4", 2)
    monkeypatch.setitem(sys.modules, "av", None)  # what Python itself does for a package that is not there

    with pytest.raises(UsageError, match="PyAV") as caught:
        next(read_frames(path, 1.0))
    assert caught.value.hint == "pip install av"


def test_a_name_that_looks_like_a_protocol_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "dive.mp4", 2).rename(tmp_path / "http:dive 100%.mp4")
    monkeypatch.chdir(tmp_path)

    assert next(read_frames(Path("http:dive 100%.mp4"), 1.0)).number == 0


def test_fingerprint_tells_videos_apart_wherever_they_lie(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 3)
    other = write_video(tmp_path / "b.mp4", 3, draw=lambda number, size: draw_number(number + 1, size))
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(path.read_bytes())

    assert fingerprint_video(path) == fingerprint_video(copy) != fingerprint_video(other)


@pytest.mark.parametrize(("name", "expected"), [("a.MP4", True), ("a.b.mov", True), ("a.png", False), ("mp4", False)])
def test_is_video_name_goes_by_the_suffix(name: str, expected: bool) -> None:
    assert is_video_name(name) is expected


def _find_chunk(content: bytearray, number: int) -> int:
    """Return where the content of the AVI's frame begins."""
    place = content.index(b"movi")
    for _ in range(number + 1):
        place = content.index(b"00dc", place) + 8
    return place
