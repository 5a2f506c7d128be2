"""The host's half: the program that is sent there, run as there, against the same bucket."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import deployer.remote
from deployer import dataset
from deployer.aws import s3
from deployer.aws.session import Session
from deployer.config import Config

BUCKET = "deployer-demo"
MANIFEST = "data/manifest.json"
OWN_FILES = {".fetched.json", ".lock"}

Fetch = Callable[..., Any]


def upload(session: Session, config: Config) -> dataset.UploadResult:
    return dataset.upload(session, BUCKET, dataset.scan(config))


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return {name: data for name, data in found.items() if name not in OWN_FILES}


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there"


@pytest.fixture
def uploaded(session: Session, config: Config, images: Path, wire: Any) -> dataset.Manifest:
    """A bucket with the project's images, a twin and an empty file among them; the wire has forgotten it."""
    (images / "dog" / "twin.jpg").write_bytes((images / "cat" / "one.jpg").read_bytes())
    (images / "dog" / "empty.jpg").write_bytes(b"")
    manifest = upload(session, config).manifest
    wire.forget()
    return manifest


def test_fetch_brings_every_file_as_it_is_here(fetch: Fetch, uploaded: object, images: Path, there: Path) -> None:
    outcome = fetch(there)

    assert outcome.last == {"event": "done", "files": 6, "fetched": 6, "fetched_bytes": 56, "removed": 0}
    assert content(there) == content(images)


def test_fetch_of_nothing_new_is_one_request(fetch: Fetch, uploaded: object, there: Path, wire: Any) -> None:
    fetch(there)
    wire.forget()

    outcome = fetch(there)

    assert outcome.last["fetched"] == 0
    assert wire.seen() == [("GET", MANIFEST)]


def test_fetch_repairs_what_was_lost_or_changed_here(
    fetch: Fetch, uploaded: object, images: Path, there: Path, wire: Any
) -> None:
    fetch(there)
    (there / "cat" / "one.jpg").unlink()
    (there / "cat" / "two.JPG").write_bytes(b"somebody else's")

    outcome = fetch(there)

    assert outcome.last["fetched"] == 2
    assert content(there) == content(images)


def test_fetch_of_one_change_asks_for_its_bytes_alone(
    fetch: Fetch, session: Session, config: Config, images: Path, there: Path, wire: Any
) -> None:
    for index in range(4):
        (images / f"{index}.bmp").write_bytes(os.urandom(2 * s3.MIB))
    stored = upload(session, config).manifest.files["2.bmp"]
    fetch(there)
    (there / "2.bmp").unlink()
    wire.forget()

    fetch(there)

    ranges = [request.range for request in wire.requests if request.range]
    assert ranges == [f"bytes={stored.offset}-{stored.offset + stored.size - 1}"]
    assert content(there) == content(images)


def test_fetch_removes_what_is_gone_and_nothing_else(
    fetch: Fetch, uploaded: object, session: Session, config: Config, images: Path, there: Path
) -> None:
    fetch(there)
    (there / "notes.txt").write_text("not ours")
    for path in (images / "cat").iterdir():
        path.unlink()
    upload(session, config)

    outcome = fetch(there)

    assert outcome.last["removed"] == 2
    assert not (there / "cat").exists()
    assert (there / "notes.txt").exists()


def test_fetch_removes_what_a_killed_fetch_had_brought(
    fetch: Fetch, uploaded: object, session: Session, config: Config, images: Path, there: Path
) -> None:
    fetch(there)
    record = json.loads((there / ".fetched.json").read_text())
    record["files"] = dict.fromkeys(record["files"])  # as it is written before the first byte comes
    (there / ".fetched.json").write_text(json.dumps({**record, "etag": ""}))
    (images / "cat" / "two.JPG").unlink()
    upload(session, config)

    outcome = fetch(there)

    assert outcome.last["fetched"] == 0  # what was there and right was recognised
    assert content(there) == content(images)


def test_fetch_notices_a_damaged_shard(fetch: Fetch, uploaded: dataset.Manifest, session: Session, there: Path) -> None:
    stored = uploaded.files["cat/two.JPG"]
    key = f"data/shards/{stored.shard}.tar"
    tar = bytearray(s3.get_bytes(session, BUCKET, key) or b"")
    tar[stored.offset] ^= 1
    s3.put_bytes(session, BUCKET, key, bytes(tar))

    outcome = fetch(there)

    assert outcome.returncode == 1
    assert (outcome.last["event"], outcome.last["kind"]) == ("error", "data")
    assert "cat/two.JPG" in outcome.last["message"]
    assert not (there / "cat" / "two.JPG").exists()
    assert not list(there.rglob("*.part"))


