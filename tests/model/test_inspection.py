from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scenes import draw_scene

from model.console import run
from model.data import __main__ as command
from model.inspection import inspection
from model.inspection.probe import probe_images

Check = Callable[..., tuple[int, dict[str, Any]]]
Draw = Callable[..., Path]


def _save_scene(path: Path, seed: int, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_scene(seed, size=48)).save(path, **options)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder in which all is well: 24 scenes of each of two classes."""
    for number in range(24):
        _save_scene(tmp_path / "photos" / "cat" / f"cat{number:02d}.png", number)
        _save_scene(tmp_path / "photos" / "dog" / f"dog{number:02d}.png", 100 + number)
    return tmp_path / "photos"


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Return a function that runs `python -m model.data check ... --json` and returns exit code and figures."""

    def check(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
        code = _run(monkeypatch, ["check", *map(str, arguments), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return check


def _run(monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str]) -> int:
    monkeypatch.setattr(sys, "argv", ["model.data", *arguments])
    return run(command.main)


def _list_keys(advice: Sequence[dict[str, Any]]) -> set[str]:
    return {each["key"] for each in advice}


def test_a_good_folder_can_be_trained_on_and_nothing_is_said(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, ["check", str(photos)]) == 0

    out, err = capsys.readouterr()
    assert err == ""
    assert "48 images in 2 classes (labels from class folders)" in out
    assert "Worth mending" not in out
    assert out.rstrip().endswith("Verdict: can be trained on.")


def test_figures_count_what_is_there(photos: Path, check: Check) -> None:
    code, figures = check(photos)

    assert code == 0
    assert figures["classes"] == [
        {"label": "cat", "count": 24, "share": 0.5, "groups": 0},
        {"label": "dog", "count": 24, "share": 0.5, "groups": 0},
    ]
    assert figures["bytes"] == sum(path.stat().st_size for path in photos.rglob("*.png"))
    assert figures["sizes"]["most_common"] == [{"width": 48, "height": 48, "count": 48}]
    assert figures["modes"] == [{"mode": "RGB", "bits": 8, "count": 48}]
    assert figures["formats"] == [{"format": "PNG", "count": 48}]


def test_figures_tell_sizes_forms_and_oddities_apart(photos: Path, check: Check) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 40), "red").save(photos / "cat" / "turned.jpg", exif=exif)
    _save_scene(photos / "cat" / "grey.png", 200)
    Image.open(photos / "cat" / "grey.png").convert("L").convert("RGB").save(photos / "cat" / "grey.png")
    _save_scene(photos / "dog" / "named.png", 201, format="JPEG")
    moving = [Image.fromarray(draw_scene(seed, size=48)) for seed in (202, 203)]
    moving[0].save(photos / "dog" / "moving.gif", save_all=True, append_images=moving[1:])
    Image.new("L", (20, 20), 7).save(photos / "dog" / "blank.bmp")

    _, figures = check(photos)

    assert {"width": 40, "height": 80, "count": 1} in figures["sizes"]["most_common"]
    assert figures["sizes"]["shorter_side"] == {"min": 20, "median": 48, "max": 48}
    assert figures["aspect_ratios"] == {"min": 0.5, "median": 1.0, "max": 1.0}
    assert figures["turned_by_exif"] == figures["wrong_suffix"] == figures["several_frames"] == 1
    assert figures["grey_saved_in_colour"] == 1
    assert figures["blank"] == ["cat/turned.jpg", "dog/blank.bmp"]
    assert {form["format"] for form in figures["formats"]} == {"PNG", "JPEG", "GIF", "BMP"}
    assert {"blank", "small_images", "several_frames"} <= _list_keys(figures["warnings"])


@pytest.mark.parametrize(
    ("mode", "suffix", "bits"),
    [
        ("1", "png", 1),
        ("L", "png", 8),
        ("P", "tif", 8),
        ("RGBA", "png", 8),
        ("I;16", "png", 16),
        ("I;16", "tif", 16),
        ("F", "tif", 32),
        ("CMYK", "jpg", 8),
        ("CMYK", "tif", 8),
    ],
)
def test_probe_tells_mode_and_bits(tmp_path: Path, mode: str, suffix: str, bits: int) -> None:
    path = tmp_path / f"picture.{suffix}"
    Image.new(mode, (40, 30)).save(path)

    [probe] = probe_images([path])

    assert (probe.mode, probe.bits, probe.width, probe.height) == (mode, bits, 40, 30)
    assert probe.size_bytes == path.stat().st_size


