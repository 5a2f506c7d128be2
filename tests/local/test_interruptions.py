"""One deployment, cut short again and again; the next command always goes on from there. The tests go in order."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from local_shell import Shell, wait_until


def events(shell: Shell) -> str:
    path = shell.deployment() / "terraform" / "events.jsonl"
    return path.read_text() if path.exists() else ""


def applied(shell: Shell) -> int:
    return events(shell).count('"type":"apply_complete"')


def processes_in(folder: Path) -> list[int]:
    """Return the Terraform processes, providers too, that work in a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink().is_relative_to(folder) and "terraform" in (entry / "comm").read_text():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_ctrl_c_stops_terraform_and_says_what_exists(shell: Shell) -> None:
    answer = shell.interrupt("up", "--yes", when=lambda: applied(shell) >= 6)

    assert answer.code == 130
    assert "Stopping Terraform" in answer.stderr
    assert "resources of 'fish' exist, no instance among them" in answer.stderr
    assert "`deployer up` completes it; `deployer down` removes it." in answer.stderr
    assert processes_in(shell.deployment()) == []


def test_a_killed_deployer_leaves_its_terraform_to_be_stopped(shell: Shell) -> None:
    (shell.deployment() / "terraform" / "events.jsonl").write_text("")
    process = shell.start("up", "--yes")
    wait_until(lambda: '"apply_start"' in events(shell))

    process.kill()
    process.communicate()
    answer = shell("up", "--dry-run")

    assert "The Terraform of a killed command is still at work" in answer.stderr
    assert processes_in(shell.deployment()) == []


def test_a_power_cut_loses_nothing(shell: Shell) -> None:
    (shell.deployment() / "terraform" / "events.jsonl").write_text("")
    process = shell.start("up", "--yes")
    wait_until(lambda: '"apply_start"' in events(shell) and applied(shell) >= 3)

    for number in processes_in(shell.deployment()):
        os.kill(number, signal.SIGKILL)
    process.kill()
    process.communicate()

    wait_until(lambda: not processes_in(shell.deployment()))


def test_up_completes_what_was_cut_short(shell: Shell) -> None:
    answer = shell("up", "--yes")

    assert "fish is ready" in answer.stdout
    assert shell("ssh", "--", "echo", "here").stdout == "here\n"


def test_ctrl_c_in_down_says_what_is_left(shell: Shell) -> None:
    (shell.deployment() / "terraform" / "events.jsonl").write_text("")

    answer = shell.interrupt("down", "--yes", when=lambda: applied(shell) >= 4 and '"action":"delete"' in events(shell))

    assert answer.code == 130
    assert "are still there" in answer.stderr
    assert "`deployer down` goes on." in answer.stderr


def test_down_leaves_nothing_of_all_that(shell: Shell) -> None:
    answer = shell("down", "--yes")

    assert "nothing is left" in answer.stdout
