"""What is said reaches whoever listens; nobody listening, or a full disk under the log, costs no work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from model.console import run, say, warn
from model.errors import DataError
from model.interruption import Interruption

needs_full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, where no disk has room")


def test_reader_who_has_left_does_not_end_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = []

    def work() -> None:
        say("first")
        say("second")
        done.append(True)

    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        code = run(work)

    assert (code, done) == (0, [True])


@needs_full_device
def test_log_on_a_full_disk_does_not_end_the_work_but_is_told_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = []

    def work() -> None:
        say("epoch 1/2")
        say("x" * 100_000)
        done.append(True)

    with Path("/dev/full").open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        code = run(work)

    assert done == [True]
    assert code == 1  # who redirects figures to a file must not take half of them for all
    assert "cannot be written: no space left on device" in capsys.readouterr().err


@needs_full_device
def test_errors_that_nobody_can_read_keep_their_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        warn("lost")
        raise DataError("lost as well", hint="lost")

    with Path("/dev/full").open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        code = run(fail)
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

    assert code == DataError("").exit_code


@pytest.mark.parametrize("program", ["train", "predict", "data", "compare"])
def test_ctrl_c_while_a_program_is_imported_is_one_line(program: str, tmp_path: Path) -> None:
    # Stands in for the first import that takes long: `data` begins with argparse.
    name = "argparse" if program == "data" else "numpy"
    (tmp_path / f"{name}.py").write_text(
        "import signal\ntry:\n    signal.raise_signal(signal.SIGINT)\nexcept BaseException:\n    pass\n"
    )

    done = subprocess.run(
        [sys.executable, "-m", f"model.{program}"],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Stopped by SIGINT.\n")


def test_an_interruption_is_not_taken_for_a_damaged_file(capsys: pytest.CaptureFixture[str]) -> None:
    def load() -> None:
        with Interruption():
            try:
                signal.raise_signal(signal.SIGINT)
            except Exception as error:
                raise DataError("The file is damaged.") from error

    assert run(load) == 130
    assert capsys.readouterr().err == "Stopped by SIGINT.\n"
