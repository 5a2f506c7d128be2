"""What there is to classify: folders, globs and single files, as names relative to the folder that holds them all."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from model.console import count, list_names, say, warn
from model.data.folders import find_files
from model.data.formats import IMAGE_SUFFIXES, is_picture_name
from model.errors import DataError, UsageError, name_reason
from model.video.reading import VIDEO_SUFFIXES, is_video_name


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Images and videos to classify; `images` are names relative to `root`, `folders` are where they were looked for.

    `fingerprint` follows from every image's name, size and time of change.
    """

    root: Path
    images: tuple[str, ...]
    videos: tuple[Path, ...]
    folders: tuple[Path, ...]
    fingerprint: str


def find_sources(what: Sequence[str], *, leave_out: Path | None = None) -> Sources:
    """Find the images and videos that the words name, each once; raises UsageError when there are none.

    A file that is named is taken as it is, whatever its suffix; of a folder and of a glob, what looks like an image or
    a video. What lies under `leave_out` was put there by us and is passed over.
    """
    search = _Search(leave_out=leave_out.resolve() if leave_out else None)
    for word in what:
        search.look_for(word)
    search.tell()
    root = Path(os.path.commonpath(search.folders))
    images = tuple(os.path.relpath(path, root) for path in search.images)
    return Sources(
        root=root,
        images=images,
        videos=tuple(map(Path, search.videos)),
        folders=tuple(dict.fromkeys(search.folders)),
        fingerprint=_fingerprint(root, images),
    )


@dataclass
class _Search:
    """What was found up to now, by path; as strings, for there may be 100,000."""

    leave_out: Path | None
    images: dict[str, None] = field(default_factory=dict)
    videos: dict[str, None] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    unreadable: list[OSError] = field(default_factory=list)
    left_out: int = 0

    def look_for(self, word: str) -> None:
        """Add what one word of the command line names; raises UsageError when it names nothing."""
        if re.match(r"[a-z][a-z0-9]+://", word):
            raise UsageError(f"{word} is not on this machine.", hint="Fetch it first, and name the folder it is in.")
        # A file that is really called photo[1].jpg is no glob; and in quotes the shell leaves ~ as it is.
        path = Path(word) if os.path.lexists(word) else Path(word).expanduser()
        if path.is_dir():
            folder = path.resolve()
            self.folders.append(folder)
            if not self._add_all(find_files(folder, _is_wanted, on_error=self.unreadable.append), within=folder):
                self._refuse_unreadable(folder)
                self.empty.append(word)
        elif os.path.lexists(path):
            folder = path.parent.resolve()
            self.folders.append(folder)
            self._add_all([folder / path.name], within=folder)
        elif glob.has_magic(word):
            self._match(path, word)
        else:
            raise DataError(f"{word} does not exist.")

    def tell(self) -> None:
        """Warn about what was passed over; raises DataError when nothing is left."""
        if self.unreadable:
            names = list_names([str(error.filename) for error in self.unreadable])
            warn(f"{count(len(self.unreadable), 'folder')} cannot be read: {names}.")
        if self.left_out:
            say(f"note: {count(self.left_out, 'image')} in {self.leave_out} left out: it is where --sort puts them")
        if not self.images and not self.videos:
            suffixes = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES))
            where = list_names(self.empty or [str(folder) for folder in self.folders])
            raise DataError(f"There are no images in {where}.", hint=f"Looked for {suffixes}.")
        if self.empty:
            warn(f"There are no images in {list_names(self.empty)}.")

    def _match(self, pattern: Path, word: str) -> None:
        fixed = next(k for k, part in enumerate(pattern.parts) if glob.has_magic(part))
        folder = Path(*pattern.parts[:fixed]).resolve()
        self.folders.append(folder)
        # Path.glob takes no absolute pattern, and shows hidden files.
        matches = [Path(match) for match in sorted(glob.iglob(str(pattern), recursive=True))]  # noqa: PTH207
        found = 0
        for match in matches:
            if match.is_dir():
                inside = find_files(match.resolve(), _is_wanted, on_error=self.unreadable.append)
                found += self._add_all(inside, within=folder)
            elif _is_wanted(match.name):
                found += self._add_all([match.parent.resolve() / match.name], within=folder)
        if not found:
            raise DataError(f"There is {'no image or video' if matches else 'nothing'} that matches {word!r}.")

    def _add_all(self, paths: Iterable[Path], *, within: Path) -> int:
        """Add files and return how many there were."""
        leave_out = self.leave_out
        if leave_out and within.is_relative_to(leave_out):
            leave_out = None  # they were asked for by name
        number = 0
        for path in paths:
            number += 1
            if leave_out and path.is_relative_to(leave_out):
                self.left_out += 1
            else:
                (self.videos if is_video_name(path.name) else self.images)[str(path)] = None
        return number

    def _refuse_unreadable(self, folder: Path) -> None:
        for error in self.unreadable:
            if error.filename == str(folder):
                raise DataError(f"The folder {folder} cannot be read: {name_reason(error)}.") from error


def _is_wanted(name: str) -> bool:
    return is_picture_name(name) or is_video_name(name)


def _fingerprint(root: Path, images: Sequence[str]) -> str:
    digest = hashlib.sha256(os.fsencode(root))
    for name in images:
        digest.update(b"\0" + os.fsencode(name))
        try:
            facts = (root / name).stat()
        except OSError:
            continue
        digest.update(b"\0%d %d" % (facts.st_size, facts.st_mtime_ns))
    return digest.hexdigest()
