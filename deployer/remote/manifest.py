"""What of a folder travels to the host: everything but what .gitignore, .deployerignore and common sense leave out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".deployerignore")  # in this order: the last word is .deployerignore's

# Left out whatever the ignore files say: ours, version control, and what the host makes for itself.
ALWAYS_EXCLUDED = (
    "/.deployer/",
    "/runs/",
    ".git",
    ".hg/",
    ".svn/",
    ".venv/",
    ".terraform/",
    "node_modules/",
    "__pycache__/",
    "*.py[co]",
    ".ipynb_checkpoints/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".DS_Store",
    "*.tfstate*",
)
# No credential of the user ever goes to an instance.
CREDENTIALS = (".env", ".aws/", ".ssh/", ".netrc", ".git-credentials", "id_rsa", "id_ecdsa", "id_ed25519")


@dataclass(frozen=True)
class FileEntry:
    """One file: bytes, modification time in nanoseconds, permissions."""

    size: int
    mtime_ns: int
    mode: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What travels, by its name relative to `root` with "/" between folders.

    `links` are symbolic links within the folder, with relative targets. `notes` name what stays behind unexpectedly,
    each with its reason.
    """

    root: Path
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def scan(root: Path, *, exclude: Sequence[str] = ()) -> Manifest:
    """Return the manifest of `root`; `exclude` holds patterns as in .gitignore that nothing can take back.

    A .gitignore or .deployerignore counts in its own folder and below, as it does for git. Symbolic links out of the
    folder, unreadable files and devices are left out with a note. Raises DataError where `root` is no folder.
    """
    root = root.resolve()
    if not root.is_dir():
        raise DataError(f"{root} is not a folder.")
    scanner = _Scanner(root, exclude)
    scanner.enter(root, "", ())
    files, links, notes = scanner.files, scanner.links, scanner.notes
    for name, target in links.items():
        shown = os.path.normpath(Path(name).parent / target)
        if not any(other == shown or other.startswith(shown + "/") for other in (*files, *links)):
            notes.append(f"{name}: a link to {shown}, which does not travel")
    return Manifest(
        root=root,
        files=dict(sorted(files.items())),
        links=dict(sorted(links.items())),
        notes=tuple(sorted(notes)),
    )


class _Scanner:
    def __init__(self, root: Path, exclude: Sequence[str]) -> None:
        self.files: dict[str, FileEntry] = {}
        self.links: dict[str, str] = {}
        self.notes: list[str] = []
        self._root = root
        self._excluded = _compile([*ALWAYS_EXCLUDED, *exclude], "exclude")
        self._credentials = _compile(CREDENTIALS, "credentials")

    def enter(self, folder: Path, prefix: str, rules: tuple[tuple[str, GitIgnoreSpec], ...]) -> None:
        """Go through `folder`; `rules` are the ignore files above it, each with the prefix of its own folder."""
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self.notes.append(f"{prefix}: cannot be read ({error.strerror})")
            return
        lines = list(self._read_ignore_files(folder, prefix, {entry.name for entry in entries}))
        if lines:
            rules = (*rules, (prefix, _compile(lines, str(folder / IGNORE_FILES[0]))))
        for entry in entries:
            name = prefix + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if self._is_left_out(name + "/" * is_folder, rules):
                continue
            if is_folder:
                self.enter(folder / entry.name, name + "/", rules)
            else:
                self._add(entry, name)

    def _is_left_out(self, name: str, rules: tuple[tuple[str, GitIgnoreSpec], ...]) -> bool:
        if self._excluded.check_file(name).include:
            return True
        if self._credentials.check_file(name).include:
            self.notes.append(f"{name}: credentials do not travel")
            return True
        for prefix, spec in reversed(rules):  # the nearest file that has a word on it decides
            verdict = spec.check_file(name[len(prefix) :]).include
            if verdict is not None:
                return verdict
        return False

    def _add(self, entry: os.DirEntry[str], name: str) -> None:
        if entry.is_symlink():
            self._add_link(entry, name)
            return
        status = entry.stat(follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            self.notes.append(f"{name}: neither a file nor a folder")
        elif not os.access(entry.path, os.R_OK):
            self.notes.append(f"{name}: cannot be read (permission denied)")
        else:
            # Readable and writable for its owner there, or the next sync could not replace it.
            mode = stat.S_IMODE(status.st_mode) & 0o755 | 0o600
            self.files[name] = FileEntry(status.st_size, status.st_mtime_ns, mode)

    def _add_link(self, entry: os.DirEntry[str], name: str) -> None:
        try:
            shown = Path(entry.path).resolve(strict=True)
        except (OSError, RuntimeError):
            self.notes.append(f"{name}: a link to nothing")
            return
        if not shown.is_relative_to(self._root):
            self.notes.append(f"{name}: a link out of the folder, to {shown}")
            return
        self.links[name] = os.path.relpath(shown, Path(entry.path).parent)

    def _read_ignore_files(self, folder: Path, prefix: str, present: set[str]) -> Iterator[str]:
        for name in IGNORE_FILES:
            if name in present:
                try:
                    yield from (folder / name).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
                except OSError as error:
                    self.notes.append(f"{prefix}{name}: cannot be read ({error.strerror})")


def _compile(lines: Sequence[str], where: str) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise ConfigError(f"{where} holds a pattern that git would not understand: {error}.") from error
