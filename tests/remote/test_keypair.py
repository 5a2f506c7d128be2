"""The deployment's key pair."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployer.errors import DeployerError
from deployer.remote.keypair import generate_key


def test_generate_key_makes_a_key_that_openssh_reads(tmp_path: Path) -> None:
    public = generate_key(tmp_path / "folder" / "id_ed25519")

    key = tmp_path / "folder" / "id_ed25519"
    assert key.stat().st_mode & 0o777 == 0o600
    read = subprocess.run(["ssh-keygen", "-y", "-f", key], capture_output=True, text=True, check=True).stdout
    assert read.split()[:2] == public.split()[:2]
    assert public.startswith("ssh-ed25519 ")


def test_generate_key_keeps_the_key_that_is_there(tmp_path: Path) -> None:
    first = generate_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o644)

    assert generate_key(tmp_path / "key") == first
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_generate_key_makes_one_key_for_many_callers(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        public = set(pool.map(lambda _: generate_key(tmp_path / "key"), range(8)))

    assert len(public) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_generate_key_names_a_damaged_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("not a key")

    with pytest.raises(DeployerError, match="key is not a private key") as caught:
        generate_key(tmp_path / "key")

    assert "mv '" in caught.value.hint
