"""Host keys from the console."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from deployer.errors import HostKeyMismatch
from deployer.remote.hostkeys import fingerprint, parse_console, write_known_hosts

from .conftest import make_key, read_public


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("keys")
    for kind in ("ecdsa", "ed25519", "rsa"):
        make_key(folder / kind, kind)
    return [read_public(folder / kind) for kind in ("ecdsa", "ed25519", "rsa")]


def print_console(keys: list[str], fingerprints: list[str] | None = None) -> str:
    """Return what cloud-init's write-ssh-key-fingerprints prints, with the noise around it."""
    shown = [fingerprint(key) for key in keys] if fingerprints is None else fingerprints
    lines = [
        "[   12.345678] cloud-init[1234]: Cloud-init v. 24.1 running 'modules:final'",
        "ci-info: no authorized SSH keys fingerprints found for user ubuntu.",
        "<14>Nov 20 18:00:00 cloud-init: #############################################################",
        "<14>Nov 20 18:00:00 cloud-init: -----BEGIN SSH HOST KEY FINGERPRINTS-----",
        *(f"<14>Nov 20 18:00:00 cloud-init: 256 {item} root@ip-10-0-0-1 (ED25519)" for item in shown),
        "<14>Nov 20 18:00:00 cloud-init: -----END SSH HOST KEY FINGERPRINTS-----",
        "-----BEGIN SSH HOST KEY KEYS-----",
        *(f"{key} root@ip-10-0-0-1" for key in keys),
        "-----END SSH HOST KEY KEYS-----",
        "[   13.000000] cloud-init[1234]: Cloud-init v. 24.1 finished",
    ]
    return "".join(line + "\r\n" for line in lines)


def test_parse_console_reads_every_kind_of_key(keys: list[str]) -> None:
    assert parse_console(print_console(keys)) == tuple(sorted(keys))


@pytest.mark.parametrize(
    "prefix", ["ec2: ", "[   14.1] cloud-init[99]: ", "<14>Nov 20 18:00:00 ec2: ", "[   25.3] ip-10-0-0-1 ec2[77]: "]
)
def test_parse_console_looks_behind_prefixes(keys: list[str], prefix: str) -> None:
    console = "".join(prefix + line + "\n" for line in print_console(keys).splitlines())

    assert parse_console(console) == tuple(sorted(keys))


def test_parse_console_takes_the_last_block(keys: list[str]) -> None:
    assert parse_console(print_console(keys[:1]) + print_console(keys[1:2])) == (keys[1],)


def test_parse_console_waits_for_the_end_of_a_block(keys: list[str]) -> None:
    console = print_console(keys)

    assert parse_console(console[: console.index("-----END SSH HOST KEY KEYS")]) == ()
    assert parse_console("") == ()


def test_parse_console_does_without_fingerprints(keys: list[str]) -> None:
    console = print_console(keys)

    assert parse_console(console[console.index("-----BEGIN SSH HOST KEY KEYS") :]) == tuple(sorted(keys))


def test_parse_console_refuses_a_key_without_its_fingerprint(keys: list[str]) -> None:
    with pytest.raises(HostKeyMismatch, match="not among its own fingerprints"):
        parse_console(print_console(keys, [fingerprint(key) for key in keys[:2]]))


def _blob(*fields: bytes) -> str:
    return base64.b64encode(b"".join(len(item).to_bytes(4, "big") + item for item in fields)).decode()


@pytest.mark.parametrize(
    "forged",
    [
        "ssh-ed25519 AAAA",
        "ssh-ed25519 not-base64",
        f"ssh-ed25519 {_blob(b'ssh-ed25519', b'x' * 31)}",
        f"ssh-ed25519 {_blob(b'ssh-rsa', b'x' * 32)}",
        f"ssh-ed25519 {_blob(b'ssh-ed25519', b'x' * 32, b'more')}",
        f"ssh-rsa {_blob(b'ssh-rsa', b'e', b'n' * 129)}",
        f"ecdsa-sha2-nistp256 {_blob(b'ecdsa-sha2-nistp256', b'nistp384', b'x' * 65)}",
        f"ssh-dss {_blob(b'ssh-dss', b'x' * 128)}",
    ],
)
def test_parse_console_leaves_out_what_is_no_key(keys: list[str], forged: str) -> None:
    assert parse_console(print_console([forged, keys[1]], [])) == (keys[1],)


def test_write_known_hosts_replaces_only_its_aliases(tmp_path: Path, keys: list[str]) -> None:
    path = tmp_path / "known_hosts"
    write_known_hosts(path, {"i-1": keys[:1], "i-2": keys[:2]})

    write_known_hosts(path, {"i-1": keys[2:], "i-3": keys[1:2]})

    assert set(path.read_text().splitlines()) == {
        f"i-1 {keys[2]}",
        f"i-2 {keys[0]}",
        f"i-2 {keys[1]}",
        f"i-3 {keys[1]}",
    }
    assert path.stat().st_mode & 0o777 == 0o600
