"""The one door to boto3: who we are, where a bucket is, and what S3's refusals mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from model.errors import DataError, SourceGone, UsageError

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
# How often boto3 asks once more for a page of a listing before it says what is wrong.
ATTEMPTS = 5

_ARCHIVED = "It lies in an archive class (Glacier): restore it first, or copy it to another class."
# S3's word for it, what it means, and what to do.
_REFUSALS = {
    "NoSuchBucket": ("there is no such bucket", "`aws s3 ls` lists the buckets of the account."),
    "AccessDenied": (
        "access is denied",
        "The credentials must allow s3:ListBucket of the bucket and s3:GetObject below the prefix (to write there,"
        " s3:PutObject; with a key of its own, kms:Decrypt).",
    ),
    "InvalidAccessKeyId": ("there is no such access key", "Correct AWS_ACCESS_KEY_ID, or the profile."),
    "SignatureDoesNotMatch": ("the secret key is wrong", "Correct AWS_SECRET_ACCESS_KEY, or the profile."),
    "ExpiredToken": ("the credentials have expired", "Sign in again (`aws sso login`), then go on with --resume."),
    "InvalidToken": ("the session token is not valid", "Sign in again (`aws sso login`)."),
    "RequestTimeTooSkewed": ("this machine's clock is wrong", "Set the clock: S3 allows 15 minutes of difference."),
    "PermanentRedirect": ("the bucket is in another region", "Set AWS_REGION to the region of the bucket."),
    "AuthorizationHeaderMalformed": ("the bucket is in another region", "Set AWS_REGION to the region of the bucket."),
    "InvalidBucketName": ("this is no name of a bucket", "It reads s3://bucket/prefix."),
    "InvalidObjectState": ("it cannot be read where it lies", _ARCHIVED),
}
_SYNONYMS = {"403": "AccessDenied", "Forbidden": "AccessDenied", "AllAccessDisabled": "AccessDenied"}
_SYNONYMS |= {"404": "NoSuchBucket", "301": "PermanentRedirect", "TokenRefreshRequired": "ExpiredToken"}
# Not refusals: S3 is busy, or ill.
_TRANSIENT = {"500", "502", "503", "504", "429", "InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout"}
_TRANSIENT |= {"Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestTimeoutException"}

# The object's own metadata with the digest of its content.
_DIGEST = "content-sha256"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An object as a listing shows it; `etag` without quotes."""

    key: str
    size: int
    etag: str


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket that has answered: where its objects are fetched from, and how a request for one is signed."""

    where: str
    name: str
    client: Any
    url: str  # of the bucket, without a slash at its end
    sign: Callable[[str, dict[str, str]], dict[str, str]]
    certificates: str
    proxy: str = ""

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield every object whose key begins with `prefix`, in the order of the keys; raises DataError, SourceGone."""
        with explaining(self.where):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
                for item in page.get("Contents", ()):
                    yield Listed(key=item["Key"], size=item["Size"], etag=item["ETag"].strip('"'))

    def find_digest(self, key: str) -> tuple[str, int]:
        """Return what `upload` was told of an object, and its bytes; ("", 0) where there is none."""
        import botocore.exceptions

        with explaining(f"s3://{self.name}/{key}"):
            try:
                answer = self.client.head_object(Bucket=self.name, Key=key)
            except botocore.exceptions.ClientError as error:
                if error.response["Error"]["Code"] == "404":
                    return "", 0
                raise
            return answer["Metadata"].get(_DIGEST, ""), answer["ContentLength"]

    def upload(self, key: str, file: BinaryIO, *, digest: str) -> None:
        """Write a large object, in parts side by side; it appears when all is there."""
        with explaining(f"s3://{self.name}/{key}", doing="written"):
            self.client.upload_fileobj(file, self.name, key, ExtraArgs={"Metadata": {_DIGEST: digest}})

    def write(self, key: str, content: bytes) -> None:
        """Write a small object."""
        with explaining(f"s3://{self.name}/{key}", doing="written"):
            self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def remove(self, key: str) -> None:
        """Remove an object."""
        with explaining(f"s3://{self.name}/{key}", doing="removed"):
            self.client.delete_object(Bucket=self.name, Key=key)