def test_probe_tells_the_bits_of_colour_that_pillow_does_not(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = zlib.compress((b"\0" + bytes(6 * 4)) * 4)
    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    path = tmp_path / "deep.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))

    assert probe_images([path])[0].bits == 16


def test_a_pipe_is_not_waited_for(photos: Path, check: Check) -> None:
    os.mkfifo(photos / "cat" / "pipe.png")

    assert check(photos)[1]["broken"] == [{"name": "cat/pipe.png", "reason": "is not a file"}]


def test_damaged_metadata_do_not_hide_the_picture(photos: Path, check: Check) -> None:
    path = _save_scene(photos / "cat" / "camera.jpg", 200, exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40)

    _, figures = check(photos)

    assert figures["broken"] == []
    assert figures["images"] == 49
    assert {"format": "JPEG", "count": 1} in figures["formats"]
    assert probe_images([path])[0].width == 48


def test_broken_files_are_named_with_their_reason(photos: Path, check: Check) -> None:
    (photos / "cat" / "empty.jpg").touch()
    cut = _save_scene(photos / "dog" / "cut.png", 200)
    cut.write_bytes(cut.read_bytes()[:-500])

    code, figures = check(photos)

    assert code == 0
    assert figures["images"] == 48
    assert figures["broken"] == [
        {"name": "cat/empty.jpg", "reason": "is empty"},
        {"name": "dog/cut.png", "reason": "is damaged"},
    ]
    assert "broken" in _list_keys(figures["warnings"])


def test_rows_and_images_without_each_other_are_told(photos: Path, check: Check) -> None:
    rows = [f"{path.relative_to(photos)},{path.parent.name}" for path in photos.rglob("*.png")]
    rows.remove("dog/dog03.png,dog")
    (photos / "targets.csv").write_text("\n".join(["filename,label", *rows, "gone.png,cat", rows[0]]) + "\n")

    code, figures = check(photos)

    assert code == 0
    assert figures["labels_from"] == "targets.csv"
    assert figures["rows_without_image"] == 1
    assert figures["unlabelled"] == ["dog03.png"]
    assert len(figures["named_twice"]) == 1
    assert {"broken", "unlabelled", "named_twice"} <= _list_keys(figures["warnings"])


def test_copies_are_told_by_file_pixels_and_likeness(photos: Path, check: Check) -> None:
    shutil.copy(photos / "cat" / "cat00.png", photos / "cat" / "file.png")
    Image.open(photos / "cat" / "cat01.png").save(photos / "cat" / "pixels.bmp")
    Image.open(photos / "cat" / "cat02.png").resize((96, 96)).save(photos / "cat" / "near.jpg", quality=60)
    for name in ("black.png", "black.bmp"):
        Image.new("RGB", (48, 48)).save(photos / "dog" / name)

    code, figures = check(photos)

    assert code == 0
    copies = figures["duplicates"]
    assert copies["same_file"] == [["cat/cat00.png", "cat/file.png"]]
    assert sorted(copies["same_pixels"]) == [["cat/cat01.png", "cat/pixels.bmp"], ["dog/black.bmp", "dog/black.png"]]
    assert copies["near"] == [["cat/cat02.png", "cat/near.jpg"]]
    assert copies["across_labels"] == []
    assert {"duplicates", "near_duplicates"} <= _list_keys(figures["warnings"])


def test_a_jpeg_and_the_png_made_of_it_have_the_same_pixels(photos: Path, check: Check) -> None:
    jpeg = photos / "cat" / "large.jpg"
    Image.fromarray(draw_scene(200, size=600)).save(jpeg, quality=80)
    Image.open(jpeg).save(photos / "cat" / "large.png")

    assert check(photos)[1]["duplicates"]["same_pixels"] == [["cat/large.jpg", "cat/large.png"]]


def test_one_picture_with_two_labels_is_told_first(
    photos: Path, check: Check, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "cat" / "empty.jpg").touch()
    shutil.copy(photos / "cat" / "cat00.png", photos / "dog" / "stray.png")
    Image.open(photos / "cat" / "cat02.png").save(photos / "dog" / "near.jpg", quality=60)

    code, figures = check(photos)

    assert code == 0
    assert [each["key"] for each in figures["warnings"]][:2] == [
        "duplicates_across_labels",
        "near_duplicates_across_labels",
    ]
    told = [(each["kind"], {image["name"]: image["label"] for image in each["images"]}) for each in _crossings(figures)]
    assert told == [
        ("same file", {"cat/cat00.png": "cat", "dog/stray.png": "dog"}),
        ("nearly the same", {"cat/cat02.png": "cat", "dog/near.jpg": "dog"}),
    ]
    # To remove one of the two as a copy would keep the wrong label as often as not.
    assert "duplicates" not in _list_keys(figures["warnings"])

    _run(monkeypatch, ["check", str(photos)])
    assert "cat/cat00.png (cat) = dog/stray.png (dog)" in capsys.readouterr().out


def _crossings(figures: dict[str, Any]) -> list[dict[str, Any]]:
    crossings: list[dict[str, Any]] = figures["duplicates"]["across_labels"]
    return crossings


def test_a_still_scene_is_one_line(
    photos: Path, check: Check, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(60):
        _save_scene(photos / "cat" / f"still{number}.jpg", 300, quality=30 + number)

    _, figures = check(photos)
    assert [len(cluster) for cluster in figures["duplicates"]["near"]] == [60]

    _run(monkeypatch, ["check", str(photos)])
    out = capsys.readouterr().out
    assert out.count("cat/still") == 3
    assert "and 57 more" in out


def test_groups_are_counted_and_copies_between_them_told(photos: Path, check: Check) -> None:
    files = sorted(photos.rglob("*.png"))
    shutil.copy(files[0], photos / "cat" / "copy.png")
    rows = [f"{path.relative_to(photos)},{path.parent.name},dive{number % 12}" for number, path in enumerate(files)]
    (photos / "targets.csv").write_text("\n".join(["filename,label,group", *rows, "cat/copy.png,cat,dive5"]) + "\n")

    code, figures = check(photos)

    assert code == 0
    assert figures["groups"]["count"] == 12
    assert figures["groups"]["images_in_a_group"] == {"min": 4, "median": 4, "max": 5}
    assert figures["groups"]["several_labels"][0] == {"group": "dive0", "labels": {"cat": 2, "dog": 2}}
    assert [group["groups"] for group in figures["classes"]] == [12, 12]
    crossing = figures["duplicates"]["across_groups"][0]["images"]
    assert {image["name"]: image["group"] for image in crossing} == {"cat/cat00.png": "dive0", "cat/copy.png": "dive5"}
    assert "duplicates_across_groups" in _list_keys(figures["warnings"])


def test_a_pattern_is_suggested_where_names_tell_of_groups(tmp_path: Path, check: Check) -> None:
    for number in range(48):
        label = "cat" if number % 2 else "dog"
        _save_scene(tmp_path / label / f"dive{number // 8}.mp4_{number}.png", number)

    _, figures = check(tmp_path)
    pattern = figures["groups"]["suggested_pattern"]
    assert "groups_in_names" in _list_keys(figures["warnings"])

    _, grouped = check(tmp_path, "--group-from", pattern)
    assert grouped["groups"]["count"] == 6
    assert grouped["groups"]["suggested_pattern"] == ""
    assert "few_groups" in _list_keys(grouped["warnings"])


def test_sixteen_bits_are_told_where_they_do_not_fit_the_rest(photos: Path, check: Check) -> None:
    for path in photos.rglob("*.png"):
        values = np.asarray(Image.open(path).convert("L")).astype(np.uint16) * 16  # twelve bits in sixteen
        Image.fromarray(values).save(path)
    assert "dark" in _list_keys(check(photos)[1]["warnings"])

    _save_scene(photos / "cat" / "light.png", 200)

    _, figures = check(photos)
    assert "mixed_bits" in _list_keys(figures["warnings"])
    assert "dark" not in _list_keys(figures["warnings"])


def test_small_and_unequal_classes_are_told(photos: Path, check: Check) -> None:
    for path in sorted((photos / "dog").iterdir())[4:]:
        path.unlink()

    code, figures = check(photos)

    assert code == 0
    assert {"small_classes", "imbalance"} <= _list_keys(figures["warnings"])


@pytest.mark.parametrize(
    ("left", "advice"),
    [(6, "Add images, or train with --folds 5."), (3, "Add images, or train with --folds 3."), (2, "Add images.")],
)
def test_no_more_folds_are_advised_than_the_smallest_class_allows(
    photos: Path, check: Check, left: int, advice: str
) -> None:
    for path in sorted((photos / "dog").iterdir())[left:]:
        path.unlink()

    _, figures = check(photos)

    assert {warning["hint"] for warning in figures["warnings"] if warning["key"] == "small_classes"} == {advice}


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda image, path: image.resize((60, 48)).save(path), "shortcut_size"),
        (lambda image, path: image.save(path.with_suffix(".jpg")), "shortcut_file_format"),
        (lambda image, path: image.convert("L").save(path), "shortcut_colour_mode"),
    ],
)
def test_what_tells_the_class_without_the_picture_is_told(
    photos: Path, check: Check, change: Callable[[Image.Image, Path], None], key: str
) -> None:
    for path in list((photos / "dog").iterdir()):
        with Image.open(path) as image:
            image.load()
        path.unlink()
        change(image, path)

    _, figures = check(photos)

    assert {name for name in _list_keys(figures["warnings"]) if name.startswith("shortcut")} == {key}


