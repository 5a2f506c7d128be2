"""Images that are on S3 already: the host's half mirrors them, in a process of its own, over a wire that can be cut."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deployer import dataset
from deployer.aws import s3
from deployer.aws.session import Session

BUCKET = "deployer-demo"
OBJECTS = {
    "reef/targets.csv": b"filename,label\n",
    "reef/cat/one.jpg": b"first cat",
    "reef/cat/two.JPG": b"second cat",
    "reef/dog/été 1+2.png": b"dog in summer",
    "reef/dog/empty.png": b"",
}
OTHERS = ("reef/notes.txt", "reef/cat/.hidden.jpg", "reef/cat/", "reef-private/three.jpg", "four.jpg")
WORDS = ("--prefix=reef/", "--suffixes=.jpg,.png,.csv")

Fetch = Callable[..., Any]


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {f"reef/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in files}


@pytest.fixture
def mirror(fetch: Fetch) -> Fetch:
    return partial(fetch, words=WORDS)


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there"


@pytest.fixture
def reef(session: Session, wire: Any) -> None:
    """A folder of images among other things; the wire has forgotten how they came."""
    for key in [*OBJECTS, *OTHERS]:
        s3.put_bytes(session, BUCKET, key, OBJECTS.get(key, b"not ours"))
    wire.forget()


@pytest.mark.usefixtures("reef")
def test_mirror_brings_images_and_tables_of_the_folder_alone(mirror: Fetch, there: Path) -> None:
    outcome = mirror(there)

    size = sum(map(len, OBJECTS.values()))
    assert outcome.last == {"event": "done", "files": 5, "fetched": 5, "fetched_bytes": size, "removed": 0}
    assert content(there) == OBJECTS


@pytest.mark.usefixtures("reef")
def test_mirror_of_a_whole_bucket_keeps_its_folders(fetch: Fetch, there: Path) -> None:
    fetch(there, words=("--prefix=", "--suffixes=.jpg"))

    assert (there / "reef-private" / "three.jpg").exists()
    assert (there / "four.jpg").exists()
    assert not (there / "reef" / "targets.csv").exists()


@pytest.mark.usefixtures("reef")
def test_mirror_of_nothing_new_is_one_request(mirror: Fetch, there: Path, wire: Any) -> None:
    mirror(there)
    wire.forget()

    outcome = mirror(there)

    assert outcome.last["fetched"] == 0
    assert len(wire.requests) == 1


@pytest.mark.usefixtures("reef")
def test_mirror_follows_what_changed_on_either_side(mirror: Fetch, session: Session, there: Path, wire: Any) -> None:
    mirror(there)
    s3.put_bytes(session, BUCKET, "reef/cat/one.jpg", b"FIRST CAT")  # of the same size
    session.client("s3").delete_object(Bucket=BUCKET, Key="reef/cat/two.JPG")
    (there / "targets.csv").write_bytes(b"somebody else's")
    (there / "notes.txt").write_text("not ours")
    wire.forget()

    outcome = mirror(there)

    assert (outcome.last["fetched"], outcome.last["removed"]) == (2, 1)
    expected = {**OBJECTS, "reef/cat/one.jpg": b"FIRST CAT", "reef/notes.txt": b"not ours"}
    del expected["reef/cat/two.JPG"]
    assert content(there) == expected


@pytest.mark.usefixtures("reef")
def test_mirror_goes_on_when_the_connection_breaks(mirror: Fetch, there: Path, wire: Any) -> None:
    cuts = iter(["cut", "cut"])
    wire.fault = lambda request: next(cuts, "") if request.key.endswith("one.jpg") else ""

    outcome = mirror(there)

    assert outcome.returncode == 0
    assert content(there) == OBJECTS


@pytest.mark.usefixtures("reef")
def test_mirror_gives_up_when_the_connection_keeps_breaking(mirror: Fetch, there: Path, wire: Any) -> None:
    wire.fault = lambda request: "cut" if request.key.endswith("one.jpg") else ""

    outcome = mirror(there)

    assert (outcome.returncode, outcome.last["kind"]) == (1, "aws")
    assert "3 times" in outcome.last["message"]
    assert not (there / "cat" / "one.jpg").exists()


@pytest.mark.usefixtures("reef")
@pytest.mark.parametrize(("refused", "said"), [("", "cannot be listed"), ("reef/cat/one.jpg", "cannot be read")])
def test_mirror_without_access_says_what_it_may_not_read(
    mirror: Fetch, there: Path, wire: Any, refused: str, said: str
) -> None:
    wire.fault = lambda request: "refuse" if request.key == refused else ""

    outcome = mirror(there)

    assert (outcome.returncode, outcome.last["kind"]) == (1, "aws")
    assert f"s3://{BUCKET}/{refused or 'reef/'} {said}: AccessDenied" in outcome.last["message"]


def test_mirror_goes_on_after_being_killed(
    mirror: Fetch, session: Session, there: Path, wire: Any, tmp_path: Path
) -> None:
    objects = {f"reef/{index}.png": os.urandom(1000) for index in range(60)}
    for key, data in objects.items():
        s3.put_bytes(session, BUCKET, key, data)
    # The second half never comes.
    wire.latency_seconds = 0.1
    wire.fault = lambda request: time.sleep(30) or "" if request.key in list(objects)[40:] else ""
    program = [sys.executable, str(tmp_path / "fetch_data.zip"), BUCKET, "us-east-1", str(there), *WORDS]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL)
    while not list(there.glob("*.png")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wire.latency_seconds = 0
    wire.fault = lambda _request: ""

    outcome = mirror(there)

    assert 0 < outcome.last["fetched"] < 60
    assert content(there) == objects
    assert not list(there.glob(".*.part"))


@pytest.mark.usefixtures("reef")
def test_mirror_of_an_empty_folder_says_so_and_removes_nothing(fetch: Fetch, mirror: Fetch, there: Path) -> None:
    mirror(there)

    outcome = fetch(there, words=("--prefix=sea/", "--suffixes=.jpg,.png"))

    assert (outcome.returncode, outcome.last["kind"]) == (1, "data")
    assert f"no images in s3://{BUCKET}/sea/" in outcome.last["message"]
    assert content(there) == OBJECTS


@pytest.mark.usefixtures("reef")
def test_mirror_without_the_named_table_says_so_before_it_begins(fetch: Fetch, there: Path) -> None:
    outcome = fetch(there, words=(*WORDS, "--table=labels.csv"))

    assert (outcome.returncode, outcome.last["kind"]) == (1, "data")
    assert f"s3://{BUCKET}/reef/labels.csv does not exist" in outcome.last["message"]
    assert content(there) == {}


@pytest.mark.parametrize("key", ["reef//one.jpg", "reef/a/../../one.jpg"])
def test_mirror_refuses_a_key_that_is_no_path(mirror: Fetch, session: Session, there: Path, key: str) -> None:
    # As it is: botocore, and so every client of S3, leaves the path alone.
    s3.put_bytes(session, BUCKET, key, b"out")

    outcome = mirror(there)

    assert (outcome.returncode, outcome.last["kind"]) == (1, "data")
    assert content(there) == {}


@pytest.mark.usefixtures("reef")
def test_mirror_gives_way_to_images_that_are_sent(
    mirror: Fetch, fetch: Fetch, session: Session, config: Any, there: Path
) -> None:
    mirror(there)
    dataset.upload(session, BUCKET, dataset.scan(config))

    outcome = fetch(there)

    assert outcome.returncode == 0
    assert (there / "dog" / "été 1.png").exists()
    assert not (there / "dog" / "empty.png").exists()
    again = mirror(there)
    assert (again.returncode, content(there)) == (0, OBJECTS)


def test_mirror_asks_for_many_small_objects_at_once(mirror: Fetch, session: Session, there: Path, wire: Any) -> None:
    keys = [f"reef/{index}.png" for index in range(64)]
    for key in keys:
        s3.put_bytes(session, BUCKET, key, key.encode())
    waiting: list[str] = []
    most = [0]

    def count(request: Any) -> str:
        waiting.append(request.key)
        most[0] = max(most[0], len(waiting))
        time.sleep(0.1)
        waiting.remove(request.key)
        return ""

    wire.fault = count

    mirror(there)

    assert most[0] >= 16
