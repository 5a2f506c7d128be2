"""The bucket to a real SSH host: sent, run there, watched from here."""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path
from typing import Any

import pytest

from deployer import dataset
from deployer.aws import s3
from deployer.aws.session import Session
from deployer.config import Config
from deployer.errors import RemoteError
from deployer.remote.ssh import Connection

BUCKET = "deployer-demo"
REEF = {"bucket": BUCKET, "prefix": "reef/", "region": "us-east-1", "targets": "targets.csv"}


def fetch(connection: Connection, python: str = sys.executable, **options: Any) -> dataset.DataResult:
    return dataset.fetch_on_host(
        connection, python=python, bucket=BUCKET, region="us-east-1", destination="~/data", **options
    )


@pytest.fixture
def uploaded(session: Session, config: Config) -> None:
    dataset.upload(session, BUCKET, dataset.scan(config))


def test_host_fetches_with_its_own_role(uploaded: None, instance: Any, instance_connection: Connection) -> None:
    seen: list[tuple[int, int]] = []

    first = fetch(instance_connection, on_progress=lambda done, total: seen.append((done, total)))
    second = fetch(instance_connection)

    assert (first.files, first.fetched, first.removed) == (4, 4, 0)
    assert (second.files, second.fetched) == (4, 0)
    assert seen
    assert all(0 < done <= total == first.fetched_bytes for done, total in seen)
    assert (instance.home / "data" / "dog" / "été 1.png").read_bytes() == b"dog in summer"


def test_host_without_access_says_which_object(session: Session, wire: Any, instance_connection: Connection) -> None:
    wire.fault = lambda _request: "refuse"

    with pytest.raises(RemoteError, match=f"s3://{BUCKET}/data/manifest.json cannot be read: AccessDenied") as caught:
        fetch(instance_connection)

    assert "role" in caught.value.hint


def test_host_with_a_damaged_shard_says_how_to_send_it_anew(
    uploaded: None, session: Session, instance_connection: Connection
) -> None:
    for item in s3.list_objects(session, BUCKET, "data/shards/"):
        s3.put_bytes(session, BUCKET, item.key, os.urandom(item.size))

    with pytest.raises(RemoteError, match="damaged in the bucket") as caught:
        fetch(instance_connection)

    assert "data/manifest.json" in caught.value.hint


def mirror(connection: Connection, **options: Any) -> dataset.DataResult:
    return dataset.mirror_on_host(
        connection, python=sys.executable, images=dataset.BucketImages(**(REEF | options)), destination="~/data"
    )


def test_host_mirrors_images_that_are_on_s3_already(
    session: Session, instance: Any, instance_connection: Connection
) -> None:
    for key in ("reef/targets.csv", "reef/cat 1.jpg", "reef/notes.txt"):
        s3.put_bytes(session, BUCKET, key, key.encode())

    first, second = mirror(instance_connection), mirror(instance_connection)

    assert (first.files, first.fetched, second.fetched) == (2, 2, 0)
    assert (instance.home / "data" / "cat 1.jpg").read_bytes() == b"reef/cat 1.jpg"


def test_host_without_the_right_to_images_on_s3_names_the_command_that_gives_it(
    session: Session, wire: Any, instance_connection: Connection
) -> None:
    wire.fault = lambda _request: "refuse"

    with pytest.raises(RemoteError, match=f"s3://{BUCKET}/reef/ cannot be listed: AccessDenied") as caught:
        mirror(instance_connection)

    assert f"`deployer up` gives the host's role the right to read s3://{BUCKET}/reef/" in caught.value.hint


def test_host_without_the_table_on_s3_says_where_to_look(session: Session, instance_connection: Connection) -> None:
    s3.put_bytes(session, BUCKET, "reef/cat.jpg", b"cat")

    with pytest.raises(RemoteError, match=f"s3://{BUCKET}/reef/labels.csv does not exist") as caught:
        mirror(instance_connection, targets="labels.csv")

    assert f"aws s3 ls s3://{BUCKET}/reef/" in caught.value.hint


def test_host_without_boto3_gets_it_for_deployer_alone(
    uploaded: None, instance: Any, instance_connection: Connection
) -> None:
    # In the place of pip, which would need the package index: it puts there what this environment has.
    packages = site.getsitepackages()[0]
    pip = f'mkdir -p "$6" && ln -s {packages}/* "$6"'
    python = write_program(instance.home / "python", f'if [ "$1" = -m ]; then {pip}; exit; fi')

    result = fetch(instance_connection, python)

    assert result.fetched == 4
    assert (instance.home / ".deployer" / "boto3" / "boto3").exists()


def test_host_that_cannot_install_boto3_says_why(
    uploaded: None, instance: Any, instance_connection: Connection
) -> None:
    python = write_program(instance.home / "python", "")

    with pytest.raises(RemoteError, match=r"could not be installed: .*No module named pip") as caught:
        fetch(instance_connection, python)

    assert "deployer ssh --" in caught.value.hint


def test_host_without_that_python_says_so(uploaded: None, instance_connection: Connection) -> None:
    with pytest.raises(RemoteError, match="has no /no/python"):
        fetch(instance_connection, "/no/python")


def write_program(path: Path, first: str) -> str:
    """Write a Python that knows no packages but its own, and begins with `first`."""
    path.write_text(f'#!/bin/sh\n{first}\nexec {sys.executable} -S "$@"\n')
    path.chmod(0o755)
    return str(path)


def test_host_that_can_read_images_on_s3_brings_none(
    session: Session, wire: Any, instance: Any, instance_connection: Connection
) -> None:
    for name in ("targets.csv", "a.jpg", "b.jpg"):
        s3.put_bytes(session, BUCKET, f"reef/{name}", b"reef")
    images = dataset.BucketImages(**REEF)

    assert dataset.look_on_host(instance_connection, python=sys.executable, images=images) == 3
    assert not (instance.home / "data").exists()
    wire.fault = lambda request: "refuse" if request.key.startswith("reef/") else ""
    with pytest.raises(RemoteError, match="AccessDenied") as refused:
        dataset.look_on_host(instance_connection, python=sys.executable, images=images)
    assert "`deployer up` gives the host's role the right to read s3://deployer-demo/reef/" in refused.value.hint


def test_host_without_boto3_cannot_read_images_on_s3_in_a_job(instance: Any, instance_connection: Connection) -> None:
    python = write_program(instance.home / "python", "")

    assert dataset.look_on_host(instance_connection, python=python, images=dataset.BucketImages(**REEF)) is None