def _keep_one_class(photos: Path) -> None:
    shutil.rmtree(photos / "dog")


def _break_half(photos: Path) -> None:
    for path in (photos / "dog").iterdir():
        path.write_bytes(b"")


def _take_labels_away(photos: Path) -> None:
    for number, path in enumerate(list(photos.rglob("*.png"))):
        path.rename(photos / f"picture{number}.png")


def _name_folders_after_splits(photos: Path) -> None:
    (photos / "cat").rename(photos / "train")
    (photos / "dog").rename(photos / "test")


def _contradict(photos: Path) -> None:
    (photos / "targets.csv").write_text("cat/cat00.png,cat\ncat/cat00.png,dog\ndog/dog00.png,dog\n")


def _make_all_alike(photos: Path) -> None:
    for path in photos.rglob("*.png"):
        _save_scene(path, 0)


def _leave_two_of_a_class(photos: Path) -> None:
    for path in sorted((photos / "dog").iterdir())[2:]:
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "images", "message"),
    [
        (_keep_one_class, 24, "All 24 images are labelled 'cat'"),
        (_break_half, 24, "24 of 48 images cannot be used"),
        (_take_labels_away, 48, "have no labels"),
        (_name_folders_after_splits, 48, "named after splits"),
        (_contradict, 48, "is 'cat' and, in line 2"),
        (_make_all_alike, 48, "hold the same picture"),
        (_leave_two_of_a_class, 26, "Class 'dog' has 2 images"),
        (lambda photos: [shutil.rmtree(folder) for folder in photos.iterdir()], 0, "There are no images in"),
    ],
)
def test_what_cannot_be_trained_on_is_counted_and_refused(
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], object],
    images: int,
    message: str,
) -> None:
    spoil(photos)

    assert _run(monkeypatch, ["check", str(photos), "--json"]) == 1

    out, err = capsys.readouterr()
    figures = json.loads(out)
    assert figures["images"] == images
    assert figures["can_train"] is False
    assert any(message in problem["message"] for problem in figures["problems"])
    assert message in err

    assert _run(monkeypatch, ["check", str(photos)]) == 1
    assert "Verdict: cannot be trained on." in capsys.readouterr().out


