"""Images that were on S3 already: plain objects below a prefix, mirrored one by one."""

from __future__ import annotations

import os
import threading
import time

from .folder import Folder, check_name, check_space
from .parallel import call_all
from .store import Cut, Object, Store
from .words import Problem, Progress, say

# Small objects are all waiting: one request takes some 30 ms, whatever it brings.
CONNECTIONS = 32
ATTEMPTS = 3


def fetch(bucket: str, region: str, folder: Folder, prefix: str, suffixes: frozenset[str], table: str) -> None:
    """Make the folder hold the objects below the prefix that have one of the suffixes.

    An object is known by size and ETag. Each file gets its object's time, by which it is known even after a kill -9.
    """
    store = Store(bucket, region, CONNECTIONS)
    found = find(store, f"s3://{bucket}/{prefix}", prefix, suffixes, table)
    for name in found:
        check_name(name)
    removed = folder.prepare(found)
    wanted = [item for item in found.values() if not folder.has_object(item)]
    total = sum(item.size for item in wanted)
    check_space(folder.path, total)
    progress = Progress(len(found), len(found) - len(wanted), total)
    try:
        call_all(fetch_object, [(store, folder, item, progress) for item in wanted], threads=CONNECTIONS)
    finally:
        folder.save()
    say("done", files=len(found), fetched=len(wanted), fetched_bytes=total, removed=removed)


def look(bucket: str, region: str, prefix: str, suffixes: frozenset[str], table: str) -> None:
    """See that there are such objects and that one of them can be read."""
    store = Store(bucket, region, 1)
    found = find(store, f"s3://{bucket}/{prefix}", prefix, suffixes, table)
    store.open_object(found[min(found)])
    say("done", files=len(found), fetched=0, fetched_bytes=0, removed=0)


def find(store: Store, where: str, prefix: str, suffixes: frozenset[str], table: str) -> dict[str, Object]:
    """Return the objects by their names; refuse a place without images, or without the table."""
    found = {item.name: item for item in store.list_objects(prefix) if is_wanted(item.name, suffixes)}
    if not found:
        raise Problem("data", f"there are no images in {where} (looked for {', '.join(sorted(suffixes))})")
    if table and table not in found:
        raise Problem("data", f"{where}{table} does not exist, which targets under [data] names")
    return found


def is_wanted(name: str, suffixes: frozenset[str]) -> bool:
    """Tell an image or a table from the rest, hidden files among it."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - a name that ends with a slash has none
    return suffix in suffixes and not any(part.startswith(".") for part in name.split("/"))


def fetch_object(store: Store, folder: Folder, item: Object, progress: Progress, stop: threading.Event) -> None:
    """Bring one object; when the connection breaks, begin it again, so that boto3 checks the whole of it."""
    for attempt in range(1, ATTEMPTS + 1):
        if stop.is_set():
            return
        try:
            folder.write_object(item, store.open_object(item))
            progress.add(1, item.size)
            return
        except Cut as cut:
            if attempt == ATTEMPTS:
                raise Problem("aws", f"the connection to the bucket broke {ATTEMPTS} times: {cut}") from cut
            time.sleep(attempt)
