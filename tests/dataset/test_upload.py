from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from deployer import dataset
from deployer.aws import s3
from deployer.aws.session import Session
from deployer.config import Config
from deployer.dataset import shards
from deployer.errors import AccessDenied, AwsError, DataError

BUCKET = "deployer-demo"
MANIFEST = "data/manifest.json"


def upload(session: Session, config: Config, **options: Any) -> dataset.UploadResult:
    return dataset.upload(session, BUCKET, dataset.scan(config), **options)


@pytest.fixture
def many_shards(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve images that need about as many shards."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 12_000)
    numbers = random.Random(0)
    for index in range(12):
        (images / f"{index:02}.png").write_bytes(numbers.randbytes(8_000))


def test_upload_sends_shards_first_and_the_manifest_last(session: Session, config: Config, wire: Any) -> None:
    sent: list[tuple[int, int]] = []

    result = upload(session, config, on_progress=lambda done, total: sent.append((done, total)))

    puts = [key for method, key in wire.seen() if method == "PUT"]
    assert puts[-1] == MANIFEST
    assert all(key.startswith("data/shards/") for key in puts[:-1])
    assert sent[-1] == (result.sent_bytes, result.sent_bytes)
    assert result.changed == 4
    assert dataset.read_manifest(session, BUCKET) == result.manifest


def test_upload_of_nothing_new_is_one_get(session: Session, config: Config, wire: Any) -> None:
    upload(session, config)
    wire.forget()

    result = upload(session, config)

    assert wire.seen() == [("GET", MANIFEST)]
    assert (result.changed, result.removed, result.sent_bytes) == (0, 0, 0)


def test_upload_sends_only_what_changed(session: Session, config: Config, images: Path, wire: Any) -> None:
    upload(session, config)
    (images / "cat" / "one.jpg").write_bytes(b"a third cat")
    (images / "dog" / "new.jpg").write_bytes(b"a new dog")
    wire.forget()

    result = upload(session, config)

    shard = shards.Shard(
        tuple(file for file in dataset.scan(config).files if file.name in {"cat/one.jpg", "dog/new.jpg"})
    )
    assert result.changed == 2
    assert result.sent_bytes <= shard.size + 1024  # at most one more end of archive
    assert result.manifest.files["cat/two.JPG"].shard != result.manifest.files["cat/one.jpg"].shard


def test_upload_of_renamed_and_removed_files_sends_no_image(
    session: Session, config: Config, images: Path, wire: Any
) -> None:
    upload(session, config)
    (images / "cat" / "one.jpg").rename(images / "dog" / "one.jpg")
    (images / "cat" / "two.JPG").unlink()
    wire.forget()

    result = upload(session, config)

    assert wire.seen() == [("GET", MANIFEST), ("PUT", MANIFEST)]
    assert (result.changed, result.removed, result.sent_bytes) == (1, 2, 0)


def test_upload_goes_on_where_it_was_interrupted(
    session: Session, config: Config, many_shards: None, wire: Any
) -> None:
    whole = dataset.plan(dataset.scan(config), dataset.Manifest()).size
    wire.fault = lambda request: "refuse" if request.method == "PUT" and len(wire.requests) > 6 else ""
    with pytest.raises(AccessDenied):
        upload(session, config)
    complete = {item.key: item.size for item in s3.list_objects(session, BUCKET, "data/shards/")}
    unfinished = dataset.read_manifest(session, BUCKET)
    wire.forget()

    result = upload(session, config)

    assert unfinished == dataset.Manifest()
    assert complete
    assert result.sent_bytes == whole - sum(complete.values())
    assert not {key for method, key in wire.seen() if method == "PUT"} & set(complete)


def test_upload_interrupted_leaves_the_old_manifest_valid(
    session: Session, config: Config, images: Path, wire: Any
) -> None:
    old = upload(session, config).manifest
    (images / "cat" / "one.jpg").write_bytes(b"a third cat")
    wire.fault = lambda request: "refuse" if request.key == MANIFEST and request.method == "PUT" else ""

    with pytest.raises(AccessDenied):
        upload(session, config)

    kept = {item.key for item in s3.list_objects(session, BUCKET, "data/shards/")}
    assert dataset.read_manifest(session, BUCKET) == old
    assert {f"data/shards/{item.shard}.tar" for item in old.files.values()} <= kept


def test_upload_stops_at_once_on_ctrl_c(session: Session, config: Config, many_shards: None, wire: Any) -> None:
    wire.latency_seconds = 0.3
    presses = iter([signal.SIGINT])

    def press(_done: int, _total: int) -> None:
        for key in presses:
            os.kill(os.getpid(), key)

    with pytest.raises(KeyboardInterrupt):
        upload(session, config, on_progress=press)

    sent = [key for method, key in wire.seen() if method == "PUT"]
    assert 0 < len(sent) <= 8  # four were in flight; those that had ended by then made room for others
    assert MANIFEST not in sent


def test_upload_of_a_file_that_changes_meanwhile_says_so_and_reads_it_again(
    session: Session, config: Config, images: Path
) -> None:
    scanned = dataset.scan(config)
    (images / "cat" / "one.jpg").write_bytes(b"third cat")  # as long as before

    with pytest.raises(DataError, match=r"one\.jpg changed"):
        dataset.upload(session, BUCKET, scanned)

    assert dataset.read_manifest(session, BUCKET) == dataset.Manifest()
    assert upload(session, config).changed == 4


def test_upload_of_a_large_file_goes_in_parts(
    session: Session, config: Config, images: Path, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "MULTIPART_THRESHOLD", 5 * s3.MIB)
    monkeypatch.setattr(s3, "PART_BYTES", 5 * s3.MIB)
    monkeypatch.setattr(shards, "SHARD_BYTES", s3.MIB)
    (images / "large.tif").write_bytes(random.Random(0).randbytes(12 * s3.MIB))

    stored = upload(session, config).manifest.files["large.tif"]

    tar = s3.get_bytes(session, BUCKET, f"data/shards/{stored.shard}.tar") or b""
    assert tar[stored.offset : stored.offset + stored.size] == (images / "large.tif").read_bytes()
    assert (
        sum(request.method == "PUT" and request.key.endswith(f"{stored.shard}.tar") for request in wire.requests) == 3
    )


def test_plan_reads_no_image(config: Config, images: Path) -> None:
    scanned = dataset.scan(config)
    for file in scanned.files:
        file.path.unlink()

    plan = dataset.plan(scanned, dataset.Manifest())

    assert len(plan.changed) == 4
    assert plan.size > scanned.size


@pytest.mark.parametrize(
    "document", [b"{", b"[]", b'{"version": 99, "files": {}}', b'{"version": 1, "files": {"a": [1]}}']
)
def test_upload_over_a_foreign_manifest_says_how_to_remove_it(
    session: Session, config: Config, document: bytes
) -> None:
    s3.put_bytes(session, BUCKET, MANIFEST, document)

    with pytest.raises(AwsError, match=f"s3://{BUCKET}/{MANIFEST} is not a manifest") as caught:
        upload(session, config)

    assert "aws s3 rm" in caught.value.hint
