"""The one place where an exception becomes a message and an exit code, driven as a program."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from deployer import __version__, cli
from deployer.commands import check
from deployer.errors import DeployerError, Interrupted, NoCapacity, UsageError


def deployer(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deployer", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)  # type: ignore[call-overload]


def test_version_is_printed() -> None:
    assert deployer("--version").stdout == f"deployer {__version__}\n"


def test_help_needs_nothing_heavy() -> None:
    heavy = "{'boto3', 'botocore', 'paramiko', 'moto', 'asyncssh', 'torch', 'jinja2', 'rich'}"
    script = f"import sys; from deployer import cli; cli.run(['--help']); print({heavy} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "set()"


def test_commands_are_listed_as_they_are_used() -> None:
    listed = [line.split()[0] for line in deployer("--help").stdout.split("Commands:")[1].splitlines()[1:] if line]

    assert listed[:6] == ["init", "check", "up", "train", "tune", "status"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dwon",), "No such command 'dwon'"),
        (("--cloud", "azure", "check"), "'azure' is not one of 'aws', 'local'"),
        (("up", "--nodes", "many"), "'many' is not a valid integer"),
        (("up", "--nodes", "0"), "nodes = 0 in --nodes must be between 1 and 16"),
        (("check", "--zone", "us-east-1"), 'availability_zone = "us-east-1"'),
        (("up", "--gpu-memory", "500"), "No instance type has 500 GiB of GPU memory in one GPU"),
        (("up", "--gpus", "0"), "0 is not in the range x>=1"),
        (("--name", "My_Fish", "check"), "AWS refuses other names"),
        (("--config", "nowhere.toml", "check"), "nowhere.toml does not exist"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_names_the_value(arguments: tuple[str, ...], said: str, project: Path) -> None:
    done = deployer(*arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DeployerError("It went wrong.", hint="Type this."), 1, "Error: It went wrong.\nHint: Type this.\n"),
        (NoCapacity("None left.", code="X"), 1, "Error: None left.\n"),
        (UsageError("Not so."), 2, "Error: Not so.\n"),
        (Interrupted("Stopped."), 130, "Error: Stopped.\n"),
        (KeyboardInterrupt(), 130, "\nInterrupted.\n"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 1, "Error: The disk is full (/x/y).\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1, "Error: /x cannot be written or read"),
    ],
)
def test_errors_become_messages_and_exit_codes(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(check, "callback", fail)  # the boundary is tested here, not the command behind it

    assert cli.run(["check"]) == code
    assert said in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(check, "callback", fail)

    with pytest.raises(ZeroDivisionError):
        cli.run(["check"])


def test_init_on_a_full_disk_says_so_and_leaves_nothing(project: Path) -> None:
    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    done = deployer("init", cwd=project, preexec_fn=no_room)

    assert done.returncode == 1
    assert "The disk is full" in done.stderr
    assert list(project.iterdir()) == []


def test_reader_that_goes_away_is_no_error(project: Path) -> None:
    script = f"{sys.executable} -m deployer --help | head -1; exit ${{PIPESTATUS[0]}}"

    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=os.environ)

    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ("y\n", 0, "went on"),
        ("n\n", 1, "Nothing was done."),
        ("", 2, "nobody can answer here.\nHint: Add --yes."),
    ],
)
def test_question_is_answered_by_a_person_or_by_a_flag(answer: str, code: int, words: str) -> None:
    program = (
        "import click, sys\n"
        "from deployer import cli\n"
        "from deployer.commands.context import confirm\n"
        "@cli.cli.command()\n"
        "def ask():\n"
        "    confirm('Go on?')\n"
        "    print('went on')\n"
        "sys.exit(cli.run(['ask']))\n"
    )

    done = subprocess.run([sys.executable, "-c", program], input=answer, capture_output=True, text=True, timeout=60)

    assert (done.returncode, words in done.stdout + done.stderr) == (code, True), done.stderr
