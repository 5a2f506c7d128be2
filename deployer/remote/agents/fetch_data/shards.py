"""The images that deployer sent: which bytes of its tar shards are missing, and the requests that bring them."""

from __future__ import annotations

import threading
import time
from typing import Any

from .folder import Folder, check_name, check_space
from .parallel import call_all
from .store import MIB, Content, Cut, Store, skip
from .words import Problem, Progress, say

CONNECTIONS = 8
# Wanted files this close together in a shard come with one request: the bytes between cost less than a request.
GAP_BYTES = 1 * MIB
# One request fetches no more: S3 gives one connection some 90 MB/s, and several connections that much each.
RANGE_BYTES = 16 * MIB
ATTEMPTS = 3


def fetch(bucket: str, region: str, folder: Folder) -> None:
    """Make the folder hold the files of the manifest, as they are there."""
    store = Store(bucket, region, CONNECTIONS)
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
    check_space(folder.path, total)
    progress = Progress(len(files), len(files) - len(wanted), total)
    try:
        calls = [(store, folder, shard, contents, progress) for shard, contents in plan_ranges(wanted)]
        call_all(fetch_range, calls, threads=CONNECTIONS)
        folder.etag = etag
    finally:
        folder.save()
    say("done", files=len(files), fetched=len(wanted), fetched_bytes=total, removed=removed)


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
