"""S3: the few calls that deployer needs, dictionaries in, dataclasses out."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from deployer.aws.asking import ask
from deployer.aws.session import Session, aws_errors
from deployer.errors import AccessDenied, AwsError

MIB = 1024**2

# Larger streams go in parts: S3 takes no more than 5 GiB in one request and 10,000 parts of an object.
MULTIPART_THRESHOLD = 80 * MIB
PART_BYTES = 16 * MIB

# Folders whose first 1,000 objects are counted for an estimate; fewer than a session's connections.
LOCATE_FOLDERS = 16


@dataclass(frozen=True, kw_only=True)
class S3Object:
    """One object in a bucket; `size` in bytes."""

    key: str
    size: int
    etag: str
    modified: datetime


@dataclass(frozen=True, kw_only=True)
class DataLocation:
    """Where the images are on S3, and how much they are; `region` is empty where AWS did not tell.

    `is_complete` is False where counting stopped early: then it is at least so much. `denied` is the IAM action that
    was missing, and nothing was counted without it.
    """

    bucket: str
    prefix: str
    region: str
    objects: int
    size: int
    is_complete: bool = True
    denied: str = ""

    @property
    def url(self) -> str:
        """The address as deployer.toml has it."""
        return f"s3://{self.bucket}/{self.prefix}"


def bucket_exists(session: Session, bucket: str) -> bool:
    """Return whether the bucket is there and ours; raises AccessDenied where it is somebody else's."""
    from botocore.exceptions import ClientError

    with aws_errors("s3:ListBucket", region=session.region):
        try:
            session.client("s3").head_bucket(Bucket=bucket)
        except ClientError as error:
            code = _code(error)
            if code in {"404", "NoSuchBucket", "NotFound"}:
                return False
            if code in {"403", "AccessDenied", "Forbidden"}:
                raise AccessDenied(
                    f"The bucket {bucket} exists, but these credentials may not use it: it belongs to another "
                    "account, or s3:ListBucket is missing.",
                    hint="Choose another name (--name), or use the credentials of the account that owns it.",
                    code=code,
                    operation="s3:ListBucket",
                ) from error
            raise
        return True


def locate(session: Session, bucket: str, prefix: str, *, suffixes: Collection[str] = ()) -> DataLocation:
    """Return where a bucket is, and how much lies under `prefix` with one of `suffixes` (all, where none is given).

    Takes as long as two calls: the region beside the first page of the folder, then a page of each of its folders, all
    at once. Raises AwsError: there is no such bucket (NoSuchBucket), or no answer.
    """
    pages: list[Any] = []
    denied = ""
    with aws_errors("s3:ListBucket", region=session.region):
        place = ask(_find_region, session, bucket)
        try:
            pages = _first_pages(session, bucket, prefix)
        except AccessDenied as error:
            denied = error.operation
        except AwsError as error:
            if error.code != "NoSuchBucket":
                raise
        region = place.wait()
    found = [item for page in pages for item in page.get("Contents", []) if _ends_with(item["Key"], suffixes)]
    is_cut = any(page.get("IsTruncated") for page in pages) or len(pages) - 1 < len(_folders(pages))
    return DataLocation(
        bucket=bucket,
        prefix=prefix,
        region=region,
        objects=len(found),
        size=sum(item["Size"] for item in found),
        is_complete=not (denied or is_cut),
        denied=denied,
    )


def list_objects(session: Session, bucket: str, prefix: str = "") -> list[S3Object]:
    """Return every object whose key begins with `prefix`, in the order of the keys."""
    found = []
    with aws_errors("s3:ListBucket", region=session.region):
        pages = session.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            for item in page.get("Contents", []):
                etag = item["ETag"].strip('"')
                found.append(S3Object(key=item["Key"], size=item["Size"], etag=etag, modified=item["LastModified"]))
    return found


def get_bytes(session: Session, bucket: str, key: str) -> bytes | None:
    """Return the whole object, or None where there is no such key."""
    from botocore.exceptions import ClientError

    with aws_errors("s3:GetObject", region=session.region):
        try:
            body: bytes = session.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            if _code(error) == "NoSuchKey":
                return None
            raise _without_bucket(error, bucket) from error
        return body


def put_bytes(session: Session, bucket: str, key: str, data: bytes, *, content_type: str = "") -> None:
    """Write one object; it is there whole or not at all."""
    extra = {"ContentType": content_type} if content_type else {}
    with aws_errors("s3:PutObject", region=session.region):
        # As a stream: bytes go to the socket in one call, which a slow line does not finish before the timeout.
        session.client("s3").put_object(Bucket=bucket, Key=key, Body=io.BytesIO(data), **extra)


def upload_stream(
    session: Session, bucket: str, key: str, stream: BinaryIO, *, on_bytes: Callable[[int], None]
) -> None:
    """Write a seekable stream as one object, in parts where it is large; the object appears when all is there.

    `on_bytes` gets what was sent since the last call; it is negative when a failed request is sent again.
    """
    from boto3.s3.transfer import TransferConfig

    config = TransferConfig(
        multipart_threshold=MULTIPART_THRESHOLD,
        multipart_chunksize=PART_BYTES,
        use_threads=False,  # the caller has its own threads: one stream each
        preferred_transfer_client="classic",
    )
    with aws_errors("s3:PutObject", region=session.region):
        session.client("s3").upload_fileobj(stream, bucket, key, Callback=on_bytes, Config=config)


def _find_region(session: Session, bucket: str) -> str:
    """Return the region of any bucket, which S3 tells even those who may not use it; "" where it does not."""
    from botocore.exceptions import ClientError

    try:
        answer = session.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        if _code(error) in {"404", "NoSuchBucket", "NotFound"}:
            raise AwsError(
                f"There is no bucket {bucket}.",
                hint="Correct path under [data] in deployer.toml: `aws s3 ls` lists the buckets of the account.",
                code="NoSuchBucket",
                operation="s3:ListBucket",
            ) from error
        headers: dict[str, str] = error.response["ResponseMetadata"]["HTTPHeaders"]
        if _code(error) in {"403", "AccessDenied", "Forbidden"}:
            return headers.get("x-amz-bucket-region", "")
        raise
    return str(answer.get("BucketRegion", ""))


def _first_pages(session: Session, bucket: str, prefix: str) -> list[Any]:
    """Return the first page of a folder, then the first page of each of its folders."""

    def list_page(**options: str) -> Any:
        with aws_errors("s3:ListBucket", region=session.region):
            return session.client("s3").list_objects_v2(Bucket=bucket, **options)

    first = list_page(Prefix=prefix, Delimiter="/")
    further = [ask(partial(list_page, Prefix=folder)) for folder in _folders([first])[:LOCATE_FOLDERS]]
    return [first, *(page.wait() for page in further)]


def _folders(pages: list[Any]) -> list[str]:
    return [folder["Prefix"] for page in pages[:1] for folder in page.get("CommonPrefixes", [])]


def _ends_with(key: str, suffixes: Collection[str]) -> bool:
    return not suffixes or PurePosixPath(key).suffix.lower() in suffixes


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _without_bucket(error: Exception, bucket: str) -> Exception:
    """Return our error where the bucket itself is missing, else the same error."""
    if _code(error) != "NoSuchBucket":
        return error
    return AwsError(
        f"There is no bucket {bucket}.",
        hint="Run `deployer up`: it makes the bucket.",
        code="NoSuchBucket",
        operation="s3:GetObject",
    )