def test_fetch_goes_on_when_the_connection_breaks(
    fetch: Fetch, uploaded: object, images: Path, there: Path, wire: Any
) -> None:
    cuts = iter(["cut", "cut"])
    wire.fault = lambda request: next(cuts, "") if request.range else ""

    outcome = fetch(there)

    assert outcome.returncode == 0
    assert content(there) == content(images)


def test_fetch_gives_up_when_the_connection_keeps_breaking(
    fetch: Fetch, uploaded: object, there: Path, wire: Any
) -> None:
    wire.fault = lambda request: "cut" if request.range else ""

    outcome = fetch(there)

    assert (outcome.returncode, outcome.last["kind"]) == (1, "aws")
    assert "3 times" in outcome.last["message"]


def test_fetch_goes_on_after_being_killed(
    fetch: Fetch, session: Session, config: Config, images: Path, there: Path, wire: Any, tmp_path: Path
) -> None:
    for index in range(12):
        (images / f"{index}.bmp").write_bytes(os.urandom(2 * s3.MIB))
    upload(session, config)
    wire.latency_seconds = 0.3
    process = subprocess.Popen([sys.executable, str(tmp_path / "fetch_data.zip"), BUCKET, "us-east-1", str(there)])
    while not list(there.glob("*.bmp")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wire.latency_seconds = 0

    outcome = fetch(there)

    assert 0 < outcome.last["fetched"] < outcome.last["files"]
    assert content(there) == content(images)


@pytest.mark.parametrize(
    "name", ["../out.jpg", "{tmp}/out.jpg", "a/../../out.jpg", "a//b.jpg", "", "a\0b", ".fetched.json", ".lock"]
)
def test_fetch_refuses_an_unsafe_name(
    fetch: Fetch, uploaded: dataset.Manifest, session: Session, there: Path, name: str
) -> None:
    name = name.format(tmp=there.parent)
    s3.put_bytes(session, BUCKET, MANIFEST, dataset.Manifest({name: uploaded.files["cat/one.jpg"]}).to_json())

    outcome = fetch(there)

    assert (outcome.returncode, outcome.last["kind"]) == (1, "data")
    assert not content(there)
    assert not (there.parent / "out.jpg").exists()


def test_fetch_does_not_write_through_a_link(fetch: Fetch, uploaded: object, there: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    there.mkdir()
    (there / "cat").symlink_to(tmp_path / "outside")

    outcome = fetch(there)

    assert (outcome.returncode, outcome.last["kind"]) == (1, "data")
    assert not list((tmp_path / "outside").iterdir())


def test_fetch_says_before_it_begins_that_the_disk_is_too_small(
    fetch: Fetch, uploaded: dataset.Manifest, session: Session, there: Path
) -> None:
    document = json.loads(uploaded.to_json())
    document["files"]["cat/one.jpg"][0] = 10**18
    s3.put_bytes(session, BUCKET, MANIFEST, json.dumps(document).encode())

    outcome = fetch(there)

    assert (outcome.returncode, outcome.last["kind"]) == (1, "disk")
    assert "MiB free" in outcome.last["message"]
    assert not content(there)


def test_fetch_from_an_empty_bucket_says_what_is_missing(fetch: Fetch, there: Path) -> None:
    outcome = fetch(there)

    assert (outcome.returncode, outcome.last["kind"]) == (1, "aws")
    assert f"s3://{BUCKET}/{MANIFEST}" in outcome.last["message"]


def test_fetch_without_boto3_says_so(fetch: Fetch, there: Path) -> None:
    outcome = fetch(there, "-S")

    assert (outcome.returncode, outcome.last["kind"]) == (3, "boto3")
    assert sys.executable in outcome.last["message"]


def test_fetch_is_written_for_python_3_8() -> None:
    folder = Path(deployer.remote.__file__).parent / "agents" / "fetch_data"

    for module in sorted(folder.glob("*.py")):
        ast.parse(module.read_text("utf-8"), feature_version=(3, 8))


def test_fetch_asks_for_neighbours_at_once(
    fetch: Fetch, session: Session, config: Config, images: Path, there: Path, wire: Any
) -> None:
    for index in range(300):
        (images / f"{index}.png").write_bytes(f"image {index}".encode())
    upload(session, config)
    wire.forget()

    fetch(there)

    assert len(wire.requests) <= 3  # the manifest, and one range; two where a hash happens to end a shard
    assert content(there) == content(images)
