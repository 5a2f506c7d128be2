from __future__ import annotations

import argparse
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from model.arguments import grouping
from model.data.samples import BadFile, find_labelled_images
from model.errors import DataError

Draw = Callable[..., Path]
WriteTargets = Callable[..., Path]


def _rows(count: int = 40) -> list[tuple[str, str]]:
    return [(f"{number:02d}.png", "red" if number % 2 else "blue") for number in range(count)]


def test_targets_file_wins_over_class_folders(class_folders: Path) -> None:
    names = [f"{label}/{label}_{number:02d}.png" for label in ("red", "blue") for number in range(3)]
    labels = ["warm", "cold"] * 3
    lines = [f"{name},{label}" for name, label in zip(names, labels, strict=True)]
    (class_folders / "targets.csv").write_text("\n".join(lines))

    found = find_labelled_images(class_folders)

    assert found.classes == ("cold", "warm")
    assert found.source == "targets.csv"


def test_project_folder_is_searched_in_images(class_folders: Path, tmp_path: Path, draw_image: Draw) -> None:
    project = tmp_path / "project"
    project.mkdir()
    class_folders.rename(project / "images")
    draw_image(project / "docs" / "picture.png")

    assert find_labelled_images(project).classes == ("blue", "red")


def test_targets_inside_images_are_found(write_targets: WriteTargets) -> None:
    project = write_targets(_rows())
    (project / "targets.csv").rename(project / "images" / "targets.csv")

    assert len(find_labelled_images(project).samples) == 40


def test_targets_elsewhere_resolve_in_the_data_folder(write_targets: WriteTargets, tmp_path: Path) -> None:
    project = write_targets(_rows())
    elsewhere = tmp_path / "labels" / "mine.csv"
    elsewhere.parent.mkdir()
    (project / "targets.csv").rename(elsewhere)

    assert len(find_labelled_images(project / "images", elsewhere).samples) == 40


@pytest.mark.parametrize("name", ["with space.png", "naïve café 深海.png", "quote'n,comma.png", "sub folder/deep.png"])
def test_odd_names_are_found(write_targets: WriteTargets, name: str) -> None:
    project = write_targets([(name.replace(",", ""), "red"), *_rows()])

    found = find_labelled_images(project)

    assert name.replace(",", "") in {sample.name for sample in found.samples}
    assert not found.bad


@pytest.mark.parametrize(("on_disk", "in_table"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_unicode_forms_are_one_name(write_targets: WriteTargets, draw_image: Draw, on_disk: str, in_table: str) -> None:
    name = "caf\u00e9/\u00fcber.png"
    written = unicodedata.normalize(in_table, name)
    project = write_targets([(written, "red"), *_rows()], missing=[written])
    draw_image(project / "images" / unicodedata.normalize(on_disk, name))

    assert not find_labelled_images(project).bad


def test_backslashes_of_windows_separate_folders(write_targets: WriteTargets, draw_image: Draw) -> None:
    project = write_targets([("sub\\a.png", "red"), *_rows()], missing=["sub\\a.png"])
    draw_image(project / "images" / "sub" / "a.png")

    assert not find_labelled_images(project).bad


@pytest.mark.parametrize(
    "name", ["../secret.png", "images/../../secret.png", "/etc/passwd.png", "C:\\secret.png", "..\\secret.png"]
)
def test_names_that_lead_outside_are_refused(write_targets: WriteTargets, name: str) -> None:
    project = write_targets([(name, "red"), *_rows()], missing=[name])

    with pytest.raises(DataError, match="outside the data folder"):
        find_labelled_images(project)


def test_few_targets_without_an_image_are_bad_and_named(write_targets: WriteTargets) -> None:
    project = write_targets([*_rows(), ("gone.png", "red")], missing=["gone.png"])

    found = find_labelled_images(project)

    assert found.bad == (BadFile(name="gone.png", reason="does not exist"),)
    assert len(found.samples) == 40


def test_many_targets_without_an_image_are_an_error_that_names_the_first(write_targets: WriteTargets) -> None:
    gone = [f"gone {number}.png" for number in range(7)]
    project = write_targets([*_rows(), *((name, "red") for name in gone)], missing=gone)

    with pytest.raises(DataError, match=r"7 of 47 images .* gone 0\.png \(does not exist\).* and 2 more") as raised:
        find_labelled_images(project)

    assert "5%" in raised.value.hint


def test_exactly_one_in_twenty_is_still_a_warning(write_targets: WriteTargets) -> None:
    project = write_targets([*_rows(38), ("x.png", "red"), ("y.png", "red")], missing=["x.png", "y.png"])

    assert len(find_labelled_images(project).bad) == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [("notes.txt,red", "is not an image"), ("00.png,", "has no label in line 42"), (",red", "names no image")],
)
def test_rows_that_say_too_little_are_bad(write_targets: WriteTargets, row: str, reason: str) -> None:
    project = write_targets(_rows())
    (project / "images" / "notes.txt").write_text("no picture")
    with (project / "targets.csv").open("a") as file:
        file.write(row + "\n")

    assert [bad.reason for bad in find_labelled_images(project).bad] == [reason]


def test_images_without_a_target_are_noted(write_targets: WriteTargets, draw_image: Draw) -> None:
    project = write_targets(_rows())
    draw_image(project / "images" / "stray.png")

    found = find_labelled_images(project)

    assert found.unlabelled == ("stray.png",)
    assert not found.bad


def test_an_image_named_twice_alike_is_used_once(write_targets: WriteTargets) -> None:
    project = write_targets(
        [*_rows(), ("00.png", "blue"), ("./00.png", "blue"), ("images/00.png", "blue")], missing=["images/00.png"]
    )

    found = find_labelled_images(project)

    assert found.duplicates == ("00.png",)
    assert len(found.samples) == 40


@pytest.mark.parametrize(
    ("row", "message"),
    [(("00.png", "red"), r"00\.png is 'blue' and, in line 42 of .*, 'red'"), (("00.png", "blue", "g"), "is in group")],
)
def test_an_image_named_twice_differently_is_an_error(
    write_targets: WriteTargets, row: tuple[str, ...], message: str
) -> None:
    project = write_targets([*_rows(), row])

    with pytest.raises(DataError, match=message):
        find_labelled_images(project)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["red"] * 6, "All 6 images are labelled 'red'"),
        (["red"] * 6 + ["blue"] * 2, "Class 'blue' has 2 images"),
        (["red"] * 6 + ["blue"], "Class 'blue' has 1 image;"),
    ],
)
def test_too_little_to_classify_is_an_error(write_targets: WriteTargets, labels: list[str], message: str) -> None:
    project = write_targets([(f"{number}.png", label) for number, label in enumerate(labels)])

    with pytest.raises(DataError, match=message):
        find_labelled_images(project)


