from __future__ import annotations

import csv
import errno
import os
from pathlib import Path

import pytest

from model.errors import SaveError, UsageError
from model.prediction.table import Answer, PartialTable, write_skipped, write_table

NAMES = ("a.png", 'b "ü",\n.png', "broken.png", "c\udcff.png")
ANSWERS = (
    Answer(name=NAMES[0], shares=(0.25, 0.75)),
    Answer(name=NAMES[1], shares=(1 / 3, 2 / 3)),
    Answer(name=NAMES[2], fault="is damaged"),
    Answer(name=NAMES[3], shares=(1.0, 0.0)),
)


def _open(table: Path, *, images: tuple[str, ...] = NAMES, fingerprint: str = "model images") -> PartialTable:
    return PartialTable(table, images=images, fingerprint=fingerprint)


def _read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_partial_table_goes_on_wherever_it_was_cut_off(tmp_path: Path) -> None:
    table = tmp_path / "predictions.csv"
    with _open(table) as part:
        part.append(ANSWERS)
    whole = (tmp_path / "predictions.csv.part").read_bytes()

    for size in range(len(whole) + 1):
        (tmp_path / "predictions.csv.part").write_bytes(whole[:size])
        with _open(table) as part:
            assert tuple(part.answers()) == ANSWERS[: part.done]
            part.append(ANSWERS[part.done :])
        assert (tmp_path / "predictions.csv.part").read_bytes() == whole


def test_partial_table_drops_what_is_damaged_and_all_behind_it(tmp_path: Path) -> None:
    table = tmp_path / "predictions.csv"
    with _open(table) as part:
        part.append(ANSWERS)
    lines = (tmp_path / "predictions.csv.part").read_bytes().splitlines(keepends=True)
    lines[2] = b"\0" * len(lines[2])
    (tmp_path / "predictions.csv.part").write_bytes(b"".join(lines))

    with _open(table) as part:
        assert part.done == 1
        assert tuple(part.answers()) == ANSWERS[:1]


def test_partial_table_starts_anew_for_another_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with _open(tmp_path / "predictions.csv") as part:
        part.append(ANSWERS)

    with _open(tmp_path / "predictions.csv", fingerprint="other images") as part:
        assert part.done == 0
        assert tuple(part.answers()) == ()

    assert "starting anew" in capsys.readouterr().out


def test_partial_table_says_where_it_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with _open(tmp_path / "predictions.csv") as part:
        part.append(ANSWERS[:2])
    assert capsys.readouterr().out == ""

    with _open(tmp_path / "predictions.csv"):
        pass

    assert "going on after 2 of 4 images" in capsys.readouterr().out


def test_partial_table_leaves_a_file_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "predictions.csv.part").write_text("half a download")

    with pytest.raises(UsageError, match="is in the way"):
        _open(tmp_path / "predictions.csv")

    assert (tmp_path / "predictions.csv.part").read_text() == "half a download"


def test_partial_table_is_written_by_one_program_at_a_time(tmp_path: Path) -> None:
    with _open(tmp_path / "predictions.csv"), pytest.raises(UsageError, match="Another program is writing"):
        _open(tmp_path / "predictions.csv")

    with _open(tmp_path / "predictions.csv"):
        pass


def test_partial_table_removes_what_a_killed_program_left_of_this_table(tmp_path: Path) -> None:
    for name in (".predictions.csv.77.tmp", ".predictions.skipped.csv.77.tmp", ".other.csv.77.tmp"):
        (tmp_path / name).touch()

    with _open(tmp_path / "predictions.csv"):
        pass

    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.csv.77.tmp", "predictions.csv.part"]


def test_partial_table_keeps_what_was_written_before_the_disk_was_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "predictions.csv"

    def refuse(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with _open(table) as part:
        part.append(ANSWERS[:1])
        with monkeypatch.context() as patch:
            # A mock: a disk cannot be filled in a test.
            patch.setattr(os, "fsync", refuse)
            with pytest.raises(SaveError, match="no space left on device"):
                part.append(ANSWERS[1:])
        assert part.done == 1

    with _open(table) as part:
        assert tuple(part.answers()) == ANSWERS[: part.done]


def test_partial_table_refuses_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SaveError, match="cannot be written"):
        _open(tmp_path / "file" / "predictions.csv")


def test_write_table_holds_what_could_be_read(tmp_path: Path) -> None:
    write_table(tmp_path / "new" / "predictions.csv", ANSWERS, ("cat", "dog"))

    assert _read(tmp_path / "new" / "predictions.csv") == [
        ["filename", "label", "probability", "p_cat", "p_dog"],
        ["a.png", "dog", "0.750000", "0.250000", "0.750000"],
        ['b "ü",\n.png', "dog", "0.666667", "0.333333", "0.666667"],
        ["c\\udcff.png", "cat", "1.000000", "1.000000", "0.000000"],
    ]


def test_write_skipped_holds_the_rest(tmp_path: Path) -> None:
    write_skipped(tmp_path / "skipped.csv", ANSWERS)

    assert _read(tmp_path / "skipped.csv") == [["filename", "reason"], ["broken.png", "is damaged"]]


def test_write_table_leaves_the_old_one_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "predictions.csv").write_text("old")

    def refuse(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)  # a mock: a disk cannot be filled in a test

    with pytest.raises(SaveError, match="no space left on device"):
        write_table(tmp_path / "predictions.csv", ANSWERS, ("cat", "dog"))

    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]
    assert (tmp_path / "predictions.csv").read_text() == "old"
