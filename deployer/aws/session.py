"""The one door to AWS: clients in one region, and AWS's errors turned into ours.

boto3 costs a third of a second to import, so it is imported by the first call, not by this module.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from deployer.aws.translation import translate
from deployer.errors import DeployerError

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 30
# urllib3 takes the connect timeout for every write as well: an upload over a busy line needs more.
S3_CONNECT_TIMEOUT_SECONDS = 60

# More threads than any part of deployer asks AWS with at once; with botocore's 10 connections are dropped.
CONNECTIONS = 32


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who the credentials belong to."""

    account: str
    arn: str


class Session:
    """AWS in one region, with the credentials of the environment; safe to share between threads."""

    def __init__(self, region: str) -> None:
        self.region = region
        self._lock = threading.Lock()
        self._identity_lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[tuple[str, str], Any] = {}
        self._identity: Identity | None = None

    def client(self, service: str, *, region: str = "") -> Any:
        """Return the boto3 client of `service`, made once; `region` is for services that few regions have."""
        key = (service, region or self.region)
        with self._lock:
            if key not in self._clients:
                with aws_errors(f"{service}:*", region=key[1]):
                    self._clients[key] = self._new_client(*key)
            return self._clients[key]

    def identity(self) -> Identity:
        """Return the account and the ARN behind the credentials; asks AWS once."""
        with self._identity_lock:
            if self._identity is None:
                with aws_errors("sts:GetCallerIdentity", region=self.region):
                    answer = self.client("sts").get_caller_identity()
                self._identity = Identity(account=answer["Account"], arn=answer["Arn"])
            return self._identity

    def _new_client(self, service: str, region: str) -> Any:
        import boto3
        from botocore.config import Config

        if self._session is None:
            self._session = boto3.Session(region_name=self.region)
        config = Config(
            connect_timeout=S3_CONNECT_TIMEOUT_SECONDS if service == "s3" else CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            # Without "max_attempts" here AWS_MAX_ATTEMPTS keeps its say; the default of this mode is 3.
            retries={"mode": "standard"},
            max_pool_connections=CONNECTIONS,
        )
        return self._session.client(service, region_name=region, config=config)


@contextmanager
def aws_errors(operation: str, *, region: str = "") -> Iterator[None]:
    """Turn what boto3 raises inside into our errors, the most specific first.

    `operation` is the IAM action, e.g. "ec2:DescribeInstances": when AWS says no, that permission is missing.
    Our own errors, and mistakes of ours such as a wrong parameter, pass through unchanged.
    """
    try:
        yield
    except DeployerError:
        raise
    except Exception as error:
        translated = translate(error, operation, region)
        if translated is None:
            raise
        raise translated from error
