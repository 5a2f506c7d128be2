"""The deployment's own SSH key: made here, and only its public half ever leaves this machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from deployer.errors import DeployerError

COMMENT = "deployer"


def generate_key(path: Path) -> str:
    """Make an ed25519 key at `path` (OpenSSH format, 0600) unless there is one; return its public line.

    Of two callers at once one makes the key and both return it.
    """
    if not path.exists():
        _create(path)
    path.chmod(0o600)
    return _public_line(path)


def _create(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp gives 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            os.fsync(file.fileno())
        path.hardlink_to(name)
    except FileExistsError:
        pass  # another process was quicker; its key is as good
    finally:
        Path(name).unlink()


def _public_line(path: Path) -> str:
    from cryptography.hazmat.primitives import serialization

    try:
        key = serialization.load_ssh_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise DeployerError(
            f"{path} is not a private key without a passphrase: {error}.",
            hint=f"Move it away (mv '{path}' '{path}.old') and run the command again to make a new one.",
        ) from error
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return f"{public.decode()} {COMMENT}"
