"""A Terraform whose deployer was killed is stopped as Ctrl-C would stop it, and waited for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from deployer.terraform import running


@pytest.mark.parametrize(
    ("script", "grace_seconds", "code"),
    [
        ("trap 'exit 3' INT; echo; while :; do sleep 0.05; done", 60.0, 3),
        ("trap '' INT; echo; while :; do sleep 0.05; done", 0.3, -9),
    ],
)
def test_settle_stops_who_is_at_work(script: str, grace_seconds: float, code: int, tmp_path: Path) -> None:
    mark, said = tmp_path / "running", []
    with (tmp_path / "out").open("wb") as out:
        process = running.start(["bash", "-c", script], mark=mark, stdout=out)
    while not (tmp_path / "out").stat().st_size:  # until the trap is set
        time.sleep(0.02)

    running.settle(mark, lambda: said.append("waiting"), grace_seconds=grace_seconds)

    assert process.wait(timeout=5) == code
    assert said == ["waiting"]


def test_settle_ends_what_an_ended_terraform_left_behind(tmp_path: Path) -> None:
    mark = tmp_path / "running"
    process = running.start(["bash", "-c", "sleep 600 & exit 0"], mark=mark)
    process.wait(timeout=5)

    started = time.monotonic()
    running.settle(mark, lambda: None)

    assert time.monotonic() - started < 5


def test_settle_is_silent_where_nobody_works(tmp_path: Path) -> None:
    def wait() -> None:
        pytest.fail("there is nobody to wait for")

    running.settle(tmp_path / "running", wait)
    running.start(["true"], mark=tmp_path / "running").wait(timeout=5)
    running.settle(tmp_path / "running", wait)
