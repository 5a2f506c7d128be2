"""Every running instance is a real SSH host on this machine: its own port, home, key and processes.

All hosts live on one asyncio loop in one thread; the methods here may be called from any other thread, and return when
the host is in the state that was asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import shutil
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from deployer.localcloud.host_files import FIRST_BOOT, HostFiles
from deployer.localcloud.host_session import run_session
from deployer.localcloud.processes import end_host

LOOPBACK = "127.0.0.1"

# Quick ones first: OpenSSH's own first choice is several times slower without hardware help.
CIPHERS = [
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes256-ctr",
]

T = TypeVar("T")


@dataclass
class _Host:
    files: HostFiles
    public_address: str
    acceptor: asyncssh.SSHAcceptor | None = None
    port: int = 0
    connections: set[asyncssh.SSHServerConnection] = field(default_factory=set)
    sessions: set[int] = field(default_factory=set)


class Hosts:
    """The hosts of one local cloud, under `directory`/hosts, and the `ssh_config` that leads to them."""

    def __init__(self, directory: Path, endpoint: str) -> None:
        self.directory = directory
        self.endpoint = endpoint
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hosts", daemon=True)
        self._thread.start()
        asyncssh.set_log_level("ERROR")
        self._write_ssh_config()

    def start(
        self,
        instance_id: str,
        *,
        public_address: str,
        private_address: str,
        region: str,
        public_key: str,
        users: tuple[str, ...],
        image_id: str = "",
    ) -> None:
        """Boot a host: a new one with what its image holds, or one that was stopped and has its home and key still."""
        files = HostFiles(
            directory=self.directory / "hosts" / instance_id,
            instance_id=instance_id,
            region=region,
            private_address=private_address,
            users=users,
            endpoint=self.endpoint,
        )
        if image_id:
            files.unpack(self._image(image_id))
        files.create(public_key)
        host = _Host(files, public_address)
        self._run(_listen(host))
        with self._lock:
            self._hosts[instance_id] = host
        self._write_ssh_config()

    def stop(self, instance_id: str) -> None:
        """Power a host off: its port closes, its connections break, its processes end. Its home stays."""
        with self._lock:
            host = self._hosts.pop(instance_id, None)
        if host is not None:
            self._run(_close(host))
            end_host(instance_id, sessions=host.sessions)
            self._write_ssh_config()

    def delete(self, instance_id: str) -> None:
        """Power a host off and remove all it had."""
        self.stop(instance_id)
        shutil.rmtree(self.directory / "hosts" / instance_id, ignore_errors=True)

    def capture(self, instance_id: str, image_id: str) -> None:
        """Keep a copy of what lies in a host's home, as an image of its disk would."""
        home = self.directory / "hosts" / instance_id / "home"
        if home.is_dir():
            shutil.copytree(home, self._image(image_id), symlinks=True, ignore=shutil.ignore_patterns(*FIRST_BOOT))

    def forget(self, image_id: str) -> None:
        """Remove what was kept for an image."""
        if image_id:
            shutil.rmtree(self._image(image_id), ignore_errors=True)

    def console(self, instance_id: str) -> str:
        """Return the console of a running host; empty for any other."""
        with self._lock:
            host = self._hosts.get(instance_id)
        return host.files.console() if host else ""

    def port(self, instance_id: str) -> int:
        """Return the SSH port of a running host; 0 for any other."""
        with self._lock:
            host = self._hosts.get(instance_id)
        return host.port if host else 0

    def close(self) -> None:
        """Power every host off and remove all they had."""
        with self._lock:
            everyone = list(self._hosts)
        for instance_id in everyone:
            self.delete(instance_id)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _image(self, image_id: str) -> Path:
        return self.directory / "images" / image_id

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def _write_ssh_config(self) -> None:
        """Write how to reach each public address; a reader sees the old file or the new one, never half."""
        with self._lock:
            blocks = [
                f"Host {host.public_address}\n    HostName {LOOPBACK}\n    Port {host.port}\n"
                for host in self._hosts.values()
                if host.public_address
            ]
            path = self.directory / "ssh_config"
            draft = path.with_suffix(".new")
            draft.write_text("# Written by `deployer local`; read by ssh, scp and rsync.\n" + "".join(blocks))
            draft.replace(path)


class _Server(asyncssh.SSHServer):
    """Who may log in to one host, and where a tunnel through it may lead."""

    def __init__(self, host: _Host) -> None:
        self._host = host
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._host.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name is asyncssh's
        if self._connection is not None:
            self._host.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        # Read at every login, as sshd does: what ssh-copy-id adds counts at once.
        if self._connection is not None and username in self._host.files.users:
            with contextlib.suppress(OSError, ValueError):
                self._connection.set_authorized_keys(str(self._host.files.authorized_keys))
        return True

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:  # noqa: ARG002
        return is_this_machine(dest_host)

    def server_requested(self, listen_host: str, listen_port: int) -> bool:  # noqa: ARG002
        return is_this_machine(listen_host)

    def unix_connection_requested(self, dest_path: str) -> bool:  # noqa: ARG002
        return True

    def unix_server_requested(self, listen_path: str) -> bool:  # noqa: ARG002
        return True


class _Files(asyncssh.SFTPServer):
    """SFTP on one host: relative paths start at its home."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], home: Path) -> None:
        super().__init__(channel)
        self._home = os.fsencode(home)

    def map_path(self, path: bytes) -> bytes:
        return os.path.join(self._home, path)  # noqa: PTH118 - a path on the wire is bytes

    def reverse_map_path(self, path: bytes) -> bytes:
        return path

    def exit(self) -> None:
        # Without an exit status OpenSSH's scp reports a failure although the file is whole.
        self.channel.exit(0)


def is_this_machine(host: str) -> bool:
    """Tell whether a tunnel to `host` stays on this machine; an emulated host leads nowhere else."""
    if host in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _listen(host: _Host) -> None:
    async def run(process: asyncssh.SSHServerProcess[bytes]) -> None:
        await run_session(process, host.files, host.sessions)

    host.acceptor = await asyncssh.create_server(
        lambda: _Server(host),
        LOOPBACK,
        0,
        server_host_keys=[str(host.files.key_file)],
        process_factory=run,
        sftp_factory=lambda channel: _Files(channel, host.files.home),
        encoding=None,
        line_editor=False,
        allow_scp=False,  # `scp -O` runs the host's own scp, which knows every option
        agent_forwarding=False,
        password_auth=False,
        kbdint_auth=False,
        encryption_algs=CIPHERS,
        compression_algs=None,
        keepalive_interval=0,
        login_timeout=30,
    )
    host.port = host.acceptor.get_port()


async def _close(host: _Host) -> None:
    if host.acceptor is not None:
        host.acceptor.close()
    for connection in list(host.connections):
        connection.abort()
    await asyncio.sleep(0)
