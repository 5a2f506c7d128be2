"""What the keys of the configuration may be: each function returns why a value is refused, or None."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable
from typing import Any

NAME_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,18}[a-z0-9]")
ZONE_PATTERN = re.compile(r"[a-z]{2}(-[a-z]+)+-\d[a-z]")
ZONE_ID_PATTERN = re.compile(r"[a-z]{3,6}\d-az\d")
BUCKET_PATTERN = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# What IAM takes for a pattern or a variable is left out: the role is to read this prefix and nothing else.
FOLDER_PATTERN = re.compile(r"[^*?$\\\x00-\x1f\x7f]{1,512}")
S3_SCHEME = "s3://"
# What was meant for an address: another scheme, "S3://", one slash too few.
URL_PATTERN = re.compile(r"(https?|s3[an]?|arn|gs):", re.IGNORECASE)
WIDEST_PREFIX = 8  # as terraform/modules/network
TYPE_PATTERN = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+")


def check_name(value: str) -> str | None:
    if NAME_PATTERN.fullmatch(value) and "--" not in value:
        return None
    return (
        "must be 2 to 20 lower-case letters, digits and single hyphens, starting with a letter and not ending with "
        "a hyphen: AWS refuses other names for buckets and roles"
    )


def check_region(value: str) -> str | None:
    if re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", value):
        return None
    return 'must look like "us-east-1" (a zone such as "us-east-1a" belongs in availability_zone)'


def check_zone(value: str) -> str | None:
    if not value or ZONE_PATTERN.fullmatch(value) or ZONE_ID_PATTERN.fullmatch(value):
        return None
    return 'must be empty or look like "us-east-1a", or like the id of a zone, "use1-az4"'


def check_types(value: tuple[str, ...]) -> str | None:
    if not value:
        return 'must name at least one instance type, e.g. "g4dn.xlarge"'
    wrong = [item for item in value if not TYPE_PATTERN.fullmatch(item)]
    if not wrong:
        return None
    meant = f' (did you mean "{wrong[0].lower()}"?)' if TYPE_PATTERN.fullmatch(wrong[0].lower()) else ""
    return f'must look like "g4dn.xlarge", not {wrong[0]!r}{meant}'


def check_endpoint_type(value: str) -> str | None:
    if not value or (value.startswith("ml.") and TYPE_PATTERN.fullmatch(value.removeprefix("ml."))):
        return None
    meant = f' (did you mean "ml.{value}"?)' if TYPE_PATTERN.fullmatch(value) else ""
    return f'must be empty or look like "ml.g4dn.xlarge"{meant}'


def check_cidr(value: str) -> str | None:
    if not value:
        return None
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return 'must be empty or an IPv4 block such as "203.0.113.7/32"'
    if network.version != 4:
        return "must be an IPv4 block: the security group opens port 22 for IPv4 only"
    if network.prefixlen < WIDEST_PREFIX:
        return f"must not be 0.0.0.0/0 nor wider than a /{WIDEST_PREFIX}: SSH is not for everyone"
    return None


def check_bucket(value: str) -> str | None:
    if not value or (BUCKET_PATTERN.fullmatch(value) and ".." not in value):
        return None
    return "must be empty or the name of a bucket: 3 to 63 lower-case letters, digits, hyphens and dots"


def check_data_path(value: str) -> str | None:
    if not is_s3(value):
        return 'must be a folder, or look like "s3://my-bucket/images"' if URL_PATTERN.match(value) else None
    bucket, _, folder = value.removeprefix(S3_SCHEME).partition("/")
    if not bucket or check_bucket(bucket):
        return 'must look like "s3://my-bucket/images", with a name of 3 to 63 lower-case letters, digits, - and .'
    parts = folder.removesuffix("/").split("/")
    if not folder or (FOLDER_PATTERN.fullmatch(folder) and not {"", ".", ".."} & set(parts)):
        return None
    return (
        "must name one folder of the bucket, without * ? $ or a backslash and without empty parts: the instance gets "
        "the right to read just what begins so"
    )


def is_s3(path: str) -> bool:
    """Tell an address on S3 from a folder on this machine."""
    return path.startswith(S3_SCHEME)


def between(low: float, high: float) -> Callable[[Any], str | None]:
    return lambda value: None if low <= value <= high else f"must be between {low:g} and {high:g}"


def one_of(*allowed: str) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if value in allowed:
            return None
        close = difflib.get_close_matches(str(value), allowed, n=1)
        meant = f' (did you mean "{close[0]}"?)' if close else ""
        return "must be " + " or ".join(f'"{word}"' for word in allowed) + meant

    return check
