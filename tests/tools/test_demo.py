"""The demo always ends with a torn-down deployment, whatever happened to it.

`deployer` is a stub here: what is tested is what the demo does with exit codes and signals. The real loop is tested in
tests/local.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = (
    "import sys; sys.path.insert(0, 'tools'); import demo, pathlib; demo.DEPLOYER = pathlib.Path(sys.argv.pop(1)); "
)
LAUNCH += "sys.exit(demo.main())"

STUB = """#!/bin/bash
echo "$*" >> "$STUB_LOG"
if [ "$1" = "$STUB_FAILS" ]; then exit 7; fi
if [ "$1" = "$STUB_WAITS" ]; then
  trap 'echo "$1 interrupted" >> "$STUB_LOG"; exit "$STUB_INTERRUPTED"' INT
  touch "$STUB_LOG.waiting"
  for _ in $(seq 300); do sleep 0.1; done
fi
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "my images"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"not opened by the demo")
    return folder


@pytest.fixture
def start(tmp_path: Path) -> Start:
    stub = tmp_path / "deployer"
    stub.write_text(STUB)
    stub.chmod(0o755)

    def begin(*arguments: str, fails: str = "", waits: str = "", interrupted: int = 130) -> subprocess.Popen[str]:
        environment = os.environ | {
            "STUB_LOG": str(tmp_path / "log"),
            "STUB_FAILS": fails,
            "STUB_WAITS": waits,
            "STUB_INTERRUPTED": str(interrupted),
        }
        command = [sys.executable, "-c", LAUNCH, str(stub), "--folder", str(tmp_path / "demo"), *arguments]
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    return begin


def test_demo_runs_the_loop_and_echoes_it(start: Start, images: Path, tmp_path: Path) -> None:
    process = start("--data", str(images))
    output = process.communicate()[0]

    init = f"--cloud local init --data {images}"
    assert process.returncode == 0
    assert _log(tmp_path) == [init, "check", "up --yes", "train -- --preset quick", "fetch", "down --yes", "local stop"]
    assert f"$ deployer --cloud local init --data '{images}'" in output
    assert "$ deployer up --yes" in output
    assert "Done after 0 min" in output
    assert [path.name for path in images.iterdir()] == ["a.jpg"]


@pytest.mark.parametrize(
    ("step", "torn_down"),
    [
        ("check", ["local stop"]),
        ("up", ["down --yes", "local stop"]),
        ("train", ["down --yes", "local stop"]),
    ],
)
def test_demo_tears_down_after_a_failure_and_keeps_its_exit_code(
    step: str, torn_down: list[str], start: Start, images: Path, tmp_path: Path
) -> None:
    process = start("--data", str(images), fails=step)
    output = process.communicate()[0]

    assert process.returncode == 7
    assert _log(tmp_path)[-len(torn_down) :] == torn_down
    assert _log(tmp_path)[-len(torn_down) - 1].startswith(step)
    assert "Not complete; ended after 0 min" in output


def test_demo_reports_a_tear_down_that_failed(start: Start, images: Path, tmp_path: Path) -> None:
    process = start("--data", str(images), fails="down")
    process.communicate()

    assert process.returncode == 7
    assert _log(tmp_path)[-1] == "local stop"


@pytest.mark.parametrize(
    ("number", "exit_code", "child_exit_code"),
    [
        (signal.SIGINT, 130, 130),
        (signal.SIGINT, 130, 0),  # `train` detaches on Ctrl-C and ends with 0
        (signal.SIGTERM, 143, 0),
    ],
)
def test_demo_tears_down_when_it_is_stopped(
    number: signal.Signals, exit_code: int, child_exit_code: int, start: Start, images: Path, tmp_path: Path
) -> None:
    process = start("--data", str(images), waits="train", interrupted=child_exit_code)
    _wait_for(tmp_path / "log.waiting")
    process.send_signal(number)
    process.communicate(timeout=20)

    assert process.returncode == exit_code
    assert _log(tmp_path)[-4:] == ["train -- --preset quick", "train interrupted", "down --yes", "local stop"]


def test_demo_goes_on_tearing_down_at_the_first_signal_and_stops_at_the_second(
    start: Start, images: Path, tmp_path: Path
) -> None:
    process = start("--data", str(images), waits="down")
    _wait_for(tmp_path / "log.waiting")
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Tearing down"):
            break
    assert _log(tmp_path)[-1] == "down --yes"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)

    assert process.returncode == 130
    assert _log(tmp_path)[-3:] == ["down --yes", "down interrupted", "local stop"]


def test_demo_refuses_images_that_are_not_there(start: Start, tmp_path: Path) -> None:
    process = start("--data", str(tmp_path / "nothing"))
    output = process.communicate()[0]

    assert process.returncode == 2
    assert output.splitlines() == [
        f"Error: {tmp_path}/nothing is not a folder.",
        "Hint: make demo DATA=/path/to/images, a folder with targets.csv or with one folder per class.",
    ]


def test_demo_never_empties_a_folder_that_is_not_its_own(start: Start, images: Path, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    thesis = tmp_path / "demo" / "thesis.tex"
    thesis.write_text("years of work")

    process = start("--data", str(images))
    output = process.communicate()[0]

    assert process.returncode == 2
    assert "holds something that no demo put there" in output
    assert thesis.exists()


def test_demo_never_empties_a_folder_with_the_images_in_it(start: Start, tmp_path: Path) -> None:
    inside = tmp_path / "demo" / "images"
    inside.mkdir(parents=True)
    (tmp_path / "demo" / ".demo").touch()

    process = start("--data", str(inside))
    output = process.communicate()[0]

    assert process.returncode == 2
    assert "which is emptied first" in output
    assert inside.exists()


def test_demo_empties_what_an_earlier_demo_left(start: Start, images: Path, tmp_path: Path) -> None:
    for _ in range(2):
        process = start("--data", str(images))
        process.communicate()
        assert process.returncode == 0
        (tmp_path / "demo" / "runs").mkdir()

    process = start("--data", str(images))
    process.communicate()
    assert not (tmp_path / "demo" / "runs").exists()


def _log(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines()


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)