def test_a_pattern_that_matches_nothing_keeps_the_labels(photos: Path, check: Check) -> None:
    code, figures = check(photos, "--group-from", r"(nothing)_\d")

    assert code == 1
    assert len(figures["classes"]) == 2
    assert "matches none of 48 names" in figures["problems"][0]["message"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "nowhere"], "nowhere does not exist"),
        (["check", ".", "--targets", "none.csv"], "none.csv does not exist"),
        (["check", ".", "--group-from", "("], "is not a regular expression"),
        (["check"], "required: folder"),
        (["look"], "There is no command 'look'"),
    ],
)
def test_a_wrong_command_line_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    assert _run(monkeypatch, arguments) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_commands_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert _run(monkeypatch, arguments) == 0

    out = capsys.readouterr().out
    assert "check" in out
    assert "frames" in out


def test_output_is_the_json_beside_the_table(photos: Path, check: Check, tmp_path: Path) -> None:
    _, printed = check(photos, "--output", tmp_path / "new" / "figures.json")

    assert json.loads((tmp_path / "new" / "figures.json").read_text()) == printed


def test_the_keys_of_the_json_are_those_that_are_documented(photos: Path, check: Check) -> None:
    assert list(check(photos)[1]) == [
        "folder",
        "labels_from",
        "images",
        "bytes",
        "classes",
        "sizes",
        "aspect_ratios",
        "modes",
        "formats",
        "turned_by_exif",
        "several_frames",
        "wrong_suffix",
        "grey_saved_in_colour",
        "blank",
        "broken",
        "rows_without_image",
        "unlabelled",
        "named_twice",
        "duplicates",
        "groups",
        "can_train",
        "problems",
        "warnings",
    ]


def test_chunks_give_the_same_figures(photos: Path, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    (photos / "cat" / "empty.jpg").touch()
    shutil.copy(photos / "cat" / "cat00.png", photos / "dog" / "stray.png")
    whole = check(photos)

    monkeypatch.setattr(inspection, "CHUNK", 7)

    assert check(photos) == whole


def test_interrupting_ends_it_at_once(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A mock, so that Ctrl-C comes in the middle of reading on any machine.
    monkeypatch.setattr(inspection, "fingerprint", lambda _: signal.raise_signal(signal.SIGINT))

    assert _run(monkeypatch, ["check", str(photos), "--output", str(photos / "figures.json")]) == 130

    assert capsys.readouterr().out == ""
    assert not (photos / "figures.json").exists()


def test_nothing_of_it_loads_torch(photos: Path) -> None:
    program = (
        f"import sys; sys.argv = ['data', 'check', {str(photos)!r}]; import model.data.__main__ as data; data.main();"
        "print([name for name in sys.modules if name.split('.')[0] in ('torch', 'torchvision', 'av')])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
