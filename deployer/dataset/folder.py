"""The data folder on this machine: which files of it travel, and what is in them."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from deployer.config import Config
from deployer.dataset.hashes import Found, add_hashes
from deployer.dataset.shards import DataFile
from deployer.errors import DataError

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
TABLE_SUFFIXES = frozenset({".csv", ".tsv"})

# Folders that hold images which are nobody's data: icons, test pictures of libraries.
SKIPPED_FOLDERS = frozenset({"__MACOSX", "__pycache__", "node_modules"})

CACHE_NAME = "data-cache.json"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The files that travel, named relative to `root`; there stand the image folder and the targets file.

    `folder` is the image folder ("" for the root itself) and `targets` the table that [data] targets names ("" for
    none). The host keeps the same tree, so the names in the table resolve there as they do here. `cache` remembers
    the hashes.
    """

    root: Path
    folder: str
    targets: str
    files: tuple[DataFile, ...]
    cache: Path

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def images(self) -> int:
        """Number of images, the tables left out."""
        return sum(_suffix(file.name) in IMAGE_SUFFIXES for file in self.files)


def scan(config: Config, *, on_progress: Callable[[int, int], None] | None = None) -> Dataset:
    """List the images and tables of the data folder with their hashes; only new and changed files are read.

    `on_progress` gets files read and files to read. Hidden files, results and virtual environments are left out.
    Raises DataError: no folder, no images, an unreadable file, a name that cannot travel, a link out of the folder.
    """
    folder = config.data_directory
    if not folder.is_dir():
        raise DataError(
            f"The data folder {folder} does not exist." if not folder.exists() else f"{folder} is not a folder.",
            hint="Set path under [data] in deployer.toml to the folder of the images.",
        )
    targets = _targets_file(config)
    root = Path(os.path.commonpath([folder, *([targets.parent] if targets else [])]))
    found = _name(root, {*_walk(folder, inside=folder, skip=config.runs_directory), *([targets] if targets else [])})
    if not any(_suffix(item.name) in IMAGE_SUFFIXES for item in found):
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DataError(
            f"There are no images in {folder} (looked for {kinds}, in its folders too).",
            hint="Put the images there, or set path under [data] in deployer.toml to their folder.",
        )
    cache = config.state_directory / CACHE_NAME
    return Dataset(
        root=root,
        folder="" if root == folder else _spell(folder.relative_to(root)),
        targets=_spell(targets.relative_to(root)) if targets else "",
        files=add_hashes(found, cache=cache, on_progress=on_progress or (lambda _read, _total: None)),
        cache=cache,
    )


def _targets_file(config: Config) -> Path | None:
    """Return the table that [data] targets names; its names resolve against the folder it is in."""
    if not config.data.targets:
        return None
    named = config.project / config.data.targets
    if not named.is_file():
        raise DataError(
            f"The targets file {named} does not exist.", hint="Correct targets under [data] in deployer.toml."
        )
    return named.parent.resolve() / named.name


def _walk(folder: Path, *, inside: Path, skip: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Yield images and tables, depth first; `above` are the folders on the way here, so that links do not circle."""
    above |= {folder.resolve()}
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.") from error
    for entry in entries:
        path = Path(entry.path)
        is_wanted = _suffix(entry.name) in IMAGE_SUFFIXES | TABLE_SUFFIXES
        if entry.name.startswith(".") or entry.name in SKIPPED_FOLDERS or path == skip:
            continue
        if entry.is_symlink() and (entry.is_dir() or is_wanted):
            _require_inside(path, inside)
        if entry.is_dir():
            if path.resolve() not in above and not (path / "pyvenv.cfg").exists():
                yield from _walk(path, inside=inside, skip=skip, above=above)
        elif is_wanted and entry.is_file():
            yield path


def _require_inside(link: Path, folder: Path) -> None:
    target = link.resolve()
    if not target.exists():
        raise DataError(f"{link} is a link to {target}, which does not exist.", hint="Remove the link.")
    if not target.is_relative_to(folder):
        raise DataError(
            f"{link} is a link out of the data folder, to {target}.",
            hint="Put the files themselves there, or set path under [data] in deployer.toml to the real folder.",
        )


def _name(root: Path, paths: set[Path]) -> list[Found]:
    """Give each path its name in the bucket, in the order of the names."""
    found: dict[str, Found] = {}
    for path in sorted(paths):
        name = _spell(path.relative_to(root))
        if name in found:
            raise DataError(
                f"{found[name].path} and {path} have the same name in two Unicode spellings.",
                hint="Rename one of them.",
            )
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from error
        found[name] = Found(name=name, path=path, size=status.st_size, modified_ns=status.st_mtime_ns)
    return [found[name] for name in sorted(found)]


def _spell(relative: Path) -> str:
    """Return a relative path as its name everywhere: forward slashes, composed Unicode (macOS decomposes)."""
    name = unicodedata.normalize("NFC", relative.as_posix())
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError(f"The file name {os.fsencode(relative)!r} is not UTF-8.", hint="Rename it.") from None
    return name


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
