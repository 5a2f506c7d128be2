from __future__ import annotations

import os
from pathlib import Path

import pytest

from model.errors import DataError, UsageError
from model.prediction.sources import find_sources


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures and a video in two dives, in the working folder."""
    for name in ("dive1/a.png", "dive1/b.JPG", "dive2/a.png", "dive2/deep/c.tif", "dive2/film.MP4", "notes.txt"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("what", "root", "images"),
    [
        (["photos"], "photos", ["dive1/a.png", "dive1/b.JPG", "dive2/a.png", "dive2/deep/c.tif"]),
        (["photos/"], "photos", ["dive1/a.png", "dive1/b.JPG", "dive2/a.png", "dive2/deep/c.tif"]),
        (["photos/dive1/a.png"], "photos/dive1", ["a.png"]),
        (["photos/dive1", "photos/dive2"], "photos", ["dive1/a.png", "dive1/b.JPG", "dive2/a.png", "dive2/deep/c.tif"]),
        (["photos/dive2/a.png", "photos/dive1/a.png"], "photos", ["dive2/a.png", "dive1/a.png"]),
        (["photos/*/a.png"], "photos", ["dive1/a.png", "dive2/a.png"]),
        (["photos/**/*.tif"], "photos", ["dive2/deep/c.tif"]),
        (["photos/dive2/**"], "photos/dive2", ["a.png", "deep/c.tif"]),
        (["photos/dive[1]"], "photos", ["dive1/a.png", "dive1/b.JPG"]),
        (["*/dive1"], ".", ["photos/dive1/a.png", "photos/dive1/b.JPG"]),
        (
            ["photos/dive1", "photos/dive1/a.png", "photos/*/*.png"],
            "photos",
            ["dive1/a.png", "dive1/b.JPG", "dive2/a.png"],
        ),
    ],
)
def test_find_sources_names_each_image_once(photos: Path, what: list[str], root: str, images: list[str]) -> None:
    found = find_sources(what)

    assert sorted(found.images) == sorted(images)
    assert found.root == Path(root).resolve()
    assert all((found.root / name).is_file() for name in found.images)


def test_find_sources_keeps_the_order_of_folders_and_names(photos: Path) -> None:
    assert find_sources(["photos/dive2", "photos/dive1"]).images == (
        "dive2/a.png",
        "dive2/deep/c.tif",
        "dive1/a.png",
        "dive1/b.JPG",
    )


def test_find_sources_tells_videos_from_images(photos: Path) -> None:
    assert find_sources(["photos"]).videos == (photos / "dive2" / "film.MP4",)
    assert find_sources(["photos/dive2/*.MP4"]).images == ()


def test_find_sources_takes_a_file_that_is_named_whatever_its_suffix(photos: Path) -> None:
    assert find_sources(["photos/notes.txt"]).images == ("notes.txt",)


def test_find_sources_takes_a_name_for_a_name_before_it_is_a_glob(photos: Path) -> None:
    (photos / "a[1].png").touch()
    (photos / "a1.png").touch()

    assert find_sources(["photos/a[1].png"]).images == ("a[1].png",)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (["gone"], "gone does not exist"),
        (["photos", "gone.png"], "gone.png does not exist"),
        (["photos/*.webp"], r"nothing that matches 'photos/\*\.webp'"),
        (["photos/*.txt"], r"no image or video that matches 'photos/\*\.txt'"),
        (["empty"], "no images in empty"),
    ],
)
def test_find_sources_refuses(photos: Path, what: list[str], message: str) -> None:
    Path("empty").mkdir()

    with pytest.raises(DataError, match=message):
        find_sources(what)


def test_find_sources_refuses_what_is_on_another_machine() -> None:
    with pytest.raises(UsageError, match="not on this machine"):
        find_sources(["s3://bucket/photos"])


def test_find_sources_warns_about_an_empty_folder_among_others(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()

    assert len(find_sources(["empty", "photos"]).images) == 4
    assert "There are no images in empty" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_find_sources_names_a_folder_that_cannot_be_read(photos: Path) -> None:
    (photos / "dive1").chmod(0)
    try:
        with pytest.raises(DataError, match="dive1 cannot be read: permission denied"):
            find_sources(["photos/dive1"])
    finally:
        (photos / "dive1").chmod(0o755)


def test_find_sources_leaves_out_what_was_sorted_before(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "sorted" / "fish").mkdir(parents=True)
    (photos / "sorted" / "fish" / "z.png").touch()

    assert "sorted/fish/z.png" not in find_sources(["photos"], leave_out=Path("photos/sorted")).images
    assert "1 image in" in capsys.readouterr().out
    # Asked for by name, or with the pictures inside the folder that is sorted into, they are meant.
    assert find_sources(["photos/sorted/fish"], leave_out=Path("photos/sorted")).images == ("z.png",)
    assert len(find_sources(["photos/dive1"], leave_out=Path()).images) == 2


@pytest.mark.parametrize("change", ["another", "content", "time", "fewer"])
def test_find_sources_has_another_fingerprint_when_an_image_changes(photos: Path, change: str) -> None:
    before = find_sources(["photos"]).fingerprint
    assert find_sources(["photos"]).fingerprint == before

    image = photos / "dive1" / "a.png"
    if change == "another":
        (photos / "z.png").touch()
    elif change == "content":
        image.write_bytes(b"longer than it was")
    elif change == "time":
        os.utime(image, (1, 1))
    else:
        image.unlink()

    assert find_sources(["photos"]).fingerprint != before
