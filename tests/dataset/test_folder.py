from __future__ import annotations

import os
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from deployer import dataset
from deployer.config import Config, DataConfig
from deployer.dataset import folder
from deployer.errors import DataError
from model.data import formats


def names(found: dataset.Dataset) -> list[str]:
    return [file.name for file in found.files]


def write(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_scan_finds_images_and_tables_by_name(config: Config) -> None:
    found = dataset.scan(config)

    assert names(found) == ["cat/one.jpg", "cat/two.JPG", "dog/été 1.png", "targets.csv"]
    assert (found.images, found.size) == (3, sum(len(file.path.read_bytes()) for file in found.files))
    assert (found.folder, found.targets) == ("", "")


def test_all_that_the_model_reads_travels() -> None:
    assert folder.IMAGE_SUFFIXES == formats.IMAGE_SUFFIXES


@pytest.mark.parametrize(
    "name",
    [
        ".git/icon.png",
        ".deployer/local/x.jpg",
        ".hidden.jpg",
        "node_modules/p/logo.png",
        "my-environment/lib/site-packages/p/test.png",
        "runs/job/mistake.png",
        "notes.md",
        "Thumbs.db",
    ],
)
def test_scan_leaves_out_what_is_not_data(project: Path, name: str) -> None:
    write(project / "a.jpg")
    write(project / "my-environment" / "pyvenv.cfg")
    write(project / name)

    assert names(dataset.scan(Config(project=project))) == ["a.jpg"]


def test_scan_keeps_a_class_that_is_called_runs(config: Config, images: Path) -> None:
    write(images / "runs" / "a.jpg")

    assert "runs/a.jpg" in names(dataset.scan(config))


def test_scan_composes_names_that_macos_decomposed(config: Config, images: Path) -> None:
    write(images / unicodedata.normalize("NFD", "ñandú.jpg"))

    assert unicodedata.normalize("NFC", "ñandú.jpg") in names(dataset.scan(config))


def test_scan_refuses_one_name_in_two_spellings(config: Config, images: Path) -> None:
    for form in ("NFC", "NFD"):
        write(images / unicodedata.normalize(form, "ñandú.jpg"))

    with pytest.raises(DataError, match="the same name"):
        dataset.scan(config)


def test_scan_refuses_a_name_that_is_not_utf8(config: Config, images: Path) -> None:
    Path(os.fsdecode(os.fsencode(images) + b"/caf\xe9.jpg")).write_bytes(b"x")

    with pytest.raises(DataError, match=r"caf\\xe9"):
        dataset.scan(config)


def test_scan_reads_only_what_changed(config: Config, images: Path) -> None:
    read: list[tuple[int, int]] = []
    first = dataset.scan(config, on_progress=lambda done, total: read.append((done, total)))
    write(images / "cat" / "one.jpg", b"another cat")
    (images / "cat" / "two.JPG").unlink()

    second = dataset.scan(config, on_progress=lambda done, total: read.append((done, total)))

    assert read == [(1, 4), (2, 4), (3, 4), (4, 4), (1, 1)]
    assert first.files[0].sha256 != second.files[0].sha256
    assert first.files[2:] == second.files[1:]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 1, "files": [[1]]}', b'{"version": 99}', b"\xff"])
def test_scan_survives_a_damaged_cache(config: Config, content: bytes) -> None:
    first = dataset.scan(config)
    first.cache.write_bytes(content)

    assert dataset.scan(config) == first


def test_scan_works_where_nothing_can_be_remembered(config: Config) -> None:
    write(config.project / ".deployer", b"a file in the way")

    assert dataset.scan(config).images == 3


def test_scan_refuses_links_out_of_the_folder(config: Config, images: Path, tmp_path: Path) -> None:
    outside = write(tmp_path / "elsewhere" / "secret.jpg")

    for link, target in (("a.jpg", outside), ("folder", outside.parent), ("b.png", tmp_path / "missing.png")):
        (images / link).symlink_to(target)
        with pytest.raises(DataError, match=link):
            dataset.scan(config)
        (images / link).unlink()


def test_scan_follows_links_inside_the_folder_but_not_in_circles(config: Config, images: Path) -> None:
    (images / "copy.jpg").symlink_to(images / "cat" / "one.jpg")
    (images / "cat" / "back").symlink_to(images)

    found = dataset.scan(config)

    assert "copy.jpg" in names(found)
    assert len(names(found)) == 5


def test_scan_of_no_folder_or_no_images_says_what_to_set(project: Path) -> None:
    write(project / "file.jpg")
    write(project / "empty" / "targets.csv")

    for path, reason in (("gone", "does not exist"), ("file.jpg", "not a folder"), ("empty", "no images")):
        with pytest.raises(DataError, match=reason) as caught:
            dataset.scan(Config(project=project, data=DataConfig(path=path)))
        assert str(project / path) in caught.value.message
        assert "deployer.toml" in caught.value.hint


def test_scan_takes_the_targets_file_along_from_beside_the_images(config: Config) -> None:
    write(config.project / "labels.txt", b"images/cat/one.jpg,cat\n")

    found = dataset.scan(replace(config, data=DataConfig(path="images", targets="labels.txt")))

    assert (found.root, found.folder, found.targets) == (config.project, "images", "labels.txt")
    assert names(found) == [
        "images/cat/one.jpg",
        "images/cat/two.JPG",
        "images/dog/été 1.png",
        "images/targets.csv",
        "labels.txt",
    ]


def test_scan_without_the_targets_file_names_it(config: Config) -> None:
    with pytest.raises(DataError, match=r"gone\.csv"):
        dataset.scan(replace(config, data=DataConfig(path="images", targets="gone.csv")))
