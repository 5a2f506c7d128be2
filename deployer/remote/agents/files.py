"""Files to and from this host: `receive` a manifest and then what differs, or `send` what the client lacks.

Runs on the host (sent there by deployer/remote/agent.py) with Python 3.8 or newer and the standard library only; the
other side is deployer/remote/sync.py and transfer.py. Both directions speak frames on the standard streams: kind
(1 byte), length (4 bytes), payload. "J" is JSON in zlib; "D" and "Z" are a piece of a file, plain and in zlib. A file
is a "J" with its name, its pieces, and a "J" that says whether it is whole; one that is not is thrown away.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import struct
import sys
import zlib
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator  # noqa: UP035 - the host may have Python 3.8

RECORDS = Path.home() / ".deployer" / "synced"
PIECE_BYTES = 1 << 18
PART = ".deployer-part-"
GONE = "the client has gone"

Json = Dict[str, Any]  # noqa: UP006


class Refusal(Exception):
    """What the client asks for cannot be done; the text says why."""


def main(verb: str) -> None:
    """Do what the client asks; what goes wrong is told to it in a frame."""
    try:
        receive() if verb == "receive" else send()
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            os._exit(0)  # the client has gone, and so has the pipe that the flush at exit would use
        reason = "the disk of the host is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
        write_json({"error": reason, "path": str(error.filename2 or error.filename or "")})
    except Refusal as refusal:
        write_json({"error": str(refusal), "path": ""})


def receive() -> None:
    """Bring a folder to what the client's manifest says.

    1. Nothing changes before the client, told of the differences, says go; without a go this ends.
    2. Each file is replaced at once, whole; an interruption leaves only whole files, old or new.
    3. Only what an earlier call put here is deleted: what jobs write into the folder is theirs.
    """
    request = read_json()
    root = Path(request["root"]).expanduser()
    files, links = request["files"], request["links"]
    for name in [*files, *links]:
        check_name(name)
    with record_of(root) as record:
        stale = sorted(record.names - set(files) - set(links)) if request["delete"] else []
        stale = [name for name in stale if os.path.lexists(root / name)]
        verdicts = {name: compare(root / name, wanted) for name, wanted in files.items()}
        doubtful = {name: hash_file(root / name) for name, verdict in verdicts.items() if verdict == "doubtful"}
        missing = [name for name, verdict in verdicts.items() if verdict == "missing"]
        relinked = [name for name, target in links.items() if not is_link_to(root / name, target)]
        write_json({"missing": missing, "doubtful": doubtful, "relinked": relinked, "stale": stale})
        go = read_json(may_end=True)
        if not go:
            return
        root.mkdir(parents=True, exist_ok=True)
        for leftover in root.glob(PART + "*"):
            leftover.unlink()
        record.write(record.names | set(files) | set(links))  # before the first file: an interrupted call counts, too
        for name in stale:
            remove(root, name)
        for name in relinked:
            place(root, name)
            (root / name).symlink_to(links[name])
        for name in go["same"]:
            os.utime(root / name, ns=(files[name][1], files[name][1]))
        written = sum(1 for _ in receive_files(root))
        for name, (_, _, mode) in files.items():
            with contextlib.suppress(FileNotFoundError):  # it vanished at the client's while it was being sent
                if stat.S_IMODE((root / name).stat().st_mode) != mode:
                    (root / name).chmod(mode)
        record.write(set(files) | set(links) | (record.names if not request["delete"] else set()))
    write_json({"written": written, "deleted": len(stale)})


def receive_files(root: Path) -> Iterator[str]:
    """Write the files that come until the client says end; yield the name of each that was whole."""
    part = root / f"{PART}{os.getpid()}"
    try:
        while True:
            header = read_json()
            if header.get("end"):
                return
            check_name(header["path"])
            with part.open("wb") as file:
                trailer = receive_pieces(file)
            if trailer["whole"]:
                part.chmod(header["mode"])
                os.utime(part, ns=(header["mtime_ns"], header["mtime_ns"]))
                place(root, header["path"])
                part.replace(root / header["path"])
                yield header["path"]
    finally:
        part.unlink(missing_ok=True)


def receive_pieces(file: Any) -> Json:
    """Write the pieces of one file; return the frame that ends it."""
    while True:
        kind, payload = read_frame()
        if kind == b"J":
            return dict(json.loads(zlib.decompress(payload)))
        if not kind:
            raise BrokenPipeError(errno.EPIPE, GONE)
        file.write(zlib.decompress(payload) if kind == b"Z" else payload)


def send() -> None:
    """Tell what is in a folder, then send the files that the client picks."""
    request = read_json()
    root = Path(request["root"]).expanduser()
    if not root.is_dir():
        raise Refusal(f"{request['root']} is not a folder on the host")
    write_json({"files": {name: describe(status) for name, status in sorted(walk(root))}})
    choice = read_json(may_end=True)
    for name in choice.get("paths", []):
        check_name(name)
        with contextlib.suppress(FileNotFoundError):  # a checkpoint that was replaced meanwhile
            send_file(root, name)
    write_json({"end": True})


def walk(root: Path) -> Iterator[Any]:
    """Yield the name and the status of each file; a link counts as the file it shows when that is in `root`, too."""
    inside = str(root.resolve()) + os.sep
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            with contextlib.suppress(OSError):
                status = path.stat()
                is_inside = str(path.resolve()).startswith(inside) and not name.startswith(PART)
                if is_inside and stat.S_ISREG(status.st_mode):
                    yield str(path.relative_to(root)), status


def send_file(root: Path, name: str) -> None:
    """Send one file as long as it is now; one that shrinks meanwhile is begun again, three times at most."""
    for _ in range(3):
        with (root / name).open("rb") as file:
            size, mtime_ns, mode = describe(os.fstat(file.fileno()))
            write_json({"path": name, "size": size, "mtime_ns": mtime_ns, "mode": mode})
            left = size
            while left and (piece := file.read(min(left, PIECE_BYTES))):
                write_piece(piece)
                left -= len(piece)
            write_json({"whole": not left})
        if not left:
            return


def describe(status: os.stat_result) -> list[int]:
    """Return size, modification time in nanoseconds, and permissions."""
    return [status.st_size, status.st_mtime_ns, stat.S_IMODE(status.st_mode)]


def compare(path: Path, wanted: list[int]) -> str:
    """Return "same", "doubtful" where only the time differs so that the content decides, or "missing"."""
    try:
        status = path.lstat()
    except OSError:
        return "missing"
    if not stat.S_ISREG(status.st_mode) or status.st_size != wanted[0]:
        return "missing"
    return "same" if status.st_mtime_ns == wanted[1] else "doubtful"


def is_link_to(path: Path, target: str) -> bool:
    """Say whether `path` is a symbolic link to `target`."""
    return path.is_symlink() and os.readlink(path) == target  # noqa: PTH115 - Path.readlink came with 3.9


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(PIECE_BYTES), b""):
            digest.update(piece)
    return digest.hexdigest()


def check_name(name: str) -> None:
    """Refuse a name that leads out of the folder."""
    if name.startswith("/") or any(part in ("", ".", "..") for part in name.split("/")) or "\0" in name:
        raise Refusal(f"the name {name!r} leads out of its folder")


def place(root: Path, name: str) -> None:
    """Make the folders of `name` and clear its place; a link or file where a folder must be gives way."""
    folder = root
    for part in Path(name).parts[:-1]:
        folder = folder / part
        if folder.is_symlink() or folder.is_file():
            folder.unlink()
        folder.mkdir(exist_ok=True)
    path = root / name
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.is_symlink():
        path.unlink()


def remove(root: Path, name: str) -> None:
    """Delete a file and the folders that are empty without it."""
    path = root / name
    if any(folder.is_symlink() for folder in path.parents if root in folder.parents):
        return  # not ours any more
    if path.is_symlink() or path.is_file():
        path.unlink()
    with contextlib.suppress(OSError):
        while path.parent != root:
            path = path.parent
            path.rmdir()


class Record:
    """The names that were put into one folder, in a file that is locked while it is open."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)  # a second sync of the same folder waits for the first
        self.names: set[str] = set()
        with contextlib.suppress(ValueError):
            self.names = set(json.loads(os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)))

    def write(self, names: Iterable[str]) -> None:
        """Replace the names; the descriptor must stay the same, since it is the lock."""
        text = json.dumps(sorted(names)).encode()
        os.pwrite(self.descriptor, text, 0)
        os.ftruncate(self.descriptor, len(text))