def test_no_images_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")

    with pytest.raises(DataError, match="There are no images in"):
        find_labelled_images(tmp_path)


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist or is no folder"):
        find_labelled_images(tmp_path / "nowhere")


def test_images_without_any_label_are_an_error_that_says_how_to_label(tmp_path: Path, draw_image: Draw) -> None:
    draw_image(tmp_path / "images" / "a.png")

    with pytest.raises(DataError, match="have no labels") as raised:
        find_labelled_images(tmp_path)

    assert str(tmp_path / "targets.csv") in raised.value.hint


def test_a_target_of_another_format_says_so(write_targets: WriteTargets) -> None:
    project = write_targets([*_rows(), ("scan.dcm", "red")], missing=["scan.dcm"])
    (project / "images" / "scan.dcm").write_bytes(b"DICM")

    assert [bad.reason for bad in find_labelled_images(project).bad] == [
        "is DICOM, which is not read here: export it as 16-bit PNG"
    ]


def test_a_folder_with_the_name_of_an_image_is_none(write_targets: WriteTargets) -> None:
    project = write_targets([*_rows(), ("folder.png", "red")], missing=["folder.png"])
    (project / "images" / "folder.png").mkdir()
    (project / "images" / "other.png").mkdir()

    found = find_labelled_images(project)

    assert found.bad == (BadFile(name="folder.png", reason="is a folder"),)
    assert not found.unlabelled


def test_labels_that_differ_by_a_hyphen_are_refused(write_targets: WriteTargets) -> None:
    rows = [("x.png", "not_interesting"), ("y.png", "Not interesting")]
    project = write_targets([*_rows(), *rows, *((f"{k}{name}", label) for k in range(2) for name, label in rows)])

    with pytest.raises(DataError, match=r"'Not interesting' .* and 'not_interesting' .* differ by") as raised:
        find_labelled_images(project)

    assert "for both" in raised.value.hint


def test_a_column_that_may_hold_groups_is_named_where_there_are_none(write_targets: WriteTargets) -> None:
    project = write_targets(_rows())
    rows = [f"{name},{label},roll{number // 4}" for number, (name, label) in enumerate(_rows())]
    (project / "targets.csv").write_text("\n".join(["filename,label,roll", *rows]))

    (note,) = find_labelled_images(project).notes

    assert note.startswith("Column 'roll' of targets.csv is not read")
    assert note.endswith("pass --group-from roll.")
    assert not find_labelled_images(project, group_from=r"(\d)\d").notes


def test_groups_are_those_of_the_column_that_is_asked_for(write_targets: WriteTargets) -> None:
    project = write_targets(_rows())
    rows = [f"{name},{label},{number % 2},film {number // 4}" for number, (name, label) in enumerate(_rows())]
    (project / "targets.csv").write_text("\n".join(["filename,label,group,Roll no", *rows]))

    groups = {sample.group for sample in find_labelled_images(project, group_from="roll_no").samples}

    assert groups == {f"film {number // 4}" for number in range(len(rows))}


@pytest.mark.parametrize(
    ("group_from", "said"),
    [
        ("rolls", r"--group-from 'rolls' is no column of .*targets\.csv: its columns are filename, label, group"),
        ("(x)y", "matches none of"),
    ],
)
def test_groups_that_are_nowhere_are_refused(write_targets: WriteTargets, group_from: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        find_labelled_images(write_targets(_rows()), group_from=group_from)


def test_a_column_without_a_table_is_refused(class_folders: Path) -> None:
    with pytest.raises(DataError, match=r"'dive' names a column, and .* has no table"):
        find_labelled_images(class_folders, group_from="dive")


@pytest.mark.parametrize("text", ["", "a.*b", "[0-9]+", "(unclosed"])
def test_what_is_neither_column_nor_pattern_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        grouping(text)


def test_groups_from_names_win_over_the_table_and_say_so(write_targets: WriteTargets) -> None:
    rows = [(f"d{k % 4}.mp4_{k}.png", "red" if k % 2 else "blue", "table") for k in range(40)]
    project = write_targets([*rows, ("alone.png", "red", "table"), ("other.png", "red", "")])

    found = find_labelled_images(project, group_from=r"(.*)\.mp4_\d+")

    groups = {sample.name: sample.group for sample in found.samples}
    assert (groups["d1.mp4_1.png"], groups["alone.png"], groups["other.png"]) == ("d1", "table", "")
    assert "come from --group-from" in found.notes[0]
    assert "does not match 2 names: alone.png, other.png" in found.notes[1]
