"""`deployer tune` and presets of the user's: what reaches the program, here and on the host."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from record_examples import RECORD

from deployer import commands
from deployer.config import Config
from deployer.deployment.presets import carry_preset
from deployer.deployment.train import TUNE, job_spec
from deployer.errors import ConfigError
from deployer.remote.probe import HostFacts


def test_a_preset_in_a_file_travels_as_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{\n  "base": "quick",\n  "mixup": 0.3\n}\n')
    carried = '{"base":"quick","mixup":0.3}'

    assert carry_preset(["--preset", "mine.json", "--seed", "1"], tmp_path) == ("--preset", carried, "--seed", "1")
    assert carry_preset(["--preset=mine.json"], tmp_path) == (f"--preset={carried}",)


@pytest.mark.parametrize("arguments", [("--preset", "best"), ("--preset",), ("--preset", '{"mixup":0.3}'), ("a/b",)])
def test_what_is_no_file_of_a_preset_stays_as_it_is(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert carry_preset(arguments, tmp_path) == arguments


@pytest.mark.parametrize(("name", "message"), [("gone.json", "No such file"), ("words.json", "is not JSON")])
def test_a_preset_that_cannot_be_carried_is_refused_before_anything_is_sent(
    name: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "words.json").write_text("mixup = 0.3")

    with pytest.raises(ConfigError, match=message):
        carry_preset(["--preset", name], tmp_path)


def test_a_tuning_on_the_host_gets_optuna_and_hands_on_every_word(tmp_path: Path) -> None:
    facts = HostFacts(python=sys.executable)
    spec = job_spec(Config(), RECORD, facts, None, "j-1", ("--trials", "2 or 3"), program=TUNE)
    # In place of the training, a program that says what it was given; Optuna is there, so that nothing is fetched.
    (tmp_path / "optuna.py").touch()
    (tmp_path / "told").mkdir()
    (tmp_path / "told" / "__init__.py").touch()
    (tmp_path / "told" / "tune.py").write_text("import json, sys; print(json.dumps(sys.argv[1:]))")
    argv = [word.replace("model.tune", "told.tune") for word in spec.argv]

    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})

    assert done.returncode == 0, done.stderr
    given = json.loads(done.stdout)
    assert given[-2:] == ["--trials", "2 or 3"]
    assert given[given.index("--output") + 1].endswith("jobs/j-1/artifacts")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "tuned"], "--output is for a tuning on this machine."),
        (["--data", "photos", "--detach"], "--detach, --json and a JOB are for a tuning on the instance."),
        (["--data", "photos", "--time-limit", "soon"], "'soon' is not a duration"),
        (["--data", "nowhere", "--", "--seed", "3"], "nowhere does not exist"),
    ],
)
def test_tune_on_this_machine_refuses_in_words(arguments: list[str], message: str, tmp_path: Path) -> None:
    program = [sys.executable, "-c", "from deployer.cli import main; main()", "tune", *arguments]

    ended = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path)

    assert message in ended.stderr
    assert ended.returncode == 2


def test_what_is_passed_on_is_an_option_of_the_program() -> None:
    program = [sys.executable, "-m", "model.tune", "--help"]
    known = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    here = {"--detach", "--json"}

    flags = [
        flag for option in commands.tune.params if isinstance(option, click.Option) for flag in option.opts
        if flag not in here
    ]  # fmt: skip

    assert len(flags) > 5
    assert [flag for flag in flags if f"{flag} " not in known.replace("]", " ")] == []
