"""Which bytes are missing, and the requests that bring them."""

from __future__ import annotations

import argparse
import errno
import fcntl
import os
import sys
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from .folder import LOCK_NAME, Folder, check_name, check_space
from .store import CONNECTIONS, MIB, Content, Cut, Store, skip
from .words import Problem, Progress, say

# Wanted files this close together in a shard come with one request: the bytes between cost less than a request.
GAP_BYTES = 1 * MIB
# One request fetches no more: S3 gives one connection some 90 MB/s, and several connections that much each.
RANGE_BYTES = 16 * MIB
ATTEMPTS = 3
EXIT_NO_BOTO3 = 3


def main(words: list[str]) -> None:
    """Fetch, and say how it went."""
    parser = argparse.ArgumentParser(prog="fetch_data", description="Bring the images from the bucket to this host.")
    for name in ("bucket", "region", "destination"):
        parser.add_argument(name)
    arguments = parser.parse_args(words)
    # At the end of the path: what this Python has itself comes first.
    sys.path.append(str(Path("~/.deployer/boto3").expanduser()))
    try:
        fetch(arguments.bucket, arguments.region, Path(arguments.destination).expanduser())
    except ModuleNotFoundError as error:
        say("error", kind="boto3", message=f"{sys.executable} has no {error.name}")
        sys.exit(EXIT_NO_BOTO3)
    except Problem as problem:
        say("error", kind=problem.kind, message=str(problem))
        sys.exit(1)
    except OSError as error:
        what = error.filename or arguments.destination
        say("error", kind="disk", message=f"{what}: {os.strerror(error.errno or errno.EIO)}")
        sys.exit(1)


def fetch(bucket: str, region: str, destination: Path) -> None:
    """Make `destination` hold the files of the manifest, as they are there."""
    store = Store(bucket, region)
    destination.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (destination / LOCK_NAME).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two fetches at once the second finds everything done
        folder = Folder(destination)
        unchanged = folder.etag if folder.is_whole() else ""
        etag, files = store.read_manifest(unless=unchanged)
        if files is None:
            say("done", files=len(folder.files), fetched=0, fetched_bytes=0, removed=0)
            return
        for name in files:
            check_name(name)
        removed = folder.prepare(files)
        wanted = {name: item for name, item in files.items() if not folder.has(name, size=item[0], digest=item[1])}
        total = sum(item[0] for item in wanted.values())
        check_space(destination, total)
        try:
            download(store, folder, wanted, Progress(len(files), len(files) - len(wanted), total))
            folder.etag = etag
        finally:
            folder.save()
    say("done", files=len(files), fetched=len(wanted), fetched_bytes=total, removed=removed)


def download(store: Store, folder: Folder, wanted: dict[str, list[Any]], progress: Progress) -> None:
    """Fetch the wanted files, several ranges at once; the first that fails stops them all."""
    stop = threading.Event()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        ranges = plan_ranges(wanted)
        futures = [pool.submit(fetch_range, store, folder, *item, progress, stop) for item in ranges]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        finally:
            stop.set()
            for future in futures:
                future.cancel()


def plan_ranges(wanted: dict[str, list[Any]]) -> list[tuple[str, list[Content]]]:
    """Group the wanted files into (shard, contents near each other, in order); each content once."""
    names: dict[tuple[str, int, int, str], list[str]] = {}
    for name, (size, digest, shard, offset) in wanted.items():
        names.setdefault((shard, offset, size, digest), []).append(name)
    ranges: list[tuple[str, list[Content]]] = []
    for (shard, offset, size, digest), group in sorted(names.items()):
        content = Content(offset, size, digest, sorted(group))
        contents = ranges[-1][1] if ranges and ranges[-1][0] == shard else []
        if contents and offset - contents[-1].end <= GAP_BYTES and content.end - contents[0].offset <= RANGE_BYTES:
            contents.append(content)
        else:
            ranges.append((shard, [content]))
    return ranges


def fetch_range(
    store: Store, folder: Folder, shard: str, contents: list[Content], progress: Progress, stop: threading.Event
) -> None:
    """Fetch neighbouring contents with one request; when the connection breaks, go on behind the last whole one."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            position = contents[0].offset
            body = store.open_range(shard, position, contents[-1].end)
            while contents:
                if stop.is_set():
                    return
                content = contents[0]
                skip(body, content.offset - position)
                folder.write(content, body)
                position = content.end
                progress.add(len(content.names), content.size * len(content.names))
                contents.pop(0)
            return
        except Cut as cut:
            if attempt == ATTEMPTS:
                raise Problem("aws", f"the connection to the bucket broke {ATTEMPTS} times: {cut}") from cut
            time.sleep(attempt)
