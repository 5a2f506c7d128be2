"""Bring a folder to the host over one channel: manifest there, differences back, then only what differs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from deployer.errors import DataError
from deployer.remote.frames import PIECE_BYTES, Frames
from deployer.remote.manifest import FileEntry, Manifest, scan
from deployer.remote.ssh import Connection

__all__ = ["FileEntry", "Manifest", "SyncPlan", "SyncResult", "plan", "scan", "sync"]

Progress = Callable[[int, int], None]  # bytes so far, bytes in all
ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class SyncPlan:
    """What a sync sends and deletes, by name; `touched` have another time but the same content."""

    send: tuple[str, ...]
    delete: tuple[str, ...]
    touched: tuple[str, ...]
    bytes_to_send: int
    unchanged: int


@dataclass(frozen=True, kw_only=True)
class SyncResult:
    """What a sync did: files sent and deleted, bytes on the wire, files that were there already, what stayed behind."""

    sent: int
    deleted: int
    bytes_sent: int
    unchanged: int
    notes: tuple[str, ...]


def plan(connection: Connection, manifest: Manifest, destination: str, *, delete: bool = True) -> SyncPlan:
    """Return what `sync` with the same arguments would do, and change nothing."""
    with Frames(connection, "receive") as frames:
        return _ask(frames, manifest, destination, delete)


def sync(
    connection: Connection,
    manifest: Manifest,
    destination: str,
    *,
    delete: bool = True,
    on_progress: Progress | None = None,
) -> SyncResult:
    """Make `destination` on the host (a leading "~/" is the home folder) hold what `manifest` says.

    1. Each file is replaced at once; an interruption leaves whole files only, and the next sync goes on.
    2. `delete` removes what an earlier sync put there and the manifest no longer has; what jobs wrote there stays.
    3. A file is the same when size and time are, or size and content.
    4. A file that changes while it is read is read again; one that vanishes is named in `notes`.

    Raises RemoteError when the host cannot write, e.g. because its disk is full.
    """
    with Frames(connection, "receive") as frames:
        planned = _ask(frames, manifest, destination, delete)
        frames.write_json({"same": planned.touched})
        notes = []
        done = 0
        for name in planned.send:
            if name not in manifest.files:
                continue  # a link: the manifest says all of it
            if not _send_file(frames, manifest, name):
                notes.append(f"{name}: vanished while the folder was being sent")
            done += manifest.files[name].size
            if on_progress:
                on_progress(done, planned.bytes_to_send)
        frames.write_json({"end": True})
        frames.flush()
        answer = frames.read_json()
    return SyncResult(
        sent=len(planned.send) - len(notes),
        deleted=answer["deleted"],
        bytes_sent=frames.bytes_sent,
        unchanged=planned.unchanged,
        notes=(*manifest.notes, *notes),
    )


def _ask(frames: Frames, manifest: Manifest, destination: str, delete: bool) -> SyncPlan:
    files = {name: list(asdict(entry).values()) for name, entry in manifest.files.items()}
    frames.write_json({"root": destination, "files": files, "links": dict(manifest.links), "delete": delete})
    frames.flush()
    answer = frames.read_json()
    touched = [name for name, theirs in answer["doubtful"].items() if _hash(manifest.root / name) == theirs]
    changed = set(answer["doubtful"]) - set(touched)
    files_to_send = sorted({*answer["missing"], *changed})
    return SyncPlan(
        send=(*files_to_send, *answer["relinked"]),
        delete=tuple(answer["stale"]),
        touched=tuple(touched),
        bytes_to_send=sum(manifest.files[name].size for name in files_to_send),
        unchanged=len(manifest.files) + len(manifest.links) - len(files_to_send) - len(answer["relinked"]),
    )


def _send_file(frames: Frames, manifest: Manifest, name: str) -> bool:
    """Send one file as it stands at one moment; return False when it is gone."""
    for _ in range(ATTEMPTS):
        try:
            with (manifest.root / name).open("rb") as file:
                before = os.fstat(file.fileno())
                mode = manifest.files[name].mode
                frames.write_json({"path": name, "mode": mode, "mtime_ns": before.st_mtime_ns})
                left = before.st_size
                while left and (piece := file.read(min(left, PIECE_BYTES))):
                    frames.write_piece(piece)
                    left -= len(piece)
                after = os.fstat(file.fileno())
        except FileNotFoundError:
            return False
        is_whole = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns) and not left
        frames.write_json({"whole": is_whole})
        if is_whole:
            return True
    raise DataError(
        f"{manifest.root / name} changes all the while it is being sent.",
        hint="Wait until it is written, or name it in .deployerignore.",
    )


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
