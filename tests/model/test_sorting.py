from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from model.errors import SaveError, UsageError
from model.prediction.sorting import Sorted, name_files, name_folders, prepare_folder, sort_pictures
from model.prediction.table import Answer

CLASSES = ("coral", "fish")


def _write(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"pixels of {name}".encode())
    return root


def _list(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def _sort(root: Path, answers: Mapping[str, Sequence[float]], into: Path, **changes: Any) -> Sorted:
    rows = [Answer(name=name, shares=tuple(shares)) for name, shares in answers.items()]
    options: dict[str, Any] = {"classes": CLASSES, "threshold": 0.8, "link": False}
    return sort_pictures(rows, names=list(answers), root=root, into=into, **(options | changes))


def test_sort_puts_each_picture_where_the_model_is_sure_and_the_rest_into_unsure(tmp_path: Path) -> None:
    root = _write(tmp_path / "photos", "a.png", "b.png", "c.png")

    done = _sort(root, {"a.png": (0.1, 0.9), "b.png": (0.8, 0.2), "c.png": (0.79, 0.21)}, tmp_path / "sorted")

    assert _list(tmp_path / "sorted") == ["coral/b.png", "fish/a.png", "unsure/c.png"]
    assert done.folders == {"coral": 1, "fish": 1, "unsure": 1}
    assert _list(root) == ["a.png", "b.png", "c.png"]


def test_sort_leaves_out_what_could_not_be_read(tmp_path: Path) -> None:
    root = _write(tmp_path / "photos", "a.png", "b.png")
    answers = [Answer(name="a.png", fault="is damaged"), Answer(name="b.png", shares=(1.0, 0.0))]

    sort_pictures(
        answers,
        names=["a.png", "b.png"],
        root=root,
        into=tmp_path / "sorted",
        classes=CLASSES,
        threshold=0.8,
        link=False,
    )

    assert _list(tmp_path / "sorted") == ["coral/b.png"]


def test_sort_twice_changes_nothing(tmp_path: Path) -> None:
    root = _write(tmp_path / "photos", "dive1/a.png", "dive2/a.png", "b.png")
    answers = {"dive1/a.png": (0.0, 1.0), "dive2/a.png": (0.0, 1.0), "b.png": (0.5, 0.5)}
    _sort(root, answers, tmp_path / "sorted")
    before = {name: (tmp_path / "sorted" / name).stat().st_ino for name in _list(tmp_path / "sorted")}

    done = _sort(root, answers, tmp_path / "sorted")

    assert list(before) == ["fish/dive1_a.png", "fish/dive2_a.png", "unsure/b.png"]
    assert {name: (tmp_path / "sorted" / name).stat().st_ino for name in _list(tmp_path / "sorted")} == before
    assert (done.kept, done.folders.total()) == (3, 3)


def test_sort_never_overwrites_what_is_there(tmp_path: Path) -> None:
    root = _write(tmp_path / "photos", "a.png")
    other = tmp_path / "sorted" / "fish" / "a.png"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"somebody else's")  # as many bytes as the picture
    assert other.stat().st_size == (root / "a.png").stat().st_size
    (tmp_path / "sorted" / "fish" / "a_2.png").symlink_to(tmp_path / "nowhere")

    for _ in range(2):
        _sort(root, {"a.png": (0.0, 1.0)}, tmp_path / "sorted")

    assert other.read_bytes() == b"somebody else's"
    assert _list(tmp_path / "sorted") == ["fish/a.png", "fish/a_2.png", "fish/a_3.png"]
    assert (tmp_path / "sorted" / "fish" / "a_3.png").read_bytes() == b"pixels of a.png"


def test_sort_leaves_a_picture_where_a_person_moved_it(tmp_path: Path) -> None:
    root = _write(tmp_path / "photos", "a.png")
    _sort(root, {"a.png": (0.0, 1.0)}, tmp_path / "sorted")
    (tmp_path / "sorted" / "coral").mkdir()
    (tmp_path / "sorted" / "fish" / "a.png").rename(tmp_path / "sorted" / "coral" / "a.png")

    done = _sort(root, {"a.png": (0.0, 1.0)}, tmp_path / "sorted")

    assert _list(tmp_path / "sorted") == ["coral/a.png"]
    assert (done.moved, done.folders) == (1, {"coral": 1})


def test_sort_names_a_picture_that_has_gone_and_goes_on(tmp_path: Path) -> None:
    root = _write(tmp_path / "photos", "b.png")

    done = _sort(root, {"a.png": (0.0, 1.0), "b.png": (0.0, 1.0)}, tmp_path / "sorted")

    assert done.gone == [str(root / "a.png")]
    assert _list(tmp_path / "sorted") == ["fish/b.png"]


def test_sort_links_to_the_same_file(tmp_path: Path) -> None:
    root = _write(tmp_path / "photos", "a.png")
    (root / "b.png").symlink_to(root / "a.png")

    _sort(root, {"a.png": (0.0, 1.0), "b.png": (1.0, 0.0)}, tmp_path / "sorted", link=True)

    for name in ("fish/a.png", "coral/b.png"):
        assert not (tmp_path / "sorted" / name).is_symlink()
        assert (tmp_path / "sorted" / name).samefile(root / "a.png")


