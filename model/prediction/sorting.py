"""Pictures into folders: what the model is sure of into its class's, the rest into `unsure`; no original is changed.

1. Nothing that lies in the folders is overwritten: a picture gets another name there.
2. A picture that is in one of the folders already stays there: done twice, or begun again, the result is the same, and
   what a person has moved by hand is not undone.
3. The names follow from the pictures' own, not from the order or the time.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import hashlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from unicodedata import normalize

from model.atomic import save_error
from model.errors import SaveError, UsageError
from model.prediction.table import Answer
from model.progress import Progress

UNSURE = "unsure"

# Longer names are refused by some file systems (255 bytes on most, less where they are encrypted).
_MAX_NAME_BYTES = 140

# Other disk; not allowed, or not possible on this one; too many links to one file.
_NO_HARD_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS})


@dataclass(kw_only=True)
class Sorted:
    """What was done: pictures in each folder, those that were there before, and those that had gone."""

    folders: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    moved: int = 0
    gone: list[str] = field(default_factory=list)


def sort_pictures(
    answers: Iterable[Answer],
    *,
    names: Sequence[str],
    root: Path,
    into: Path,
    classes: Sequence[str],
    threshold: float,
    link: bool,
) -> Sorted:
    """Copy or link each picture into the folder that its answer says; raises SaveError, and can then be called again.

    `names` are all pictures', in the order of `answers`. A hard link is one file under two names; where the disk cannot
    have one, it is a symbolic link.
    """
    folders = name_folders(classes)
    present = _list_folders(into, [*folders, UNSURE])
    done = Sorted()
    with Progress(len(names), "image") as progress:
        for answer, name in zip(answers, name_files(names), strict=True):
            if not answer.fault:
                folder = folders[answer.best] if answer.shares[answer.best] >= threshold else UNSURE
                _place(root / answer.name, into, folder, name, present, done, link=link)
            progress.advance()
    return done


def name_folders(classes: Sequence[str]) -> list[str]:
    """Return a folder's name for each class: one name, fit for every file system, different from all others."""
    taken = {UNSURE}
    names = []
    for label in classes:
        # What Windows and macOS refuse, too: the folder may lie on a USB disk.
        plain = re.sub(r'[\\/:*?"<>|\x00-\x1f\x7f]', "_", _shorten(label)).strip(". ") or "unnamed"
        if re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", plain):
            plain += "_"
        name, number = plain, 2
        while _fold(name) in taken:
            name, number = f"{plain}_{number}", number + 1
        taken.add(_fold(name))
        names.append(name)
    return names


def name_files(names: Sequence[str]) -> list[str]:
    """Return a name without folders for each picture: its own; where several have it, with their folders in front.

    a.png stays a.png; dive1/a.png and dive2/a.png become dive1_a.png and dive2_a.png.
    """
    own = Counter(_fold(PurePath(name).name) for name in names)
    flat = [
        PurePath(name).name if own[_fold(PurePath(name).name)] == 1 else "_".join(PurePath(name).parts)
        for name in names
    ]
    again = Counter(map(_fold, flat))
    return [
        short if again[_fold(short)] == 1 and len(os.fsencode(short)) <= _MAX_NAME_BYTES else _add_hash(short, name)
        for short, name in zip(flat, names, strict=True)
    ]


def prepare_folder(into: Path, classes: Sequence[str], folders: Sequence[Path]) -> None:
    """Make the folder that pictures from `folders` will be sorted into.

    Raises UsageError when they would come to lie among those that they are copies of, SaveError where nothing can be
    written.
    """
    used = {into.resolve(), *((into / name).resolve() for name in (*name_folders(classes), UNSURE))}
    for folder in folders:
        if folder in used:
            raise UsageError(
                f"--sort {into} would put copies among the pictures in {folder}.",
                hint="Choose a folder of its own, such as --sort sorted.",
            )
    if into.exists() and not into.is_dir():
        raise UsageError(f"{into} is a file; --sort needs a folder.", hint="Choose another --sort folder.")
    try:
        into.mkdir(parents=True, exist_ok=True)
        if not os.access(into, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise SaveError(save_error(into, error).message, hint="Choose another --sort folder.") from error


def _place(
    source: Path, into: Path, folder: str, name: str, present: dict[str, list[str]], done: Sorted, *, link: bool
) -> None:
    if not source.is_file():
        done.gone.append(str(source))
        return
    for other in present.get(_fold(name), ()):
        if other != folder and _is_same(source, into / other / name):
            done.folders[other] += 1
            done.moved += 1
            return
    target, number = into / folder / name, 2
    while os.path.lexists(target):
        if _is_same(source, target):
            done.folders[folder] += 1
            done.kept += 1
            return
        target, number = target.with_name(f"{Path(name).stem}_{number}{Path(name).suffix}"), number + 1
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if link:
            _link(source, target)
        else:
            _copy(source, target)
    except OSError as error:
        raise _refuse(target, error) from error
    done.folders[folder] += 1


def _link(source: Path, target: Path) -> None:
    real = source.resolve()
    try:
        os.link(real, target)
    except OSError as error:
        if error.errno not in _NO_HARD_LINK:
            raise
        target.symlink_to(real)


def _copy(source: Path, target: Path) -> None:
    """Copy a picture with its times; under its name there is a whole picture or none."""
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)  # of a run that was killed; it may be read-only
    try:
        shutil.copy2(source, part)
        part.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _refuse(target: Path, error: OSError) -> SaveError:
    told = save_error(target, error)
    return SaveError(
        told.message,
        hint="The pictures and the table are whole. Mend this (--link needs no space), and the same command goes on.",
    )


def _is_same(source: Path, target: Path) -> bool:
    try:
        return source.samefile(target) or (
            source.stat().st_size == target.stat().st_size and filecmp.cmp(source, target, shallow=False)
        )
    except OSError:
        return False  # a link that leads nowhere, or a folder: other content


def _list_folders(into: Path, folders: Sequence[str]) -> dict[str, list[str]]:
    """Return where a name is present, by its folded form."""
    present: dict[str, list[str]] = {}
    for folder in folders:
        with contextlib.suppress(OSError):
            for path in (into / folder).iterdir():
                present.setdefault(_fold(path.name), []).append(folder)
    return present


def _add_hash(short: str, name: str) -> str:
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    path = PurePath(_shorten(short))
    return f"{path.stem}-{digest}{PurePath(short).suffix}"


def _shorten(name: str) -> str:
    return os.fsencode(name)[: _MAX_NAME_BYTES - 20].decode(errors="ignore")


def _fold(name: str) -> str:
    """Return what macOS and Windows take for the same name."""
    return normalize("NFC", name).casefold()
