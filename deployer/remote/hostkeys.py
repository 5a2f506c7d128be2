"""Pin a host's SSH keys: read them from what cloud-init prints on the console, keep them in `known_hosts`.

The console comes over AWS's authenticated API; what a stranger shows on port 22 is not believed before that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from deployer.errors import HostKeyMismatch
from deployer.remote.host import write_atomically

# cloud-init's tools/write-ssh-key-fingerprints. Syslog and kernel prefixes may stand before each line.
KEYS, FINGERPRINTS = "KEYS", "FINGERPRINTS"
KEY_PATTERN = re.compile(
    r"(?:^|\s)(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521))\s+([A-Za-z0-9+/]+={0,2})(?=\s|$)"
)
FINGERPRINT_PATTERN = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")

# Bytes of a key after its type's name. RSA: a modulus of 2048 bits at least, behind the zero byte of a positive number.
ED25519_KEY_BYTES = 32
RSA_MODULUS_BYTES = 257
ECDSA_POINT_BYTES = {"nistp256": 65, "nistp384": 97, "nistp521": 133}


def parse_console(text: str) -> tuple[str, ...]:
    """Return the host keys printed on a console as "type base64", () while there are none.

    The last complete block counts, since a reboot prints another. What is not a well-formed key of its type is left
    out. Raises HostKeyMismatch when a key is missing among the fingerprints that the console shows as well.
    """
    lines = re.split(r"[\r\n]+", text)
    found = {match.groups() for line in _last_block(lines, KEYS) if (match := KEY_PATTERN.search(line))}
    keys = sorted(f"{kind} {encoded}" for kind, encoded in found if _is_well_formed(kind, encoded))
    fingerprints = set(FINGERPRINT_PATTERN.findall("\n".join(_last_block(lines, FINGERPRINTS))))
    strangers = [key for key in keys if fingerprints and fingerprint(key) not in fingerprints]
    if strangers:
        raise HostKeyMismatch(
            f"The console shows a host key that is not among its own fingerprints: {strangers[0]}.",
            hint="Do not connect to this host: `deployer down`, then `deployer up`.",
        )
    return tuple(keys)


def fingerprint(key: str) -> str:
    """Return the fingerprint of "type base64" as ssh-keygen prints it: SHA256:…"""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def write_known_hosts(path: Path, keys: Mapping[str, Iterable[str]]) -> None:
    """Put the keys of each alias into `path`, in place of those it had; the other aliases stay. Mode 0600, atomic."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if line.strip() and line.split()[0] not in keys]
    added = [f"{alias} {key}" for alias, of_alias in keys.items() for key in sorted(of_alias)]
    write_atomically(path, "".join(line + "\n" for line in kept + added))


def forget(path: Path, alias: str) -> None:
    """Take the keys of a host out of `path`: it is expected to show others."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines()
        write_atomically(path, "".join(f"{line}\n" for line in lines if line.split()[:1] != [alias]))


def _last_block(lines: list[str], name: str) -> list[str]:
    begin, end = f"-----BEGIN SSH HOST KEY {name}-----", f"-----END SSH HOST KEY {name}-----"
    block: list[str] = []
    current: list[str] | None = None
    for line in lines:
        if begin in line:
            current = []
        elif end in line and current is not None:
            block, current = current, None
        elif current is not None:
            current.append(line)
    return block


def _is_well_formed(kind: str, encoded: str) -> bool:
    try:
        fields = _split_fields(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError):
        return False
    if not fields or fields[0] != kind.encode():
        return False
    if kind == "ssh-ed25519":
        return [len(field) for field in fields[1:]] == [ED25519_KEY_BYTES]
    if kind == "ssh-rsa":
        return len(fields) == 3 and len(fields[2]) >= RSA_MODULUS_BYTES
    curve = kind.rpartition("-")[2]
    return len(fields) == 3 and fields[1] == curve.encode() and len(fields[2]) == ECDSA_POINT_BYTES[curve]


def _split_fields(blob: bytes) -> list[bytes]:
    """Split an SSH wire blob into its length-prefixed fields (RFC 4251 §5). Raises ValueError where a length lies."""
    fields = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + size:
            raise ValueError(size)
        fields.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return fields
