"""The address that the world sees of this machine: the only one that may reach port 22."""

from __future__ import annotations

import ipaddress
import urllib.request
from functools import cache

from deployer.errors import AwsError

URL = "https://checkip.amazonaws.com"
TIMEOUT_SECONDS = 5


@cache
def caller_cidr() -> str:
    """Return this machine's public IPv4 address as a /32 block, as AWS sees it. Raises AwsError."""
    hint = 'Set allowed_cidr in deployer.toml to your address, e.g. allowed_cidr = "203.0.113.7/32".'
    try:
        with urllib.request.urlopen(URL, timeout=TIMEOUT_SECONDS) as answer:
            text = answer.read(64).decode("ascii", "replace").strip()
        return f"{ipaddress.IPv4Address(text)}/32"
    except (OSError, ValueError) as error:
        raise AwsError(f"{URL} did not say what this machine's public address is: {error}.", hint=hint) from error
