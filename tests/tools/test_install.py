"""tools/install.sh finds a Python that will do, says what is missing, and does nothing twice."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with the files that the script reads, and a PATH with nothing but the shell's own tools."""
    folder = tmp_path / "a clone"
    (folder / "tools").mkdir(parents=True)
    for name in ("setup.cfg", "pyproject.toml", "tools/install.sh", "tools/fetch_terraform.py"):
        shutil.copy(ROOT / name, folder / name)
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in ("bash", "env", "dirname", "mkdir", "rm", "cat"):
        found = shutil.which(program)
        assert found
        (programs / program).symlink_to(found)
    return folder


def test_install_without_a_new_enough_python_says_which_it_needs(clone: Path) -> None:
    _write_program(
        clone.parent / "bin" / "python3", 'case "$*" in *version_info*) exit 1;; *) echo Python 3.9.2;; esac'
    )

    done = _install(clone)

    assert done.returncode == 2
    assert "Error: no Python 3.11 or newer was found on the PATH (python3 is Python 3.9.2)." in done.stderr
    assert "make install PYTHON=/path/to/python3.12" in done.stderr
    assert not (clone / ".venv").exists()


def test_install_with_a_python_without_venv_names_the_package(clone: Path) -> None:
    _write_program(clone.parent / "bin" / "python3", 'case "$*" in *venv*) exit 1;; esac')

    done = _install(clone)

    assert done.returncode == 2
    assert "python3 cannot make a virtual environment" in done.stderr
    assert "sudo apt install python3-venv" in done.stderr


def test_install_skips_a_version_manager_shim_that_runs_nothing(clone: Path) -> None:
    _write_program(clone.parent / "bin" / "python3.12", "echo 'python3.12: command not found' >&2; exit 127")
    _write_program(clone.parent / "bin" / "python3.13", 'case "$*" in *venv*) exit 1;; esac')

    done = _install(clone)

    assert "python3.13 cannot make a virtual environment" in done.stderr


def test_install_does_nothing_when_nothing_changed(clone: Path) -> None:
    _write_program(clone.parent / "bin" / "terraform", "exit 0")
    (clone / ".venv").mkdir()
    (clone / ".venv" / ".installed").write_text(f"{clone}\n")

    done = _install(clone)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("change", ["metadata", "moved"])
def test_install_begins_again_when_it_must(change: str, clone: Path) -> None:
    _write_program(clone.parent / "bin" / "terraform", "exit 0")
    stamp = clone / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.write_text(f"{clone if change == 'metadata' else '/elsewhere'}\n")
    if change == "metadata":
        os.utime(clone / "setup.cfg", (stamp.stat().st_mtime + 5,) * 2)

    done = _install(clone)

    assert done.returncode == 2, "with no Python on the PATH it cannot go far"
    assert "no Python 3.11" in done.stderr


def _install(clone: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "tools/install.sh"], cwd=clone, env={"PATH": str(clone.parent / "bin")}, capture_output=True, text=True
    )


def _write_program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
