"""`python -m model.tune`: what is searched, what survives, and what is left of it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.config import parse_train_arguments
from model.errors import CheckpointError, Interrupted, ModelError, UsageError
from model.tune import main
from model.tuning.config import TuneConfig, parse_tune_arguments
from model.tuning.gain import measure_gain
from model.tuning.results import Judges, write_results
from model.tuning.search import Limits, Search, choose_places
from model.tuning.study import Running, Study, Trial, open_study, pick_best

SMALL = ("--arch", "cnn", "--image-size", "32", "--epochs", "2", "--device", "cpu", "--tta", "none")
PARAMS = ("--params", "learning-rate,balance")
ORIGIN: dict[str, Any] = {"settings": {}, "images": 0, "digest": "", "means": []}


def _parse(folder: Path, *arguments: str | Path) -> TuneConfig:
    return parse_tune_arguments(
        ["--data", str(folder / "photos"), "--output", str(folder / "out"), *map(str, arguments)]
    )


def _tune(monkeypatch: pytest.MonkeyPatch, data: Path, output: Path, *arguments: str) -> None:
    command = ["model.tune", "--data", str(data), "--output", str(output), *SMALL, *arguments]
    monkeypatch.setattr(sys, "argv", command)
    # Whoever trains on two shared cores with two threads waits for himself.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    main()


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tuning of three trials, done once: its folder, with the images in photos and the results in out."""
    from conftest import _draw  # the fixture is for one test, this one for the module

    folder = tmp_path_factory.mktemp("tuned")
    for number in range(48):
        label = ("red", "blue")[number % 2]
        _draw(folder / "photos" / label / f"{number}.png", label, seed=number)
    with pytest.MonkeyPatch.context() as patch:
        _tune(patch, folder / "photos", folder / "out", "--trials", "3", *PARAMS)
    return folder


def test_a_tuning_leaves_its_table_page_and_preset(tuned: Path) -> None:
    out = tuned / "out"

    assert sorted(path.name for path in out.iterdir()) == [
        "best.json", "checkpoints", "logs", "report.html", "trials.csv", "trials.json",
    ]  # fmt: skip
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["study.db"]
    with (out / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["trial"], row["state"]) for row in rows] == [(str(number), "finished") for number in (1, 2, 3)]
    assert (rows[0]["learning_rate"], rows[0]["balance"]) == ("0.002", "none")  # the preset's own
    told = json.loads((out / "trials.json").read_text())
    assert [trial["score"] for trial in told["trials"]] == [
        pytest.approx(float(row["balanced_accuracy"]), abs=1e-6) for row in rows
    ]
    page = (out / "report.html").read_text()
    assert "<svg" in page
    assert "<script" not in page
    assert "learning-rate" in page


def test_the_preset_of_a_tuning_is_a_training_with_the_best_values(tuned: Path) -> None:
    told = json.loads((tuned / "out" / "trials.json").read_text())
    best = told["trials"][told["best"] - 1]["values"]

    config = parse_train_arguments(["--data", "d", "--output", "o", "--preset", str(tuned / "out" / "best.json")])

    assert (config.learning_rate, config.balance) == (best["learning_rate"], best["balance"])
    assert (config.arch, config.image_size, config.epochs, config.tta) == ("cnn", 32, 2, "none")


def test_the_preset_has_the_shares_of_mixing_that_the_best_trial_had(tmp_path: Path) -> None:
    config = _parse(tmp_path, "--cutmix", "0.9", "--params", "mixup")
    judges = Judges(targets=np.array([0, 1]), clusters=np.arange(2))
    with open_study(tmp_path / "study.db", config.space, config.base, ORIGIN) as study:
        best = max((study.begin_trial() for _ in range(8)), key=lambda running: running.config.mixup)
        study.finish(best, 1.0, {"loss": 0.1, "answers": (0, 1), "seconds": 1.0})
        write_results(config, study, judges)

    preset = config.base.output / "best.json"
    found = parse_train_arguments(["--data", "d", "--output", "o", "--preset", str(preset)])

    assert best.config.mixup > 0.1
    assert (found.mixup, found.cutmix) == (best.config.mixup, best.config.cutmix)