@contextlib.contextmanager
def record_of(root: Path) -> Iterator[Record]:
    """Open the record of `root`."""
    RECORDS.mkdir(parents=True, exist_ok=True, mode=0o700)
    record = Record(RECORDS / hashlib.sha256(os.fsencode(root)).hexdigest()[:32])
    try:
        yield record
    finally:
        os.close(record.descriptor)


def read_frame() -> tuple[bytes, bytes]:
    """Return the kind and the payload of the next frame; (b"", b"") at the end."""
    head = sys.stdin.buffer.read(5)
    if len(head) < 5:
        return b"", b""
    kind, size = struct.unpack(">cI", head)
    payload = sys.stdin.buffer.read(size)
    if len(payload) < size:
        raise BrokenPipeError(errno.EPIPE, GONE)
    return kind, payload


def read_json(may_end: bool = False) -> Json:
    """Return the next frame, which must be JSON; {} at the end where the client may stop."""
    kind, payload = read_frame()
    if kind != b"J":
        if may_end and not kind:
            return {}
        raise BrokenPipeError(errno.EPIPE, GONE)
    return dict(json.loads(zlib.decompress(payload)))


def write_frame(kind: bytes, payload: bytes) -> None:
    """Send one frame."""
    sys.stdout.buffer.write(struct.pack(">cI", kind, len(payload)) + payload)


def write_json(value: Json) -> None:
    """Send JSON, at once."""
    write_frame(b"J", zlib.compress(json.dumps(value).encode(), 6))
    sys.stdout.buffer.flush()


def write_piece(piece: bytes) -> None:
    """Send a piece of a file, compressed where that helps."""
    packed = zlib.compress(piece, 1)
    write_frame(b"Z", packed) if len(packed) < len(piece) else write_frame(b"D", piece)


if __name__ == "__main__":
    main(sys.argv[1])