def connect(where: str, *, asking: str, **options: Any) -> Any:
    """Return boto3's client of S3, `options` being those of botocore's Config; raises UsageError without boto3."""
    # Only here: who keeps nothing in a bucket needs no boto3.
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise UsageError(
            f"{asking} {where} needs boto3, which is not installed.", hint="Install it: pip install boto3"
        ) from error
    with explaining(where):
        session = boto3.Session()
        # From the oldest region a bucket of any other is found.
        options["region_name"] = options.get("region_name") or session.region_name or "us-east-1"
        return session.client("s3", config=Config(**options))


def find_bucket(where: str, name: str) -> Bucket:
    """Return the bucket, wherever it is; raises DataError (no such bucket, access denied ...), SourceGone."""
    patience = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": READ_SECONDS,
        "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
    }
    client = connect(where, asking="--data", **patience)
    with explaining(where):
        region = _find_region(client, name)
    if region and region != client.meta.region_name:
        client = connect(where, asking="--data", region_name=region, **patience)
    with explaining(where):
        return _describe(where, name, client)


@contextmanager
def explaining(where: str, *, doing: str = "read") -> Iterator[None]:
    """Turn what botocore raises into DataError or SourceGone, which name the place and the way out."""
    import botocore.exceptions as failures

    try:
        yield
    except failures.ClientError as error:
        raise explain(where, str(error.response["Error"].get("Code", "")), str(error), doing=doing) from error
    except (failures.NoCredentialsError, failures.PartialCredentialsError, failures.CredentialRetrievalError) as error:
        raise DataError(
            f"{where} cannot be {doing}: there are no credentials for AWS ({error}).",
            hint="Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; an instance needs a role.",
        ) from error
    except (failures.SSOError, failures.TokenRetrievalError) as error:
        raise DataError(f"{where} cannot be {doing}: {error}", hint="Sign in again (`aws sso login`).") from error
    except (failures.HTTPClientError, failures.ConnectionError) as error:
        raise SourceGone(f"{where} does not answer: {error}.", hint=GONE_HINT) from error
    except (failures.BotoCoreError, ValueError) as error:
        raise DataError(f"{where} cannot be {doing}: {error}", hint="It reads s3://bucket/prefix.") from error


GONE_HINT = "Look at the network and at AWS_ENDPOINT_URL; then run the same command again."


def explain(where: str, code: str, told: str, *, doing: str = "read") -> DataError:
    """Return the error for S3's own word for it."""
    code = _SYNONYMS.get(code, code)
    if is_transient(code):
        return SourceGone(f"{where} does not answer: {told}", hint=GONE_HINT)
    meaning, hint = _REFUSALS.get(code, (told or f"S3 answered {code}", "Check the name and the credentials."))
    return DataError(f"{where} cannot be {doing}: {re.sub(r'[.]$', '', meaning)} ({code}).", hint=hint)


def is_transient(code: str) -> bool:
    """Say whether it may be better in a moment."""
    return code in _TRANSIENT


def _find_region(client: Any, name: str) -> str:
    """Return the region of a bucket, which S3 tells even those who may not use it; "" where it does not."""
    import botocore.exceptions

    try:
        answer = client.head_bucket(Bucket=name)
    except botocore.exceptions.ClientError as error:
        answer = error.response
        if answer["Error"].get("Code") in {"404", "NoSuchBucket"}:
            raise
    headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
    return str(headers.get("x-amz-bucket-region", ""))


def _describe(where: str, name: str, client: Any) -> Bucket:
    import botocore.session
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import NoCredentialsError
    from botocore.httpsession import get_cert_path
    from botocore.utils import get_environ_proxies

    session = botocore.session.get_session()
    credentials = session.get_credentials()  # an instance's role is refreshed in time
    if credentials is None:
        raise NoCredentialsError
    # boto3 knows how a bucket is addressed: by host or by path, at whatever endpoint.
    some = client.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "k"})
    url = some.partition("?")[0].removesuffix("/k")
    signer = S3SigV4Auth(credentials, "s3", client.meta.region_name)

    def sign(address: str, headers: dict[str, str]) -> dict[str, str]:
        request = AWSRequest("GET", address, headers=headers)
        signer.add_auth(request)
        return dict(request.headers)

    return Bucket(
        where=where,
        name=name,
        client=client,
        url=url,
        sign=sign,
        certificates=session.get_config_variable("ca_bundle") or get_cert_path(verify=True),
        proxy=get_environ_proxies(url).get(url.partition(":")[0], ""),
    )
