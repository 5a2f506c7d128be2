"""The power goes at every stage of an up and of a down; what follows comes right. `make soak`, minutes a case."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from local_shell import Shell, wait_until
from test_interruptions import applied, events, processes_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def cut(shell: Shell, *arguments: str, when: Callable[[], bool]) -> None:
    """Start a command and kill it with all that it started once `when` is true."""
    log = shell.deployment() / "terraform" / "events.jsonl"
    if log.exists():
        log.write_text("")
    process = shell.start(*arguments)
    wait_until(lambda: when() or process.poll() is not None)
    for number in processes_in(shell.deployment()):
        os.kill(number, signal.SIGKILL)
    process.kill()
    process.communicate()
    wait_until(lambda: not processes_in(shell.deployment()))


@pytest.mark.parametrize("stage", [0, 1, 4, 9, 16, 24, 30])
def test_power_cut_in_up(shell: Shell, stage: int) -> None:
    cut(shell, "up", "--yes", when=lambda: '"apply_start"' in events(shell) and applied(shell) >= stage)

    assert "fish is ready" in shell("up", "--yes").stdout
    assert "nothing is left" in shell("down", "--yes").stdout


@pytest.mark.parametrize("stage", [0, 5, 20, 31])
def test_power_cut_in_down(shell: Shell, stage: int) -> None:
    shell("up", "--yes")

    cut(shell, "down", "--yes", when=lambda: '"action":"delete"' in events(shell) and applied(shell) >= stage)

    assert "nothing is left" in shell("down", "--yes").stdout


@pytest.mark.parametrize("stage", [2, 10, 25])
def test_down_right_after_a_power_cut_in_up(shell: Shell, stage: int) -> None:
    cut(shell, "up", "--yes", when=lambda: '"apply_start"' in events(shell) and applied(shell) >= stage)

    assert "nothing is left" in shell("down", "--yes").stdout
