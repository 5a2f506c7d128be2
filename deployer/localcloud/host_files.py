"""What lies on an emulated host: its home, its key, its commands, its environment, and what its console shows."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from deployer.localcloud import power
from deployer.localcloud.processes import HOST_VARIABLE

COMMANDS = ("shutdown", "poweroff", "halt", "reboot", "sudo")
PROFILES = (".profile", ".bashrc", ".zshenv")
FIRST_BOOT = (".ssh", *PROFILES)  # written anew on each machine's first boot, so no image holds them
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True)
class HostFiles:
    """The folder of one host; `users` are the login names of its image, the first one its own."""

    directory: Path
    instance_id: str
    region: str
    private_address: str
    users: tuple[str, ...]
    endpoint: str

    @property
    def home(self) -> Path:
        """The home directory of whoever logs in."""
        return self.directory / "home"

    @property
    def commands(self) -> Path:
        """The folder that comes first on the host's PATH."""
        return self.directory / "bin"

    @property
    def key_file(self) -> Path:
        """The private host key."""
        return self.directory / "ssh_host_ed25519_key"

    @property
    def authorized_keys(self) -> Path:
        """The public keys that may log in."""
        return self.home / ".ssh" / "authorized_keys"

    @property
    def shell(self) -> str:
        """The login shell."""
        return next((path for path in ("/bin/bash", "/usr/bin/bash") if Path(path).exists()), "/bin/sh")

    @property
    def path(self) -> str:
        """The host's PATH: the Python that runs the local cloud is the host's own Python."""
        return f"{self.commands}:{Path(sys.executable).parent}:{SYSTEM_PATH}"

    def unpack(self, image: Path) -> None:
        """Fill the home of a new host with what its image holds, if anything."""
        if image.is_dir() and not self.home.exists():
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copytree(image, self.home, symlinks=True)

    def create(self, public_key: str) -> None:
        """Write the folder as a first boot does; what a stopped host left there stays."""
        import asyncssh

        for folder in (self.home, self.authorized_keys.parent, self.commands):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.key_file.exists():
            key = asyncssh.generate_private_key("ssh-ed25519", comment=f"root@{self.hostname}")
            _write_once(self.key_file, key.export_private_key().decode(), mode=0o600)
        _write_once(self.authorized_keys, public_key.strip() + "\n" if public_key else "", mode=0o600)
        # /etc/profile sets PATH anew in a login shell, which would uncover the machine's own `shutdown`.
        first = shlex.quote(f"{self.commands}:{Path(sys.executable).parent}")
        profile = f'case "$PATH" in {first}:*) ;; *) export PATH={first}:"$PATH" ;; esac\n'
        for name in PROFILES:
            _write_once(self.home / name, profile, mode=0o644)
        for name in COMMANDS:
            words = [sys.executable, "-I", power.__file__, self.endpoint, self.instance_id, name]
            script = f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n'
            _write_once(self.commands / name, script, mode=0o755)

    @property
    def hostname(self) -> str:
        """The name that EC2 gives a machine, from its private address."""
        return "ip-" + self.private_address.replace(".", "-")

    def environment(self) -> dict[str, str]:
        """Return what every process of the host finds in its environment: an instance's, nothing of the caller's."""
        return {
            "HOME": str(self.home),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "LOGNAME": self.users[0],
            "PATH": self.path,
            "SHELL": self.shell,
            "USER": self.users[0],
            HOST_VARIABLE: self.instance_id,
            "AWS_ENDPOINT_URL": self.endpoint,
            # The instance's role: AWS's own form, and different from the keys that the caller has.
            "AWS_ACCESS_KEY_ID": "ASIA" + self.instance_id.removeprefix("i-")[:16].upper(),
            "AWS_SECRET_ACCESS_KEY": "role-of-" + self.instance_id,
            "AWS_SESSION_TOKEN": "session-of-" + self.instance_id,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def console(self) -> str:
        """Return what the serial console shows after a boot, in cloud-init's form, the host key among it."""
        import asyncssh

        key = asyncssh.read_private_key(str(self.key_file))
        kind, material = key.export_public_key().decode().split()[:2]
        owner = f"root@{self.hostname}"
        syslog = "<14>Jan  1 00:00:00 cloud-init:"
        lines = [
            f"[    0.000000] Linux version 6.8.0-aws (deployer local cloud) {self.instance_id}",
            f"[    1.824310] {self.hostname} login: cloud-init[612]: Cloud-init running 'modules:final'",
            f"{syslog} #############################################################",
            f"{syslog} -----BEGIN SSH HOST KEY FINGERPRINTS-----",
            f"{syslog} 256 {key.get_fingerprint()} {owner} (ED25519)",
            f"{syslog} -----END SSH HOST KEY FINGERPRINTS-----",
            f"{syslog} #############################################################",
            "-----BEGIN SSH HOST KEY KEYS-----",
            f"{kind} {material} {owner}",
            "-----END SSH HOST KEY KEYS-----",
            "[    2.051127] cloud-init[612]: Cloud-init finished. Up 2.05 seconds",
        ]
        return "\r\n".join(lines) + "\r\n"


def _write_once(path: Path, text: str, *, mode: int) -> None:
    if path.exists():
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
