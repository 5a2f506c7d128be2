"""Which results are meant by a name, a folder, or nothing at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.errors import UsageError
from deployer.runs import find_run, find_runs


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for job, files in {"20261101-a": ["report.html"], "20261102-b": ["report.html"], "20261103-c": ["log"]}.items():
        for file in files:
            (tmp_path / "runs" / job).mkdir(parents=True, exist_ok=True)
            (tmp_path / "runs" / job / file).touch()
    return tmp_path / "runs"


def test_the_latest_run_that_has_the_file_is_found(runs: Path) -> None:
    assert find_run(runs, "", holding="report.html").name == "20261102-b"


@pytest.mark.parametrize("wanted", ["20261101-a", "{runs}/20261101-a", "{runs}/20261101-a/report.html"])
def test_a_run_is_found_by_id_folder_and_file(runs: Path, wanted: str) -> None:
    assert find_run(runs, wanted.format(runs=runs), holding="report.html") == runs / "20261101-a"


@pytest.mark.parametrize(
    ("wanted", "said", "hint"),
    [
        ("20261109-x", "There is no run '20261109-x'.", "20261101-a, 20261102-b"),
        ("20261103-c", "has no report.html", "deployer fetch 20261103-c"),
    ],
)
def test_what_cannot_be_found_is_named_with_what_to_do(runs: Path, wanted: str, said: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_run(runs, wanted, holding="report.html")

    assert said in caught.value.message
    assert hint in caught.value.hint


def test_without_any_run_training_is_advised(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no run with a report") as caught:
        find_run(tmp_path / "runs", "", holding="report.html")

    assert "deployer train" in caught.value.hint


def test_of_several_runs_those_that_have_not_ended_are_left_out(runs: Path) -> None:
    words = [str(path) for path in sorted(runs.iterdir())]

    found, lacking = find_runs(runs, words, holding="report.html")

    assert [folder.name for folder in found] == ["20261101-a", "20261102-b"]
    assert lacking == [str(runs / "20261103-c")]
    with pytest.raises(UsageError, match="20261103-c has no report"):
        find_runs(runs, words[1:], holding="report.html")
    with pytest.raises(UsageError, match="There is no run '20261109-x'"):
        find_runs(runs, [*words, "20261109-x"], holding="report.html")
