"""The one door to AWS: clients in one region, and AWS's errors turned into ours.

boto3 costs a third of a second to import, so it is imported by the first call, not by this module.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from deployer.aws.translation import translate
from deployer.errors import DeployerError

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 30
# urllib3 takes the connect timeout for every write as well: an upload over a busy line needs more.
S3_CONNECT_TIMEOUT_SECONDS = 60

# More threads than any part of deployer asks one service of one region with at once; with botocore's 10 connections
# are dropped.
CONNECTIONS = 32

# How often a call is tried that is throttled or fails on AWS's side; botocore waits up to 1, 2, 4 and 8 s in between
# where it is throttled, and (from 1.44 on) hardly at all where it is not.
ATTEMPTS = 5


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who the credentials belong to."""

    account: str
    arn: str


class Session:
    """AWS in one region, with the credentials of the environment; safe to share between threads."""

    def __init__(self, region: str) -> None:
        self.region = region
        self._caller = _Caller()

    def elsewhere(self, region: str) -> Session:
        """Return AWS in another region, as the same caller; what is costly to make is shared."""
        other = Session(region)
        other._caller = self._caller
        return other

    def client(self, service: str, *, region: str = "") -> Any:
        """Return the boto3 client of `service`, made once; `region` is for services that few regions have."""
        key = (service, region or self.region)
        clients = self._caller.clients
        with self._caller.lock:
            if key not in clients:
                with aws_errors(f"{service}:*", region=key[1]):
                    clients[key] = self._new_client(*key)
            return clients[key]

    def pages(self, service: str, operation: str, key: str, *, region: str = "", **parameters: Any) -> Iterator[Any]:
        """Return the items under `key` of every page of an answer, each page asked for when it is needed."""
        for page in self.client(service, region=region).get_paginator(operation).paginate(**parameters):
            yield from page[key]

    def identity(self) -> Identity:
        """Return the account and the ARN behind the credentials; what one region has told is not asked again."""
        if self._caller.identity is None:
            with aws_errors("sts:GetCallerIdentity", region=self.region):
                answer = self.client("sts").get_caller_identity()
            self._caller.identity = Identity(account=answer["Account"], arn=answer["Arn"])
        return self._caller.identity

    @property
    def quickest_seconds(self) -> float | None:
        """The quickest answer from this region so far: how far it is from here; None before the first."""
        return self._caller.quickest.get(self.region)

    def _new_client(self, service: str, region: str) -> Any:
        import boto3
        import botocore.session
        from botocore.config import Config

        if self._caller.boto3_session is None:
            self._caller.botocore_session = botocore.session.get_session()
            self._caller.boto3_session = boto3.Session(botocore_session=self._caller.botocore_session)
        retries: dict[str, Any] = {"mode": "standard"}
        # AWS_MAX_ATTEMPTS, or the profile's max_attempts, keeps its say; the default of this mode is 3.
        if self._caller.botocore_session.get_config_variable("max_attempts") is None:
            retries["total_max_attempts"] = ATTEMPTS
        config = Config(
            connect_timeout=S3_CONNECT_TIMEOUT_SECONDS if service == "s3" else CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries=retries,
            max_pool_connections=CONNECTIONS,
        )
        client = self._caller.boto3_session.client(service, region_name=region, config=config)
        client.meta.events.register("before-send", self._caller.began)
        client.meta.events.register("response-received", partial(self._caller.answered, region))
        return client


def import_boto3() -> None:
    """Import now what the first call would import, while something else is waited for."""
    for module in ("boto3", "botocore.client", "botocore.config", "botocore.loaders"):
        importlib.import_module(module)


@dataclass
class _Caller:
    """One set of credentials: whose they are, and the clients that use them, by service and region."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    botocore_session: Any = None
    boto3_session: Any = None
    clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    identity: Identity | None = None
    # By region, in seconds from the request on the wire to the answer: what Python does beside is not the way's length.
    quickest: dict[str, float] = field(default_factory=dict)
    sent: threading.local = field(default_factory=threading.local)

    def began(self, **_: Any) -> None:
        self.sent.at = time.monotonic()

    def answered(self, region: str, exception: Exception | None, **_: Any) -> None:
        if exception is None:
            seconds = time.monotonic() - self.sent.at
            self.quickest[region] = min(seconds, self.quickest.get(region, seconds))


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
