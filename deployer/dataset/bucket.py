"""Images that are on S3 already, in a bucket of the user's: nothing is sent, the host reads them where they are."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.aws import s3
from deployer.aws.s3 import DataLocation
from deployer.aws.session import Session
from deployer.config import Config
from deployer.dataset.folder import IMAGE_SUFFIXES, TABLE_SUFFIXES

SHARD_SUFFIX = ".tar"
SUFFIXES = IMAGE_SUFFIXES | TABLE_SUFFIXES | {SHARD_SUFFIX}


@dataclass(frozen=True, kw_only=True)
class BucketImages:
    """The images below `prefix` ("" or "folder/"); `targets` is the table that [data] targets names, relative to it.

    With `is_streamed` they are not brought to the host: the job reads them while it trains.
    """

    bucket: str
    prefix: str
    region: str
    targets: str
    folder: str = ""
    is_streamed: bool = False

    @property
    def url(self) -> str:
        """The prefix as deployer.toml has it."""
        return f"s3://{self.bucket}/{self.prefix}"


def locate(session: Session, config: Config) -> DataLocation:
    """Return where the images are that are configured to be on S3, and how much they are. Raises AwsError."""
    if config.data_bucket is None:
        raise ValueError(f"{config.data.path!r} is a folder on this machine")
    bucket, prefix = config.data_bucket
    return s3.locate(session, bucket, prefix, suffixes=SUFFIXES)
