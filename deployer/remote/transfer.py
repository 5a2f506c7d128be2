"""Bring a folder home from the host: only what is new, only safe names, each file whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import DeployerError, RemoteError
from deployer.remote.frames import Frames
from deployer.remote.ssh import Connection

Progress = Callable[[int, int], None]  # bytes so far, bytes in all


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """One file at home: its name in the remote folder, its place here, bytes, and whether this call brought it."""

    name: str
    path: Path
    size: int
    is_new: bool


def fetch_tree(
    connection: Connection,
    remote_dir: str,
    local_dir: Path,
    *,
    on_progress: Progress | None = None,
    skip: Sequence[str] = (),
) -> list[Fetched]:
    """Bring the files below `remote_dir` (a leading "~/" is the home folder) to `local_dir` and return all of them.

    1. What is here with the same size and time is not sent again, so that a call after an interruption goes on.
    2. A file is written beside its place and moved there when it is whole; one that grows is brought as long as it was.
    3. Links out of the folder, devices and names that lead out of it are never written.

    `skip` holds patterns as in .gitignore; `on_progress` gets the bytes so far and in all. Raises RemoteError where
    there is no such folder, DeployerError where this machine cannot write.
    """
    with Frames(connection, "send") as frames:
        frames.write_json({"root": remote_dir})
        frames.flush()
        listed: dict[str, list[int]] = frames.read_json()["files"]
        wanted = _choose(listed, skip)
        places = {name: _find_place(local_dir, name) for name in wanted}
        missing = [name for name in wanted if not _is_here(places[name], wanted[name])]
        frames.write_json({"paths": missing})
        frames.flush()
        brought = _receive(frames, places, sum(wanted[name][0] for name in missing), on_progress)
    return [
        Fetched(name=name, path=path, size=path.stat().st_size, is_new=name in brought)
        for name, path in places.items()
        if path.exists()
    ]


def _choose(listed: dict[str, list[int]], skip: Sequence[str]) -> dict[str, list[int]]:
    from pathspec import GitIgnoreSpec

    skipped = GitIgnoreSpec.from_lines(skip)
    return {name: entry for name, entry in listed.items() if not skipped.match_file(name)}


def _find_place(local_dir: Path, name: str) -> Path:
    """Return where `name` goes. Raises RemoteError when that is not below `local_dir`: no host is trusted so far."""
    parts = name.split("/")
    place = local_dir.joinpath(*parts)
    is_safe = not name.startswith("/") and not {"", ".", ".."} & set(parts) and "\0" not in name
    if not is_safe or not place.parent.resolve().is_relative_to(local_dir.resolve()):
        raise RemoteError(f"The host offers a file that would land outside {local_dir}: {name!r}.")
    return place


def _is_here(path: Path, entry: list[int]) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return [status.st_size, status.st_mtime_ns] == entry[:2]


def _receive(frames: Frames, places: dict[str, Path], total: int, on_progress: Progress | None) -> set[str]:
    brought: set[str] = set()
    done = 0
    while not (header := frames.read_json()).get("end"):
        name = header["path"]
        if name not in places:
            raise RemoteError(f"The host sent a file that was not asked for: {name!r}.")
        try:
            if _write(frames, places[name], header["mtime_ns"]):
                brought.add(name)
        except OSError as error:
            raise DeployerError(
                f"{places[name]} cannot be written: {error.strerror}.",
                hint="Make room or choose another folder, and run the command again; what arrived is kept.",
            ) from error
        done += header["size"]
        if on_progress:
            on_progress(min(done, total), total)
    return brought


def _write(frames: Frames, path: Path, mtime_ns: int) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            while (frame := frames.read())[0] == b"D":
                file.write(frame[1])
        if not json.loads(frame[1])["whole"]:
            return False
        os.utime(part, ns=(mtime_ns, mtime_ns))
        part.replace(path)
        return True
    finally:
        part.unlink(missing_ok=True)
