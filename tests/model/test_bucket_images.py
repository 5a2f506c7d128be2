"""Images in a bucket: moto for what works, and a server of ours that fails as S3 fails."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth
from botocore.exceptions import TokenRetrievalError, UnauthorizedSSOTokenError
from bucket_server import BucketServer, S3Account
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.s3.models import s3_backends

from model.data.images import decode_or_explain
from model.data.samples import find_labelled_images
from model.data.sources import Source, open_source
from model.errors import DataError, SourceGone
from model.storage import fetching
from model.storage.client import explaining, find_bucket
from model.storage.fetching import Fetcher


def _open(account: S3Account, folder: Path, prefix: str = "set") -> Source:
    account.upload(folder, prefix)
    return open_source(f"s3://{account.bucket}/{prefix}")


def _describe(data: Path | Source) -> list[tuple[str, str, str]]:
    return [(sample.name, sample.label, sample.group) for sample in find_labelled_images(data).samples]


def test_bucket_with_class_folders_has_the_samples_of_the_folder(s3: S3Account, class_folders: Path) -> None:
    (class_folders / "red" / ".hidden.png").write_bytes(b"none of ours")

    source = _open(s3, class_folders)

    assert _describe(source) == _describe(class_folders)
    assert source.folder is None
    sample = find_labelled_images(source).samples[0]
    assert source.read(sample.key) == (class_folders / sample.name).read_bytes() == sample.path.read_bytes()


def test_bucket_with_a_table_has_labels_and_groups_of_the_table(s3: S3Account, write_targets: object) -> None:
    rows = [(f"{label}_{n}.png", label, f"dive{n % 3}") for label in ("red", "blue") for n in range(6)]
    project = write_targets(rows)  # type: ignore[operator]

    assert _describe(_open(s3, project)) == _describe(project)


def test_bucket_is_listed_whole_beyond_a_page(s3: S3Account) -> None:
    for number in range(1003):  # past HTTP, which takes moto 20 ms an object
        s3_backends[ACCOUNT]["aws"].put_object(s3.bucket, f"many/{number % 2}/{number:04d}.png", b"x")

    assert len(open_source("s3://photos/many").entries()) == 1003


def test_prefix_takes_nothing_of_a_neighbour_that_begins_alike(s3: S3Account, class_folders: Path) -> None:
    s3.upload(class_folders, "reef-private")

    assert len(_open(s3, class_folders, "reef").entries()) == 40


def test_order_reads_ahead_and_brings_each_image_once(s3: S3Account, class_folders: Path) -> None:
    source = _open(s3, class_folders)
    names = [sample.key for sample in find_labelled_images(source).samples]

    bodies = [source.read(name) for name in source.order(names)]

    assert bodies == [(class_folders / name).read_bytes() for name in names]
    source.close()


@pytest.mark.parametrize(
    ("where", "said"),
    [("s3://nobody-has-this/x", "no such bucket"), ("s3://photos/nothing/here", "There is nothing in")],
)
def test_place_that_is_not_there_is_named(s3: S3Account, where: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as refused:
        open_source(where)

    assert where in refused.value.message
    assert refused.value.hint


def test_missing_credentials_are_told(s3: S3Account, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    with pytest.raises(DataError, match="no credentials"):
        open_source(f"s3://{s3.bucket}/set")


def test_object_that_vanishes_after_listing_is_named(s3: S3Account, class_folders: Path) -> None:
    source = _open(s3, class_folders)
    s3.client.delete_object(Bucket=s3.bucket, Key="set/red/red_03.png")

    with pytest.raises(DataError, match=r"s3://photos/set/red/red_03\.png is gone"):
        source.read("red/red_03.png")


def test_object_that_changes_after_listing_is_named(s3: S3Account, class_folders: Path) -> None:
    source = _open(s3, class_folders)
    s3.client.put_object(Bucket=s3.bucket, Key="set/red/red_03.png", Body=b"another")

    with pytest.raises(DataError, match=r"red_03\.png was replaced"):
        source.read("red/red_03.png")


@pytest.mark.parametrize("fault", ["busy", "cut", "reset", "hang"])
def test_faults_that_pass_are_outlived(faulty: BucketServer, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "FIRST_PAUSE_SECONDS", 0.01)
    faulty.faults = [fault, fault]
    fetcher = Fetcher(bucket=find_bucket("s3://data/", "data"), silence_seconds=0.2)

    assert fetcher.fetch("a.jpg") == faulty.objects["a.jpg"]
    assert not faulty.faults


def test_bucket_that_stays_away_ends_with_what_was_tried(faulty: BucketServer) -> None:
    faulty.faults = ["busy"] * 1000
    fetcher = Fetcher(bucket=find_bucket("s3://data/", "data"), patience_seconds=0.3)

    with pytest.raises(SourceGone, match=r"s3://data/a.jpg cannot be read: S3 answers SlowDown, \d+ times in") as gone:
        fetcher.fetch("a.jpg")

    assert gone.value.exit_code == 1


def test_one_object_is_waited_for_as_long_as_others_come(faulty: BucketServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "FIRST_PAUSE_SECONDS", 0.001)
    faulty.objects["b.jpg"] = b"other"
    faulty.busy = {"a.jpg"}
    now = [0.0]
    fetcher = Fetcher(bucket=find_bucket("s3://data/", "data"), patience_seconds=90, clock=lambda: now[0])

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(fetcher.fetch, "a.jpg")
        for _ in range(4):
            now[0] += 60
            fetcher.fetch("b.jpg")
        faulty.busy = set()

        assert coming.result() == faulty.objects["a.jpg"]


def test_credentials_that_cannot_be_renewed_are_no_fault_of_a_picture(
    s3: S3Account, class_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "FIRST_PAUSE_SECONDS", 0.001)
    source = _open(s3, class_folders)
    renewals = iter([TokenRetrievalError(provider="sso", error_msg="expired"), RuntimeError("still expired")])
    add_auth = S3SigV4Auth.add_auth

    def renew(self: S3SigV4Auth, request: object) -> None:
        for failure in renewals:
            raise failure
        add_auth(self, request)

    monkeypatch.setattr(S3SigV4Auth, "add_auth", renew)  # moto gives no credentials that end

    sample = find_labelled_images(source).samples[0]
    assert not isinstance(decode_or_explain(sample.path, 32), str)


def test_sign_on_that_has_ended_is_told() -> None:
    with pytest.raises(DataError) as refused, explaining("s3://photos/set"):
        raise UnauthorizedSSOTokenError

    assert "aws sso login" in refused.value.hint


def test_denied_object_is_not_asked_for_again(faulty: BucketServer) -> None:
    faulty.faults = ["denied"]
    fetcher = Fetcher(bucket=find_bucket("s3://data/", "data"))

    with pytest.raises(DataError, match=r"s3://data/a.jpg cannot be read: access is denied") as refused:
        fetcher.fetch("a.jpg")

    assert "s3:GetObject" in refused.value.hint
    assert not isinstance(refused.value, SourceGone)


def test_server_that_is_not_there_is_source_gone(s3: S3Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    with pytest.raises(SourceGone, match="does not answer"):
        open_source("s3://photos/set")