def test_a_tuning_that_is_done_does_nothing_again(
    tuned: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (tuned / "out" / "trials.csv").read_text()

    _tune(monkeypatch, tuned / "photos", tuned / "out", *PARAMS, "--trials", "3", "--resume")

    assert (tuned / "out" / "trials.csv").read_text() == before
    assert "3 trials, 3 of them done" in capsys.readouterr().out


def test_a_study_is_not_gone_on_with_by_other_settings_or_images(
    tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: str, data: Path = tuned / "photos") -> str:
        with pytest.raises(UsageError) as raised:
            _tune(monkeypatch, data, tuned / "out", *arguments)
        return raised.value.message

    assert "--seed 0, now 7" in refuse(*PARAMS, "--resume", "--seed", "7")
    assert "--params learning-rate,balance, now mixup" in refuse("--params", "mixup", "--resume")
    assert "holds the trials of an earlier tuning" in refuse(*PARAMS)
    shutil.copytree(tuned / "photos", tmp_path / "photos")
    Image.new("RGB", (48, 36)).save(tmp_path / "photos" / "red" / "0.png")
    assert "other pictures of these names" in refuse(*PARAMS, "--resume", data=tmp_path / "photos")
    (tmp_path / "photos" / "red" / "0.png").rename(tmp_path / "photos" / "red" / "other.png")
    assert "images of other names, labels or groups" in refuse(*PARAMS, "--resume", data=tmp_path / "photos")
    (tmp_path / "photos" / "red" / "other.png").unlink()
    assert "48 images; here are 47" in refuse(*PARAMS, "--resume", data=tmp_path / "photos")


def test_there_is_nothing_to_resume_without_a_study(
    tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CheckpointError, match="There is nothing to resume"):
        _tune(monkeypatch, tuned / "photos", tmp_path / "out", "--resume")
    (tmp_path / "out" / "checkpoints").mkdir()
    (tmp_path / "out" / "checkpoints" / "study.db").write_text("no database at all, but words, long enough for a head")
    with pytest.raises(CheckpointError, match="holds no study: file is not a database"):
        _tune(monkeypatch, tuned / "photos", tmp_path / "out", "--resume")


class Meddling(Study):
    """A study in which something happens at the first epoch of a trial."""

    happens: dict[int, Callable[[], None]]

    def report(self, running: Running, share: float, score: float) -> bool:
        """Let it happen."""
        self.happens.pop(running.number, lambda: None)()
        return super().report(running, share, score)


def _search(folder: Path, data: Path, happens: dict[int, Callable[[], None]], **limits: float) -> tuple[Trial, ...]:
    config = _parse(folder, *SMALL, "--params", "learning-rate")
    base = replace(config.base, data=data)
    with open_study(folder / "study.db", config.space, base, ORIGIN) as study:
        study.__class__ = Meddling
        study.happens = happens
        search = Search(study, Limits(**{"trials": 3, **limits}), folder=folder, logs=folder / "logs")
        search.run([{"OMP_NUM_THREADS": "1"}])
        return study.list_trials()


def test_a_trial_that_is_killed_ends_alone_and_a_signal_ends_all(
    tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def kill() -> None:
        for process in active_children():
            os.kill(process.pid or 0, signal.SIGKILL)

    def stop() -> None:
        raise Interrupted(signal.SIGINT)

    with pytest.raises(Interrupted):
        _search(tmp_path, tuned / "photos", {2: kill, 3: stop})

    said = capsys.readouterr()
    assert "Trial 2 failed: The process was killed (SIGKILL)" in said.err
    assert "trial 1/3  " in said.out
    assert active_children() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "study.db"]


def test_a_trial_that_is_done_again_keeps_its_number(tmp_path: Path) -> None:
    config = _parse(tmp_path, "--params", "mixup")
    path = tmp_path / "study.db"
    with open_study(path, config.space, config.base, ORIGIN) as study:
        cut_off = [study.begin_trial(), study.begin_trial()]
        study.finish(study.begin_trial(), 0.5, {"loss": 0.4, "answers": (1, 0)})

    with open_study(path, config.space, config.base, ORIGIN) as study:
        again = [study.begin_trial() for _ in range(3)]
        for running in reversed(again):
            study.finish(running, 0.6, {"loss": 0.4})
        trials = study.list_trials()

    assert [running.number for running in again] == [1, 2, 4]
    assert [running.config.mixup for running in again[:2]] == [running.config.mixup for running in cut_off]
    assert [(trial.number, trial.is_base) for trial in trials] == [(1, True), (2, False), (3, False), (4, False)]
    assert trials[2].answers == (1, 0)


def test_only_a_trial_that_is_worse_than_most_at_half_of_its_training_is_stopped(tmp_path: Path) -> None:
    config = _parse(tmp_path, "--params", "mixup")
    with open_study(tmp_path / "study.db", config.space, config.base, ORIGIN) as study:
        base = study.begin_trial()
        for score in (0.6, 0.7, 0.8, 0.9, 0.9):
            running = study.begin_trial()
            for share in (0.25, 0.5):
                study.report(running, share, score)
            study.finish(running, score, {"loss": 0.4})

        bad, good = study.begin_trial(), study.begin_trial()

        assert study.report(bad, 0.25, 0.1)
        assert not study.report(bad, 0.5, 0.1)
        assert study.report(good, 0.5, 0.85)
        assert study.report(base, 0.5, 0.1)


def test_when_all_trials_fail_the_reason_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"All 3 trials failed, the last one so: .*does not exist"):
        _search(tmp_path, tmp_path / "nowhere", {}, trials=20)


