from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_runs import EVIL, make_old, pretend_metrics, pretend_part, write_run

from model.compare import main
from model.console import run
from model.errors import DataError, UsageError
from model.report.comparison import compare_runs
from model.report.comparison_page import build_comparison
from model.report.pairing import compute_mcnemar, compute_swaps, pair_runs, tell_pairing
from model.report.runs import load_runs

CLASSES = ("a", "b")

Row = tuple[str, str, str, str]


def _answers(rights: Sequence[bool], *, group_size: int = 0) -> list[Row]:
    """Return answers on images that are all "a"; every `group_size` of them are one group."""
    return [
        (f"{place}.png", "a" if is_right else "b", "a", f"g{place // group_size}" if group_size else "")
        for place, is_right in enumerate(rights)
    ]


def _write(folder: Path, answers: Sequence[Row] | None = None, **changes: Any) -> Path:
    metrics = pretend_metrics(CLASSES, part=changes.pop("part", None), **changes)
    return write_run(folder, metrics, _answers([True] * 10) if answers is None else answers)


def _compare(*arguments: object) -> int:
    return run(lambda: main([str(argument) for argument in arguments]))


@pytest.mark.parametrize(
    ("only_first", "only_second", "expected"),
    [(0, 0, 1.0), (5, 5, 1.0), (0, 1, 1.0), (5, 12, 0.1434631), (0, 6, 0.03125), (12, 5, 0.1434631), (0, 60, 0.0)],
)
def test_mcnemar_is_the_exact_binomial(only_first: int, only_second: int, expected: float) -> None:
    assert compute_mcnemar(only_first, only_second) == pytest.approx(expected, abs=1e-7)


def test_swaps_of_single_images_are_mcnemar() -> None:
    gains = np.array([1] * 9 + [-1] * 3 + [0] * 50)

    assert compute_swaps(gains) == pytest.approx(compute_mcnemar(3, 9))


def test_swaps_of_many_groups_are_near_mcnemar() -> None:
    gains = np.array([1] * 40 + [-1] * 20)

    assert compute_swaps(gains) == pytest.approx(compute_mcnemar(20, 40), abs=0.005)


def test_twelve_images_of_one_dive_are_no_twelve_proofs(tmp_path: Path) -> None:
    second = [True] * 12 + [False] * 12
    first = [False] * 12 + [False] * 12
    paths = [
        _write(tmp_path / "alone", _answers(first)),
        _write(tmp_path / "alone too", _answers(second)),
        _write(tmp_path / "dives", _answers(first, group_size=12)),
        _write(tmp_path / "dives too", _answers(second, group_size=12)),
    ]
    runs = load_runs(paths)

    alone, dives = pair_runs(runs[0], runs[1]), pair_runs(runs[2], runs[3])

    assert alone is not None
    assert dives is not None
    assert (alone.only_first, alone.only_second, alone.p < 0.001) == (0, 12, True)
    assert (dives.groups, dives.p) == (2, 1.0)
    assert "more than chance" in tell_pairing(alone)
    assert "could be chance (p = 1, by 2 whole groups)" in tell_pairing(dives)


def test_pairing_is_told_in_words(tmp_path: Path) -> None:
    first = [True] * 5 + [False] * 12 + [True] * 83
    second = [False] * 5 + [True] * 12 + [True] * 83
    runs = load_runs([_write(tmp_path / "A", _answers(first)), _write(tmp_path / "B", _answers(second))])

    pairing = pair_runs(*runs)

    assert pairing is not None
    assert tell_pairing(pairing) == (
        "On the same 100 test images B is right on 12 that A misses, A on 5 that B misses: could be chance (p = 0.14). "
        "B is 7.0 points better (95% interval -1.1 to +15.1)."
    )


def test_pairing_tells_the_difference_from_the_winner_s_side(tmp_path: Path) -> None:
    first, second = [True] * 30, [False] * 10 + [True] * 20
    runs = load_runs([_write(tmp_path / "A", _answers(first)), _write(tmp_path / "B", _answers(second))])

    pairing = pair_runs(*runs)

    assert pairing is not None
    assert pairing.difference == pytest.approx(-1 / 3)
    assert tell_pairing(pairing).endswith("A is 33.3 points better (95% interval +15.4 to +51.2).")


def test_pairing_takes_only_what_both_were_tested_on_with_the_same_label(tmp_path: Path) -> None:
    other = [*_answers([True] * 6)[3:], ("5.png", "b", "b", ""), ("new.png", "a", "a", "")]
    runs = load_runs([_write(tmp_path / "A", _answers([False] * 6)), _write(tmp_path / "B", other)])

    pairing = pair_runs(*runs)

    assert pairing is not None
    assert (pairing.images, pairing.relabelled, pairing.is_same_test) == (2, 1, False)
    assert "On the 2 test images that both were tested on (1 image with another label left out)" in tell_pairing(
        pairing
    )


def test_runs_without_common_images_are_not_paired(tmp_path: Path) -> None:
    folders = [
        _write(tmp_path / "A"),
        _write(tmp_path / "B", [("other.png", "a", "a", "")]),
        _write(tmp_path / "C"),
    ]
    (folders[2] / "predictions.csv").unlink()

    told = compare_runs(load_runs(folders)).sentences

    assert told == [
        "B and A share no test image: only their intervals can be compared.",
        "C and A cannot be paired: C has no predictions.csv.",
    ]


