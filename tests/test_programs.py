"""The model's programs as subprocesses: options, exit codes, a missing extra, a signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from deployer import commands, programs
from deployer.errors import MissingDependency


def test_options_are_typed_as_they_were_given() -> None:
    options = {"sort": Path("out"), "link": True, "threshold": 0.9, "device": None, "json": False}

    assert programs.as_options({**options, "batch_size": 8, "interesting": ("fish", "-x")}) == [
        "--sort=out",
        "--link",
        "--threshold=0.9",
        "--batch-size=8",
        "--interesting=fish",
        "--interesting=-x",
    ]


@pytest.mark.parametrize(
    ("missing", "hint"), [("torch", "pip install 'deployer[model]'"), ("onnxruntime", "pip install onnxruntime")]
)
def test_what_is_missing_is_named_with_its_installation(
    missing: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == missing else object())

    with pytest.raises(MissingDependency, match=missing) as caught:
        programs.run("model.predict", [], needs=("numpy", missing))

    assert caught.value.exit_code == 2
    assert caught.value.hint == hint


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable module `told`, and a folder `model` in the current one that must not hide ours."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "predict.py").write_text("raise SystemExit(77)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    return tmp_path / "lib" / "told.py"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("import sys; sys.exit(int(sys.argv[1]))", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
    ],
)
def test_the_exit_code_is_the_programs_own(program: Path, source: str, code: int) -> None:
    program.write_text(source)

    assert programs.run("told", ["3"], needs=()) == code


def test_a_folder_called_model_does_not_hide_ours(program: Path) -> None:
    assert programs.run("model.predict", ["--help"]) == 0


def test_an_interruption_is_passed_on_and_waited_for(program: Path) -> None:
    program.write_text(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('saved', flush=True), sys.exit(143)))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    script = "import sys; from deployer import programs; sys.exit(programs.run('told', [], needs=()))"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=os.environ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        parent.send_signal(signal.SIGINT)
        said, _ = parent.communicate(timeout=30)

    assert said == "saved\n"
    assert parent.returncode == 143


@pytest.mark.parametrize(
    ("command", "module", "verb"),
    [
        (commands.predict, "model.predict", []),
        (commands.data.commands["check"], "model.data", ["check"]),
        (commands.data.commands["frames"], "model.data", ["frames"]),
        (commands.compare, "model.compare", []),
    ],
)
def test_every_option_is_one_of_the_program_it_is_passed_to(
    command: click.Command, module: str, verb: list[str]
) -> None:
    program = [sys.executable, "-m", module, *verb, "--help"]
    known = subprocess.run(program, capture_output=True, text=True, check=True).stdout

    flags = [flag for parameter in command.params if isinstance(parameter, click.Option) for flag in parameter.opts]
    assert len(flags) > 1
    assert [flag for flag in flags if f"{flag} " not in known.replace("]", " ") + " "] == []


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["data", "check", "--", "-x"], "-x does not exist"),
        (["data", "frames", "--output", "photos", "--", "-x.mp4"], "-x.mp4 does not exist"),
        (["compare", "--", "-run"], "One run cannot be compared"),
    ],
)
def test_a_name_that_begins_with_a_dash_is_no_option(command: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "-run").mkdir()
    (tmp_path / "-run" / "metrics.json").touch()

    program = [sys.executable, "-c", "from deployer.cli import main; main()", *command]
    ended = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path)

    assert message in ended.stderr
    assert ended.returncode == 2
