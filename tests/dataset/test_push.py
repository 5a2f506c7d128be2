"""Images sent as they are to a place of the user's, and the sets that are told from the names of objects."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deployer import dataset
from deployer.aws import s3
from deployer.aws.s3 import S3Object
from deployer.aws.session import Session
from deployer.config import Config
from deployer.dataset.sets import group_sets
from deployer.errors import AwsError

BUCKET = "deployer-demo"


def push(session: Session, config: Config, **options: Any) -> dataset.PushResult:
    return dataset.push(session, BUCKET, "photos/", dataset.scan(config), **options)


def test_push_makes_an_object_of_each_file(session: Session, config: Config, images: Path) -> None:
    told: list[tuple[int, int]] = []

    result = push(session, config, on_progress=lambda done, total: told.append((done, total)))

    assert (result.files, result.sent, result.elsewhere) == (4, 4, ())
    assert told[-1] == (result.sent_bytes, result.sent_bytes)
    assert s3.get_bytes(session, BUCKET, "photos/dog/été 1.png") == (images / "dog" / "été 1.png").read_bytes()


def test_push_sends_only_what_changed(session: Session, config: Config, images: Path, wire: Any) -> None:
    push(session, config)
    (images / "cat" / "one.jpg").write_bytes(b"third cat")  # of the same length
    (images / "cat" / "two.JPG").touch()
    wire.forget()

    result = push(session, config)

    assert result.sent == 1
    assert [key for method, key in wire.seen() if method == "PUT"] == ["photos/cat/one.jpg"]


def test_push_knows_a_large_object_that_it_sent_in_parts(
    session: Session, config: Config, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "MULTIPART_THRESHOLD", 6 * s3.MIB)
    monkeypatch.setattr(s3, "PART_BYTES", 5 * s3.MIB)
    (images / "cat" / "large.png").write_bytes(bytes(7 * s3.MIB))
    push(session, config)

    assert push(session, config).sent == 0


def test_push_that_was_stopped_sends_the_rest(session: Session, config: Config, wire: Any) -> None:
    wire.fault = lambda request: "refuse" if request.method == "PUT" and "dog" in request.key else ""
    with pytest.raises(AwsError):
        push(session, config)
    wire.forget()
    sent = {item.key for item in s3.list_objects(session, BUCKET, "photos/")}

    result = push(session, config)

    assert result.sent == 4 - len(sent)
    assert len(s3.list_objects(session, BUCKET, "photos/")) == 4


def test_push_tells_what_is_there_and_not_here(session: Session, config: Config, images: Path) -> None:
    push(session, config)
    (images / "cat" / "one.jpg").unlink()

    assert push(session, config).elsewhere == ("cat/one.jpg",)


@pytest.mark.parametrize(
    ("keys", "prefix", "expected"),
    [
        (["photos/crab/1.jpg", "photos/fish/2.jpg"], "", [("s3://b/photos", "images", 2, ("crab", "fish"))]),
        (["photos/crab/1.jpg", "photos/fish/2.jpg"], "photos/", [("s3://b/photos", "images", 2, ("crab", "fish"))]),
        (["a/1.jpg", "a/targets.csv"], "", [("s3://b/a", "images", 1, ("crab", "eel"))]),
        (["a/images/1.jpg", "a/targets.csv", "notes.txt"], "", [("s3://b/a", "images", 1, ("crab", "eel"))]),
        (["s/shard-000000.tar", "s/index.json"], "", [("s3://b/s", "shards", 3, ("crab", "eel"))]),
        (["s/0.tar"], "", [("s3://b/s", "shards", None, ())]),
        (
            ["x/1.jpg", "y/c/1.jpg", "y/d/1.jpg"],
            "",
            [("s3://b/", "images", 1, ()), ("s3://b/y", "images", 2, ("c", "d"))],
        ),
        (["x/.hidden/1.jpg", "x/readme.md"], "", []),
    ],
)
def test_sets_are_told_from_names_and_tables(keys: list[str], prefix: str, expected: list[tuple[Any, ...]]) -> None:
    contents = {".csv": b"filename,label\n1.jpg,crab\n2.jpg,eel\n"}
    contents[".json"] = json.dumps({"images": [1, 2, 3], "classes": ["crab", "eel"]}).encode()
    objects = [S3Object(key=key, size=10, etag="", modified=datetime.now(UTC)) for key in keys]

    found = group_sets("s3://b/", prefix, objects, lambda key: contents[Path(key).suffix])

    assert [(item.url, item.kind, item.images, item.classes) for item in found] == expected


def test_what_a_deployment_was_sent_is_a_set(session: Session, config: Config, images: Path) -> None:
    (images / "targets.csv").unlink()
    dataset.upload(session, BUCKET, dataset.scan(config))

    found = dataset.describe_manifest("s3://b", dataset.read_manifest(session, BUCKET))

    assert (found.images, found.classes) == (3, ("cat", "dog"))
