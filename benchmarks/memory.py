"""The memory of a program that streams pictures: it must not grow with their number.

`python -m benchmarks.memory FOLDER` reads all pictures of a folder as a training does, and prints the peak in MB.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from benchmarks.measures import ROOT, Arms, NotHere, Setting, row, run
from benchmarks.pictures import write_pictures

SIDE = 64
MANY, FEW = 50_000, 5_000
# Between two looks: an epoch over the few takes seconds.
LOOK_SECONDS = 0.01


@row("memory", f"peak memory of streaming {MANY:,} pictures / {FEW:,}, without the page cache", at_most=1.1)
def memory(setting: Setting) -> Iterator[Arms]:
    if not Path("/proc/self/status").exists():
        raise NotHere("this system does not tell the memory of a program apart from the page cache")
    for count in (MANY, FEW):
        write_pictures(setting.folder / str(count), count, sizes=((SIDE, SIDE),), different=count)
    yield Arms(
        "MB",
        {
            f"{MANY:,} pictures": lambda: stream(setting.folder, MANY),
            f"{FEW:,} pictures": lambda: stream(setting.folder, FEW),
        },
    )


def stream(folder: Path, count: int) -> float:
    """Return the peak of a process that reads so many pictures, none of which is in its cache."""
    cache = folder / "cache"
    told = run([sys.executable, "-m", "benchmarks.memory", str(folder / str(count)), str(cache)], cwd=ROOT)
    shutil.rmtree(cache, ignore_errors=True)
    return float(told.splitlines()[-1])


def read_all(folder: Path, cache: Path) -> None:
    """Show every training image once, in order, while they come, and examine the set when all are there."""
    from benchmarks.trainings import BATCH, configure
    from model.data.dataset import load_dataset

    dataset = load_dataset(configure(folder, image_size=SIDE, cache=str(cache)), is_streaming=True)
    learnt = dataset.split.train
    for first in range(0, len(learnt), BATCH):
        batch = list(learnt[first : first + BATCH])
        if dataset.store is not None:
            dataset.store.wait(batch)
        dataset.pixels[batch].sum()
    dataset.complete()
    dataset.close()


class Peak(threading.Thread):
    """Looks now and then at what this process holds, without files of which the page cache has a copy."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.megabytes = 0.0

    def run(self) -> None:
        while True:
            with suppress(OSError):
                self.megabytes = max(self.megabytes, _read_anonymous_megabytes())
            time.sleep(LOOK_SECONDS)


def _read_anonymous_megabytes() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = {name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if value.strip()}
    return (int(kilobytes["RssAnon"]) + int(kilobytes["RssShmem"])) / 1000


if __name__ == "__main__":
    peak = Peak()
    peak.start()
    read_all(Path(sys.argv[1]), Path(sys.argv[2]))
    print(peak.megabytes)