def test_luck_is_told_from_skill() -> None:
    generator = np.random.default_rng(0)
    targets = np.arange(240) % 3
    clusters = np.arange(240)

    def answer(share: float) -> list[int]:
        return np.where(generator.random(240) < share, targets, (targets + 1) % 3).tolist()

    lucky = [answer(0.7) for _ in range(30)]
    best = int(np.argmax([(np.array(row) == targets).mean() for row in lucky]))
    luck = measure_gain(lucky, best, 0, targets, clusters)
    skill = measure_gain([*lucky, answer(0.9)], 30, 0, targets, clusters)

    assert luck.difference > 0.05
    assert luck.honest is not None
    assert abs(luck.honest) < 0.6 * luck.difference
    assert skill.interval is not None
    assert skill.interval[0] > 0.05
    assert skill.honest == pytest.approx(skill.difference, abs=0.02)


def test_the_best_is_the_highest_score_then_the_lowest_loss() -> None:
    def end(number: int, score: float, loss: float, state: str = "finished") -> Trial:
        return Trial(number=number, state=state, is_base=False, values={}, score=score, loss=loss)

    trials = [end(1, 0.7, 0.5), end(2, 0.8, 0.6), end(3, 0.8, 0.4), end(4, 0.9, 0.1, "failed"), end(5, 0.8, 0.4)]

    best = pick_best(trials)

    assert best is not None
    assert best.number == 3
    assert pick_best(trials[3:4]) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trials", "0"], "'0' is not a whole number between 1 and 10000"),
        (["--time-limit", "soon"], "'soon' is not a duration such as 90s"),
        (["--time-limit", "0s"], "'0s' is not a duration"),
        (["--params", "learning-rat"], "--params names 'learning-rat', which cannot be searched"),
        (["--params", "mixup", "--mixup", "0.2"], "--mixup has a value and is to be searched too"),
        (["--params", ","], "Nothing is left to search"),
        (["--folds", "5"], "A trial trains one network"),
        (["--profile"], "--profile records one training"),
    ],
)
def test_tune_arguments_are_checked(tmp_path: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        _parse(tmp_path, *arguments)

    assert message in raised.value.message


def test_what_has_a_value_is_not_searched_and_what_is_searched_holds_the_presets_value(tmp_path: Path) -> None:
    config = _parse(tmp_path, "--preset", '{"base": "best", "mixup": 0.7, "folds": 3}', "--learning-rate", "0.01")

    assert set(config.space) == {"weight_decay", "augment", "mixup", "label_smoothing", "balance"}
    assert config.space["mixup"].describe() == "0 to 0.7"
    assert (config.base.folds, config.chosen["folds"], config.base_preset) == (0, 3, "best")


def test_processes_share_the_cores_or_take_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.tuning.search.count_cores", lambda: 8)  # of no machine that a test can choose
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")

    assert choose_places(None, 0) == [{}]
    assert choose_places(3, 0) == [{"OMP_NUM_THREADS": "2"}] * 3
    assert [place["CUDA_VISIBLE_DEVICES"] for place in choose_places(None, 2)] == ["2", "5"]
    assert [place["CUDA_VISIBLE_DEVICES"] for place in choose_places(3, 2)] == ["2", "5", "2"]


def test_without_optuna_it_says_how_to_install_it(tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)  # how Python itself marks what cannot be imported

    with pytest.raises(UsageError) as raised:
        _tune(monkeypatch, tuned / "photos", tmp_path / "out")

    assert raised.value.hint == "pip install optuna"
    assert not (tmp_path / "out").exists()
