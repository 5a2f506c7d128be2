"""Folders of small pictures that Pillow draws: two classes that a network can tell apart after an epoch or two."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from bucket_server import BucketServer, S3Account, serve_faults
from PIL import Image

COLOURS = {"red": (200, 60, 50), "blue": (40, 70, 190), "green": (40, 170, 60)}

DrawImage = Callable[..., Path]


def _draw(
    path: Path, colour: str = "red", *, size: tuple[int, int] = (48, 36), seed: int = 0, mode: str = "RGB"
) -> Path:
    """Write a noisy picture of one colour and return its path."""
    noise = np.random.default_rng(seed).normal(0, 25, (size[1], size[0], 3))
    pixels = np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


@pytest.fixture
def draw_image() -> DrawImage:
    return _draw


@pytest.fixture
def class_folders(tmp_path: Path) -> Path:
    """A folder with 20 red and 20 blue pictures, one folder for each class."""
    folder = tmp_path / "photos"
    for label in ("red", "blue"):
        for number in range(20):
            _draw(folder / label / f"{label}_{number:02d}.png", label, seed=number)
    return folder


@pytest.fixture
def write_targets(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a project folder: images/ with the named pictures, and targets.csv over them."""

    def write(rows: Sequence[Sequence[str]], *, missing: Sequence[str] = (), folder: Path = tmp_path) -> Path:
        for number, (name, label, *_group) in enumerate(rows):
            if name not in missing:
                _draw(folder / "images" / name, label if label in COLOURS else "red", size=(8, 8), seed=number)
        lines = ["filename,label,group", *(",".join((*row, "", "")[:3]) for row in rows)]
        (folder / "targets.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return folder

    return write


@pytest.fixture
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def s3(moto_url: str, _credentials: None, monkeypatch: pytest.MonkeyPatch) -> S3Account:
    """An account with an empty bucket."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    urllib.request.urlopen(urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")).close()
    account = S3Account(boto3.client("s3", region_name="us-east-1"))
    account.client.create_bucket(Bucket=account.bucket)
    return account


@pytest.fixture
def faulty(_credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketServer]:
    """A bucket `data` behind a server that fails as it is told to."""
    with serve_faults() as bucket:
        monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.url)
        yield bucket
