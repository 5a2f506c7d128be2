"""How much of an epoch is waited for images: of a training that reads them from S3, and of the epoch after that."""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measures import ROOT, Arms, NotHere, Setting, row, run
from benchmarks.object_server import BUCKET
from benchmarks.pictures import write_pictures
from benchmarks.streaming import serve
from benchmarks.trainings import BATCH

SIZES = ((320, 320), (500, 375))
SHARE = 0.05  # of validation and of test
# Training images of 20 batches.
COUNT = round(20 * BATCH / (1 - 2 * SHARE))
# More copies of one picture than these would be named one by one.
DIFFERENT = 240


@row("wait-cold", "data wait of epoch 1, 20 batches of ResNet-18, objects of S3 after 20 ms", at_most=5.0)
def cold(setting: Setting) -> Iterator[Arms]:
    yield from compare(setting, epoch=1)


@row("wait-warm", "data wait of epoch 2, the same", at_most=0.5)
def warm(setting: Setting) -> Iterator[Arms]:
    yield from compare(setting, epoch=2)


def compare(setting: Setting, *, epoch: int) -> Iterator[Arms]:
    """Train anew each time, without the cache of the time before."""
    try:
        import boto3  # noqa: F401
    except ImportError as error:
        raise NotHere("boto3 is not installed") from error
    write_pictures(setting.folder / "photos", COUNT, sizes=SIZES, different=DIFFERENT)
    runs = (setting.folder / f"run-{number}" for number in itertools.count())
    with serve(setting.folder / "photos"):
        yield Arms("%", {"deployer": lambda: 100 * measure_wait(next(runs), epoch)})


def measure_wait(output: Path, epoch: int) -> float:
    """Train for so many epochs, and return the share of the last one that was spent on waiting for images."""
    recipe = ("--preset", "quick", "--arch", "resnet18", "--image-size", "224", "--batch-size", str(BATCH))
    shares = ("--validation-share", str(SHARE), "--test-share", str(SHARE))
    where = ("--data", f"s3://{BUCKET}", "--output", str(output), "--cache", str(output / "cache"))
    told = run([sys.executable, "-m", "model.train", *where, *recipe, *shares, "--epochs", str(epoch)], cwd=ROOT)
    line = json.loads((output / "metrics.jsonl").read_text().splitlines()[epoch - 1])
    waited, stepped = float(line["data_wait_seconds"]), float(line["step_seconds"])
    # What it waited for before the first epoch belongs to that one.
    before = re.search(r"(?:read|decoded) .* in ([0-9.]+)s", told) if epoch == 1 else None
    waited += float(before[1]) if before else 0.0
    return waited / (waited + stepped)