def test_sort_links_by_name_where_the_disk_has_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    # A mock: a second file system cannot be made in a test.
    monkeypatch.setattr(os, "link", refuse)
    root = _write(tmp_path / "photos", "a.png")
    monkeypatch.chdir(tmp_path)

    for _ in range(2):
        _sort(Path("photos"), {"a.png": (0.0, 1.0)}, Path("sorted"), link=True)

    assert _list(tmp_path / "sorted") == ["fish/a.png"]
    assert (tmp_path / "sorted" / "fish" / "a.png").readlink() == root / "a.png"


def test_sort_tells_a_full_disk_and_goes_on_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = _write(tmp_path / "photos", "a.png", "b.png")
    copied: list[Path] = []

    def fill_up(source: Path, target: Path) -> None:
        if copied:
            raise OSError(errno.ENOSPC, "No space left on device")
        copied.append(target)
        target.write_bytes(source.read_bytes())

    answers = {"a.png": (0.0, 1.0), "b.png": (0.0, 1.0)}
    with monkeypatch.context() as patch:
        # A mock: a disk cannot be filled in a test.
        patch.setattr(shutil, "copy2", fill_up)
        with pytest.raises(SaveError, match=r"b\.png cannot be written: no space left") as refusal:
            _sort(root, answers, tmp_path / "sorted")
    assert "--link" in refusal.value.hint
    assert _list(tmp_path / "sorted") == ["fish/a.png"]

    _sort(root, answers, tmp_path / "sorted")

    assert _list(tmp_path / "sorted") == ["fish/a.png", "fish/b.png"]


def test_sort_replaces_the_half_copy_of_a_run_that_was_killed(tmp_path: Path) -> None:
    root = _write(tmp_path / "photos", "a.png")
    (tmp_path / "sorted" / "fish").mkdir(parents=True)
    half = tmp_path / "sorted" / "fish" / ".a.png.part"
    half.write_bytes(b"pix")
    half.chmod(0o444)

    _sort(root, {"a.png": (0.0, 1.0)}, tmp_path / "sorted")

    assert _list(tmp_path / "sorted") == ["fish/a.png"]


@pytest.mark.parametrize(
    ("classes", "folders"),
    [
        (["fish", "sea star"], ["fish", "sea star"]),
        (["a/b", "a\\b", ".."], ["a_b", "a_b_2", "unnamed"]),
        (["", " ", "..."], ["unnamed", "unnamed_2", "unnamed_3"]),
        (["unsure", "Unsure"], ["unsure_2", "Unsure_3"]),
        (["Fish", "fish", "FISH_2"], ["Fish", "fish_2", "FISH_2_2"]),
        (["é", "e\u0301"], ["é", "e\u0301_2"]),
        ([".hidden", "a:b?", "line\nbreak"], ["hidden", "a_b_", "line_break"]),
        (["CON", "nul.txt"], ["CON_", "nul.txt_"]),
    ],
)
def test_name_folders_makes_one_safe_folder_of_each_class(classes: list[str], folders: list[str]) -> None:
    assert name_folders(classes) == folders


def test_name_folders_shortens_what_no_file_system_takes(tmp_path: Path) -> None:
    first, second = name_folders(["é" * 300, "é" * 301])

    (tmp_path / first).mkdir()
    (tmp_path / second).mkdir()


@pytest.mark.parametrize(
    ("names", "flat"),
    [
        (["a.png", "dive1/b.png"], ["a.png", "b.png"]),
        (["dive1/a.png", "dive2/a.png", "b.png"], ["dive1_a.png", "dive2_a.png", "b.png"]),
    ],
)
def test_name_files_puts_folders_in_front_where_a_name_comes_twice(names: list[str], flat: list[str]) -> None:
    assert name_files(names) == flat


def test_name_files_tells_apart_what_looks_the_same_without_folders(tmp_path: Path) -> None:
    names = ["a/b_c.png", "a_b/c.png", "c.png", "b_c.png", "x/a.png", "x/A.png", "d/" + "x" * 240 + ".png"]

    flat = name_files(names)

    assert len({name.casefold() for name in flat}) == len(names)
    assert flat == name_files(names)
    for name in flat:
        assert name.endswith(".png")
        (tmp_path / name).touch()


@pytest.mark.parametrize("into", ["photos", "photos/fish/..", "link"])
def test_prepare_folder_refuses_one_that_holds_the_pictures(tmp_path: Path, into: str) -> None:
    (tmp_path / "photos" / "fish").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "photos")

    with pytest.raises(UsageError, match="would put copies among the pictures"):
        prepare_folder(tmp_path / into, CLASSES, [tmp_path / "photos"])


def test_prepare_folder_refuses_one_whose_class_folder_holds_the_pictures(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="would put copies among the pictures"):
        prepare_folder(tmp_path, CLASSES, [tmp_path / "fish"])


def test_prepare_folder_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "sorted").touch()

    with pytest.raises(UsageError, match="is a file"):
        prepare_folder(tmp_path / "sorted", CLASSES, [])


def test_prepare_folder_says_at_once_that_it_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SaveError, match="cannot be written"):
        prepare_folder(tmp_path / "file" / "sorted", CLASSES, [])


def test_prepare_folder_takes_one_inside_or_beside_the_pictures(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()

    prepare_folder(tmp_path / "photos" / "sorted", CLASSES, [tmp_path / "photos"])
    prepare_folder(tmp_path, CLASSES, [tmp_path / "photos"])
