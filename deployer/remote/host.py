"""One host and the road to it, for us and, through an OpenSSH configuration file, for every other tool."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import ConfigError

FILE_HEADER = "# Written by deployer; every change here is lost at the next `deployer up`.\n"


@dataclass(frozen=True, kw_only=True)
class Host:
    """Where a host is, who we are there, and which key it must show.

    `alias` is its name in our ssh_config, `host_key_alias` its name in `known_hosts` (the instance id, since addresses
    are used again). `ssh_config` is the user's OpenSSH configuration to go through, e.g. for a bastion; "" for none.
    """

    alias: str
    address: str
    user: str
    identity_file: Path
    known_hosts: Path
    host_key_alias: str
    port: int = 22
    ssh_config: str = ""

    def __str__(self) -> str:
        return f"{self.alias} ({self.address})"


@dataclass(frozen=True)
class Route:
    """Where to connect to; with `proxy_command` its standard streams are the connection."""

    hostname: str
    port: int
    proxy_command: str = ""

    def __str__(self) -> str:
        return f"{self.hostname} port {self.port}"


def find_route(host: Host) -> Route:
    """Return the road to `host`: its address, or what `host.ssh_config` says of that address. Raises ConfigError."""
    if not host.ssh_config:
        return Route(host.address, host.port)
    import paramiko

    path = Path(host.ssh_config).expanduser()
    try:
        found = paramiko.SSHConfig.from_path(str(path)).lookup(host.address)
    except (OSError, UnicodeDecodeError, paramiko.SSHException) as error:
        raise ConfigError(
            f"The ssh_config {path} cannot be read: {error}.", hint="Correct ssh_config in deployer.toml."
        ) from error
    hostname, port = found["hostname"], int(found.get("port", host.port))
    proxy_command = found.get("proxycommand", "")
    if not proxy_command and found.get("proxyjump", "none") != "none":
        proxy_command = _jump_command(found["proxyjump"], path, hostname, port)
    return Route(hostname, port, "" if proxy_command == "none" else proxy_command)


def write_ssh_config(path: Path, hosts: Iterable[Host]) -> None:
    """Write the file that lets ssh, scp, rsync and editors reach `hosts` by alias; same hosts, same bytes."""
    blocks = [_block(host, find_route(host)) for host in hosts]
    write_atomically(path, FILE_HEADER + "".join(blocks))


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text`, mode 0600, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp gives 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _jump_command(jumps: str, config: Path, hostname: str, port: int) -> str:
    # The system's ssh opens the way through a bastion with what the user's own file says about it: neither the
    # user's keys nor the agent come near our code, and nothing of either is forwarded.
    *before, last = (jump.strip() for jump in jumps.split(","))
    words = ["ssh", "-F", str(config), "-o", "BatchMode=yes", "-o", "ForwardAgent=no"]
    words += ["-J", ",".join(before)] if before else []
    words += ["-W", f"[{hostname}]:{port}", last if last.startswith("ssh://") else f"ssh://{last}"]
    return shlex.join(words)


def _block(host: Host, route: Route) -> str:
    options = {
        "HostName": route.hostname,
        "Port": str(route.port),
        "User": host.user,
        "IdentityFile": _quoted(host.identity_file),
        "IdentitiesOnly": "yes",
        "PreferredAuthentications": "publickey",
        "ForwardAgent": "no",
        "UserKnownHostsFile": _quoted(host.known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": host.host_key_alias,
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "CheckHostIP": "no",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
    }
    if route.proxy_command:
        options["ProxyCommand"] = route.proxy_command.replace("%", "%%")
    return f"\nHost {host.alias}\n" + "".join(f"    {name} {value}\n" for name, value in options.items())


def _quoted(path: Path) -> str:
    # OpenSSH splits at blanks and expands %-tokens in these two options.
    return '"' + str(path.absolute()).replace("%", "%%") + '"'