def test_compare_shows_what_was_done_differently(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = _write(tmp_path / "A", recipe={"arch": "cnn", "ema": 0.0, "output": "A", "seed": 1})
    second = _write(tmp_path / "B", recipe={"arch": "resnet18", "ema": 0.0, "output": "B", "seed": 1})

    assert _compare(first, second / "metrics.json", "--output", tmp_path / "page.html") == 0

    shown = capsys.readouterr().out
    table = shown.split("what was done differently\n")[1].split("\n\n")[0].splitlines()
    assert [line.split() for line in table] == [["A", "B"], ["arch", "cnn", "resnet18"]]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "2 runs side by side" in page
    assert "<script" not in page
    assert "src=" not in page


def test_compare_prints_json_and_no_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = [_write(tmp_path / "A"), _write(tmp_path / "B", _answers([False] * 10), seed=7)]

    assert _compare(*folders, "--json") == 0

    told = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in told["runs"]] == ["A", "B"]
    assert told["runs"][0]["recalls"].keys() == set(CLASSES)
    assert (told["pairings"][0]["only_first"], told["pairings"][0]["difference"]) == (10, -1.0)
    assert not (tmp_path / "compare.html").exists()


def test_compare_writes_a_page_here_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert _compare(_write(tmp_path / "A"), _write(tmp_path / "B")) == 0

    assert (tmp_path / "compare.html").is_file()


def test_compare_reads_old_and_new_files_beside_each_other(tmp_path: Path) -> None:
    new = pretend_metrics(CLASSES, recipe={"arch": "cnn", "image_size": 64, "ema": 10.0})
    old = make_old(pretend_metrics(CLASSES, image_size=32))
    runs = load_runs([write_run(tmp_path / "new", new, None), write_run(tmp_path / "old", old, None)])

    comparison = compare_runs(runs)

    assert [(row.name, row.values) for row in comparison.differences] == [("image_size", ("64", "32"))]
    assert build_comparison(comparison).count("<h2>") == 5


def test_compare_tells_runs_of_one_name_apart(tmp_path: Path) -> None:
    runs = load_runs([_write(tmp_path / "one" / "results"), _write(tmp_path / "two" / "results")])

    assert [run.name for run in runs] == ["one/results", "two/results"]


def test_page_shows_odd_names_as_they_are(tmp_path: Path) -> None:
    metrics = pretend_metrics((EVIL, "plain"))
    folders = [write_run(tmp_path / name, metrics, None) for name in ("<b>bold", "plain")]

    page = build_comparison(compare_runs(load_runs(folders)))

    assert "<script>alert" not in page
    assert "<b>bold" not in page


def _break_metrics(folder: Path) -> None:
    (folder / "metrics.json").write_text('{"test": {', encoding="utf-8")


def _empty_metrics(folder: Path) -> None:
    (folder / "metrics.json").write_text("[]", encoding="utf-8")


def _renew(folder: Path) -> None:
    (folder / "metrics.json").write_text(json.dumps(pretend_metrics(format=99)), encoding="utf-8")


def _cut_predictions(folder: Path) -> None:
    whole = (folder / "predictions.csv").read_text(encoding="utf-8")
    (folder / "predictions.csv").write_text(whole[: len(whole) - 12], encoding="utf-8")


def _break_epochs(folder: Path) -> None:
    (folder / "metrics.jsonl").write_text('{"epoch": 1', encoding="utf-8")


def _other_classes(folder: Path) -> None:
    metrics = pretend_metrics(("a", "c"), part=pretend_part(("a", "c")))
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (lambda folder: (folder / "metrics.json").unlink(), "bad has no metrics.json"),
        (_break_metrics, "bad/metrics.json is damaged"),
        (_empty_metrics, "bad/metrics.json is damaged"),
        (_renew, "bad/metrics.json was written by a newer version"),
        (_cut_predictions, "bad/predictions.csv cannot be read"),
        (_break_epochs, "bad/metrics.jsonl cannot be read"),
        (_other_classes, "bad has other classes than good: it knows no 'b' and knows 'c' besides"),
    ],
    ids=["missing", "broken", "empty", "newer", "predictions", "epochs", "classes"],
)
def test_compare_names_the_run_that_cannot_be_read(tmp_path: Path, fault: Any, expected: str) -> None:
    good, bad = _write(tmp_path / "good"), _write(tmp_path / "bad")
    fault(bad)

    with pytest.raises(DataError, match=expected) as caught:
        load_runs([good, bad])

    assert caught.value.hint


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["A"], "One run cannot be compared"),
        (["A", "A"], "named twice"),
        (["A", "nowhere"], "There is no run .*nowhere"),
    ],
)
def test_compare_refuses_what_is_no_two_runs(tmp_path: Path, names: list[str], expected: str) -> None:
    _write(tmp_path / "A")

    with pytest.raises(UsageError, match=expected):
        load_runs([tmp_path / name for name in names])


def test_compare_does_not_wait_for_pytorch() -> None:
    code = "import sys, model.compare; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
