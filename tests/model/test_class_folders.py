"""Labels that come from folders and from names, without a table."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from model.data.samples import find_labelled_images
from model.errors import DataError

Draw = Callable[..., Path]


def test_class_folders_give_labels_and_names(class_folders: Path) -> None:
    found = find_labelled_images(class_folders)

    assert found.classes == ("blue", "red")
    assert len(found.samples) == 40
    assert found.samples[0].name == "blue/blue_00.png"


def test_other_tables_and_junk_disturb_nothing(class_folders: Path) -> None:
    (class_folders / "sources.csv").write_text("filename,source_label\nred/red_00.png,x\n")
    (class_folders / "red" / "Thumbs.db").write_bytes(b"junk")
    (class_folders / "red" / ".DS_Store").write_bytes(b"junk")
    (class_folders / "red" / "._red_00.png").write_bytes(b"junk")
    (class_folders / ".cache" / "deep").mkdir(parents=True)
    (class_folders / ".cache" / "deep" / "hidden.png").write_bytes(b"junk")
    (class_folders / "notes").mkdir()

    found = find_labelled_images(class_folders)

    assert found.classes == ("blue", "red")
    assert len(found.samples) == 40


def test_folders_named_after_splits_are_not_classes(class_folders: Path) -> None:
    (class_folders / "red").rename(class_folders / "train")
    (class_folders / "blue").rename(class_folders / "test")

    with pytest.raises(DataError, match="named after splits"):
        find_labelled_images(class_folders)


@pytest.mark.parametrize("parts", [("train", "val", "test"), ("seg_train/seg_train", "seg_test/seg_test", "seg_pred")])
def test_folders_named_after_splits_are_taken_together(
    tmp_path: Path, draw_image: Draw, parts: tuple[str, str, str]
) -> None:
    for number, (part, label) in enumerate(itertools.product(parts[:2], ("red", "blue"))):
        for place in range(3):
            draw_image(tmp_path / part / label / f"{place}.png", label, seed=10 * number + place)
    draw_image(tmp_path / parts[2] / "unknown.png")

    found = find_labelled_images(tmp_path)

    assert found.classes == ("blue", "red")
    assert len(found.samples) == 12
    assert {sample.name for sample in found.samples} >= {f"{part}/blue/0.png" for part in parts[:2]}
    assert [Path(name).name for name in found.unlabelled] == ["unknown.png"]
    assert "the split is made here" in found.notes[0]


def test_a_link_that_goes_round_ends_and_brings_no_image_of_another_class(class_folders: Path) -> None:
    (class_folders / "red" / "again").symlink_to(class_folders)
    (class_folders / "blue" / "self").symlink_to(class_folders / "blue")

    found = find_labelled_images(class_folders)

    assert len(found.samples) == 40
    assert all(sample.name.startswith(sample.label) for sample in found.samples)


def test_a_link_to_images_elsewhere_is_followed(class_folders: Path, tmp_path: Path, draw_image: Draw) -> None:
    draw_image(tmp_path / "elsewhere" / "more.png")
    (class_folders / "red" / "linked").symlink_to(tmp_path / "elsewhere")

    assert "red/linked/more.png" in {sample.name for sample in find_labelled_images(class_folders).samples}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_an_error(class_folders: Path) -> None:
    (class_folders / "red").chmod(0)

    with pytest.raises(DataError, match=r"red cannot be read: Permission denied"):
        find_labelled_images(class_folders)


def test_pictures_of_other_formats_are_named_and_not_passed_over(class_folders: Path) -> None:
    (class_folders / "red" / "phone.HEIC").write_bytes(b"heic")
    (class_folders / "blue" / "drawing.svg").write_bytes(b"<svg/>")

    found = find_labelled_images(class_folders)

    assert [str(file) for file in found.bad] == [
        "blue/drawing.svg (is a drawing, not pixels: export it as PNG)",
        "red/phone.HEIC (is HEIC, which is not read here: export it as JPEG)",
    ]


def test_a_class_of_other_formats_only_is_no_class_less(class_folders: Path) -> None:
    for path in (class_folders / "red").iterdir():
        path.rename(path.with_suffix(".nef"))

    with pytest.raises(DataError, match=r"20 of 40 images cannot be used: red/red_00\.nef \(is a camera's raw file"):
        find_labelled_images(class_folders)


@pytest.mark.parametrize("twin", ["Red", "RED ", "red "])
def test_class_folders_that_differ_by_spaces_are_one_and_by_case_are_refused(
    class_folders: Path, draw_image: Draw, twin: str
) -> None:
    draw_image(class_folders / twin / "one.png")

    if twin == "red ":
        assert find_labelled_images(class_folders).classes == ("blue", "red")
    else:
        with pytest.raises(DataError, match=r"'red' \(20 images\) and '(Red|RED)' \(1 image\) differ by upper case"):
            find_labelled_images(class_folders)


X_RAYS = [f"{label}-{patient}-{k:04d}.png" for label in ("NORMAL", "VIRUS") for patient in (7, 8, 9) for k in range(3)]


def test_labels_and_patients_are_read_from_names(tmp_path: Path, draw_image: Draw) -> None:
    for name in X_RAYS:
        draw_image(tmp_path / "images" / name, size=(8, 8))

    found = find_labelled_images(tmp_path)

    assert found.classes == ("NORMAL", "VIRUS")
    assert {(sample.name, sample.label, sample.group) for sample in found.samples} == {
        (f"images/{name}", name.split("-")[0], name.split("-")[1]) for name in X_RAYS
    }
    assert "file names" in found.source


@pytest.mark.parametrize("names", [[*X_RAYS, "stray.png"], ["DSC-0001-1.jpg", "DSC-0001-2.jpg", "DSC-0002-1.jpg"]])
def test_names_that_are_no_labels_give_none(tmp_path: Path, draw_image: Draw, names: list[str]) -> None:
    for name in names:
        draw_image(tmp_path / name, size=(8, 8))

    with pytest.raises(DataError, match="have no labels"):
        find_labelled_images(tmp_path)


def test_groups_from_names_join_a_patient_under_two_labels(tmp_path: Path, draw_image: Draw) -> None:
    for name in X_RAYS:
        draw_image(tmp_path / name.split("-")[0] / name, size=(8, 8))

    found = find_labelled_images(tmp_path, group_from=r"[A-Z]+-(\d+)-\d+")

    assert {(sample.label, sample.group) for sample in found.samples} == {
        (label, patient) for label in ("NORMAL", "VIRUS") for patient in "789"
    }
    assert not found.notes
