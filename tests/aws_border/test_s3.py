from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from deployer.aws import s3
from deployer.aws.session import Session
from deployer.errors import AccessDenied, AwsError

BUCKET = "deployer-demo"


@pytest.fixture
def bucket(session: Session) -> str:
    session.client("s3").create_bucket(Bucket=BUCKET)
    return BUCKET


def test_bucket_exists_only_once_it_is_made(session: Session) -> None:
    before = s3.bucket_exists(session, BUCKET)
    session.client("s3").create_bucket(Bucket=BUCKET)

    assert (before, s3.bucket_exists(session, BUCKET)) == (False, True)


def test_bucket_of_another_account_is_an_error(refuse: Callable[..., Session]) -> None:
    with pytest.raises(AccessDenied, match="another account") as caught:
        s3.bucket_exists(refuse("AccessDenied", status=403), BUCKET)

    assert "--name" in caught.value.hint


def test_objects_come_back_as_they_were_put(session: Session, bucket: str) -> None:
    s3.put_bytes(session, bucket, "a/é b.json", b"{}", content_type="application/json")

    assert s3.get_bytes(session, bucket, "a/é b.json") == b"{}"
    assert s3.get_bytes(session, bucket, "a/none") is None


def test_objects_of_a_missing_bucket_say_what_makes_it(session: Session) -> None:
    with pytest.raises(AwsError, match=f"no bucket {BUCKET}") as caught:
        s3.get_bytes(session, BUCKET, "a")

    assert "deployer up" in caught.value.hint


def test_objects_are_listed_over_all_pages(session: Session, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")  # moto runs in this process
    for key in ("a/1", "a/2", "a/3", "a/4", "a/5", "b/1"):
        s3.put_bytes(session, bucket, key, key.encode())

    found = s3.list_objects(session, bucket, "a/")

    assert [(item.key, item.size) for item in found] == [(f"a/{number}", 3) for number in range(1, 6)]


def test_data_is_located_and_counted_below_its_folders(session: Session, bucket: str) -> None:
    wanted = ("reef/targets.csv", "reef/cat/1.jpg", "reef/cat/2.JPG", "reef/dog/1.jpg")
    for key in (*wanted, "reef/dog/notes.txt", "r.jpg"):
        s3.put_bytes(session, bucket, key, key.encode())

    found = s3.locate(session, bucket, "reef/", suffixes={".jpg", ".csv"})

    assert (found.region, found.objects, found.is_complete, found.denied) == ("us-east-1", 4, True, "")
    assert found.size == sum(map(len, wanted))


@pytest.mark.parametrize(
    "keys",
    [
        [f"reef/{number}.jpg" for number in range(4)],
        [f"reef/cat/{number}.jpg" for number in range(4)],
        [f"reef/{number}/1.jpg" for number in range(3)],
    ],
)
def test_data_beyond_the_first_pages_is_at_least_so_much(
    session: Session, bucket: str, monkeypatch: pytest.MonkeyPatch, keys: list[str]
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")  # moto runs in this process
    monkeypatch.setattr(s3, "LOCATE_FOLDERS", 2)
    for key in keys:
        s3.put_bytes(session, bucket, key, b"12345")

    found = s3.locate(session, bucket, "reef/")

    assert 2 <= found.objects <= 3
    assert (found.size, found.is_complete) == (5 * found.objects, False)


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "ap-southeast-2"])
def test_data_are_in_the_region_where_the_bucket_was_made(session: Session, region: str) -> None:
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    session.client("s3", region=region).create_bucket(Bucket=BUCKET, **place)

    assert s3.locate(session, BUCKET, "").region == region


def test_data_in_a_bucket_that_is_not_there_names_the_key_to_correct(session: Session) -> None:
    with pytest.raises(AwsError, match=f"There is no bucket {BUCKET}") as caught:
        s3.locate(session, BUCKET, "")

    assert (caught.value.code, "path under [data]" in caught.value.hint) == ("NoSuchBucket", True)


def test_data_that_may_not_be_listed_names_the_permission(refuse: Callable[..., Session]) -> None:
    found = s3.locate(refuse("AccessDenied", status=403), BUCKET, "reef/")

    assert (found.denied, found.objects, found.is_complete) == ("s3:ListBucket", 0, False)


@pytest.mark.parametrize("size", [0, 1000, 11 * s3.MIB])
def test_streams_of_any_size_arrive_whole(
    session: Session, bucket: str, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(s3, "MULTIPART_THRESHOLD", 5 * s3.MIB)
    monkeypatch.setattr(s3, "PART_BYTES", 5 * s3.MIB)
    data, sent = bytes(range(256)) * (size // 256) + bytes(size % 256), []

    s3.upload_stream(session, bucket, "big", io.BytesIO(data), on_bytes=sent.append)

    assert s3.get_bytes(session, bucket, "big") == data
    assert sum(sent) == size
