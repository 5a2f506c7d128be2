"""What of a folder travels."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deployer.errors import ConfigError, DataError
from deployer.remote.manifest import scan


def write_tree(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


# Ignore files, the other files, and which of these travel.
IGNORED_TREES = {
    "a name at any depth": ({".gitignore": "*.log\n"}, ["a.log", "b/c.log", "b/d.txt"], ["b/d.txt"]),
    "a rooted name": ({".gitignore": "/data\n"}, ["data", "b/data"], ["b/data"]),
    "a folder": ({".gitignore": "out/\n"}, ["out/a", "b/out/c", "b/d/outer"], ["b/d/outer"]),
    "a negation": (
        {".gitignore": "*.log\n!keep.log\n"},
        ["a.log", "keep.log", "b/keep.log"],
        ["b/keep.log", "keep.log"],
    ),
    "a negation below an excluded folder is too late": ({".gitignore": "out/\n!out/keep\n"}, ["out/keep"], []),
    "a negation in a folder whose content is excluded": (
        {".gitignore": "out/*\n!out/keep\n"},
        ["out/keep", "out/x"],
        ["out/keep"],
    ),
    "two stars": ({".gitignore": "a/**/z\n"}, ["a/z", "a/b/c/z", "z"], ["z"]),
    "the nearest file decides": (
        {".gitignore": "*.txt\n", "b/.gitignore": "!*.txt\n"},
        ["a.txt", "b/c.txt", "b/d/e.txt"],
        ["b/c.txt", "b/d/e.txt"],
    ),
    "a rooted name in a folder of its own": ({"b/.gitignore": "/x\n"}, ["x", "b/x", "b/c/x"], ["b/c/x", "x"]),
    "comments, blanks and escapes": ({".gitignore": "# a\n\n\\#b\nc\\ \n"}, ["a", "#b", "c "], ["a"]),
}


@pytest.mark.parametrize("case", IGNORED_TREES, ids=lambda case: case.replace(" ", "_"))
def test_scan_ignores_what_git_ignores(tmp_path: Path, case: str) -> None:
    ignore_files, names, expected = IGNORED_TREES[case]
    write_tree(tmp_path, {**ignore_files, **dict.fromkeys(names, "x")})

    manifest = scan(tmp_path)

    assert sorted(set(manifest.files) - set(ignore_files)) == expected
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    listed = ["git", "-C", tmp_path, "ls-files", "-z", "--others", "--exclude-standard"]
    by_git = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]
    assert sorted(manifest.files) == sorted(by_git)


def test_scan_reads_deployerignore_after_gitignore(tmp_path: Path) -> None:
    write_tree(
        tmp_path, {".gitignore": "weights\n", ".deployerignore": "!weights\nnotes\n", "weights": "", "notes": ""}
    )

    assert sorted(scan(tmp_path).files) == [".deployerignore", ".gitignore", "weights"]


def test_scan_leaves_out_what_never_travels(tmp_path: Path) -> None:
    names = [".git/config", ".deployer/x", "runs/j/log", ".venv/bin/python", "a/__pycache__/b.pyc", "node_modules/x"]
    write_tree(tmp_path, {**dict.fromkeys(names, ""), ".deployerignore": "!*\n", "a/runs/kept": ""})

    assert sorted(scan(tmp_path).files) == [".deployerignore", "a/runs/kept"]


def test_scan_leaves_credentials_here_and_says_so(tmp_path: Path) -> None:
    write_tree(tmp_path, {".env": "KEY=1", "a/.aws/credentials": "", "train.py": ""})

    manifest = scan(tmp_path)

    assert list(manifest.files) == ["train.py"]
    assert manifest.notes == (".env: credentials do not travel", "a/.aws/: credentials do not travel")


def test_scan_leaves_out_what_the_caller_excludes(tmp_path: Path) -> None:
    write_tree(tmp_path, {"images/a.jpg": "", "code/images/b": "", ".gitignore": "!images\n"})

    assert sorted(scan(tmp_path, exclude=["/images/"]).files) == [".gitignore", "code/images/b"]


def test_scan_keeps_links_within_the_folder_and_names_the_others(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_tree(root, {"a/b": "x", "left/c": "", ".gitignore": "left\n"})
    (root / "absolute").symlink_to(root / "a" / "b")
    (root / "a" / "folder").symlink_to("../a")
    (root / "out").symlink_to("/etc/passwd")
    (root / "broken").symlink_to("nowhere")
    (root / "dangling").symlink_to("left/c")

    manifest = scan(root)

    assert manifest.links == {"a/folder": ".", "absolute": "a/b", "dangling": "left/c"}
    assert manifest.notes == (
        "broken: a link to nothing",
        "dangling: a link to left/c, which does not travel",
        "out: a link out of the folder, to /etc/passwd",
    )


def test_scan_names_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert scan(tmp_path).notes == ("pipe: neither a file nor a folder",)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine can reach; pytest's own are closed to others than their owner."""
    with tempfile.TemporaryDirectory(prefix="deployer-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Be nobody for a while where the tests run as root, who may read everything."""
    is_root = os.geteuid() == 0
    if is_root:
        os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        if is_root:
            os.setresuid(0, 0, 0)


def test_scan_names_what_it_may_not_read(open_folder: Path) -> None:
    write_tree(open_folder, {"secret": "", "closed/x": ""})
    scan(open_folder)  # imports what it needs while it may
    (open_folder / "secret").chmod(0)
    (open_folder / "closed").chmod(0)

    with ordinary_user():
        notes = scan(open_folder).notes

    (open_folder / "closed").chmod(0o700)
    assert notes == ("closed/: cannot be read (Permission denied)", "secret: cannot be read (permission denied)")


def test_scan_keeps_names_and_permissions(tmp_path: Path) -> None:
    write_tree(tmp_path, {"with blank": "", "ünï\ncode": "", "run.sh": ""})
    (tmp_path / "run.sh").chmod(0o777)
    (tmp_path / "with blank").chmod(0o400)

    files = scan(tmp_path).files

    assert set(files) == {"with blank", "ünï\ncode", "run.sh"}
    assert (files["run.sh"].mode, files["with blank"].mode) == (0o755, 0o600)


def test_scan_names_a_pattern_it_cannot_read(tmp_path: Path) -> None:
    write_tree(tmp_path, {".gitignore": "a\n!\n"})

    with pytest.raises(ConfigError, match=r"\.gitignore"):
        scan(tmp_path)


def test_scan_refuses_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere is not a folder"):
        scan(tmp_path / "nowhere")
