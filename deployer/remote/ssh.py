"""SSH to a host whose key is pinned: connect, run, stream, wait until it can be reached.

The one place where paramiko's and the socket's exceptions become ours.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from deployer.errors import HostKeyMismatch, HostUnreachable, RemoteError
from deployer.remote.host import Host, Route, find_route, write_ssh_config
from deployer.remote.keypair import generate_key
from deployer.remote.proxy import Proxy
from deployer.remote.stream import Completed, Stream

if TYPE_CHECKING:
    import paramiko

__all__ = [
    "Completed",
    "Connection",
    "Host",
    "Stream",
    "generate_key",
    "wait_until_reachable",
    "write_ssh_config",
]

# AES-GCM moves a file at twice the speed of paramiko's default, AES-CTR with a separate MAC.
PREFERRED_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
KEEPALIVE_SECONDS = 15
DEAD_LINK_MILLISECONDS = 30_000
RETRY_SECONDS = 2.0
REACH_HINT = (
    "See whether it still runs with `deployer status`; "
    "if your own address has changed, `deployer up` opens port 22 to the new one."
)

# Without a handler of its own, what paramiko logs about a refused connection lands on the user's terminal.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class Connection:
    """An SSH connection to one host, open from `with` to the end of its block.

    Offers the deployment's key only: no agent, no other key, no password, no forwarding. The host must show a key that
    stands in `host.known_hosts` under `host.host_key_alias`. Raises HostKeyMismatch, HostUnreachable or RemoteError.
    """

    def __init__(self, host: Host, *, timeout_seconds: float = 10) -> None:
        self.host = host
        self.timeout_seconds = timeout_seconds
        self.known_agents: set[str] = set()  # what `agent.py` has seen on the host during this connection
        self._client: paramiko.SSHClient | None = None
        self._proxy: Proxy | None = None

    def __enter__(self) -> Connection:
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self) -> None:
        """Connect, unless that is done."""
        if self.is_alive():
            return
        self.close()
        import paramiko

        key, route = _load_key(self.host), find_route(self.host)
        _require_pinned_key(self.host)
        client = paramiko.SSHClient()
        client.load_host_keys(str(self.host.known_hosts))
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        self._client = client
        try:
            with _translated(self.host, route):
                self._log_in(client, key, self._dial(route))
        except BaseException as error:
            said = self._proxy.read_errors() if self._proxy else ""
            self.close()
            if said and isinstance(error, HostUnreachable):
                raise HostUnreachable(f"{error.message} The way through said: {said}", hint=error.hint) from error
            raise

    def close(self) -> None:
        """Close; what runs detached on the host goes on."""
        if self._client:
            self._client.close()
        if self._proxy:
            self._proxy.close()
        self._client = self._proxy = None

    def is_alive(self) -> bool:
        """Say whether the connection is open, as far as this side has noticed."""
        transport = self._client.get_transport() if self._client else None
        return transport is not None and transport.is_active()

    def open(self, command: str, *, silence_seconds: float | None = None) -> Stream:
        """Start `command` and return its streams; reading raises HostUnreachable after `silence_seconds` of nothing."""
        transport = self._client.get_transport() if self._client else None
        if transport is None:
            raise HostUnreachable(f"There is no connection to {self.host}.", hint=REACH_HINT)
        with _translated(self.host, None):
            channel = transport.open_session(timeout=self.timeout_seconds)
            channel.exec_command(command)
        return Stream(channel, host=str(self.host), command=command, silence_seconds=silence_seconds)

    def run(
        self,
        command: str,
        *,
        input: bytes = b"",  # noqa: A002 - the word of subprocess.run
        timeout_seconds: float | None = None,
        check: bool = True,
    ) -> Completed:
        """Run `command` in the user's shell to its end; with `check`, raise RemoteError when it fails.

        Past `timeout_seconds` the channel is closed and RemoteError raised; the command itself may still run.
        """
        with self.open(command) as stream:
            return stream.communicate(input, timeout_seconds=timeout_seconds, check=check)

    def _dial(self, route: Route) -> socket.socket:
        if route.proxy_command:
            self._proxy = Proxy(route.proxy_command)
            return self._proxy.socket
        connected = socket.create_connection((route.hostname, route.port), timeout=self.timeout_seconds)
        # Without it a command's round trip takes 40 ms longer: Nagle's algorithm waits for the delayed ACK.
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: otherwise a dead link is noticed after a quarter of an hour
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_LINK_MILLISECONDS)
        return connected

    def _log_in(self, client: paramiko.SSHClient, key: paramiko.PKey, connected: socket.socket) -> None:
        try:
            client.connect(
                self.host.host_key_alias,  # what paramiko looks up in known_hosts; the address is in the socket
                username=self.host.user,
                pkey=key,
                sock=connected,
                timeout=self.timeout_seconds,
                banner_timeout=self.timeout_seconds,
                auth_timeout=self.timeout_seconds,
                channel_timeout=self.timeout_seconds,
                allow_agent=False,
                look_for_keys=False,
                transport_factory=_make_transport,
            )
        except BaseException:
            connected.close()
            raise
        transport = client.get_transport()
        if transport is not None:
            transport.set_keepalive(KEEPALIVE_SECONDS)


def wait_until_reachable(
    host: Host,
    *,
    timeout_seconds: float,
    on_wait: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return once `host` lets us in; `on_wait` gets the reason of each failed attempt.

    Only what passes by itself while a machine boots is tried again, until `timeout_seconds` are over: refused, silent,
    closed. Another host key or a refused login is raised at once.
    """
    end = clock() + timeout_seconds
    while True:
        try:
            with Connection(host):
                return
        except HostUnreachable as error:
            if clock() >= end:
                raise HostUnreachable(
                    f"{host} could not be reached within {timeout_seconds:.0f} s. {error.message}", hint=error.hint
                ) from error
            on_wait(error.message)
        sleep(RETRY_SECONDS)


def _load_key(host: Host) -> paramiko.PKey:
    import paramiko

    try:
        return paramiko.PKey.from_path(host.identity_file)
    except (OSError, ValueError, TypeError, paramiko.SSHException) as error:
        raise RemoteError(
            f"The SSH key {host.identity_file} cannot be used: {error}.",
            hint="`deployer up` writes it again where it is missing.",
        ) from error


def _require_pinned_key(host: Host) -> None:
    """Refuse to connect where nothing is pinned: no byte goes to a host that cannot prove who it is."""
    import paramiko

    try:
        pinned = paramiko.HostKeys(str(host.known_hosts)).lookup(host.host_key_alias)
    except OSError:
        pinned = None
    if not pinned:
        raise HostKeyMismatch(
            f"No host key of {host} is known: {host.known_hosts} has none for {host.host_key_alias}.",
            hint="Run `deployer up`: it reads the keys from the instance's console output.",
        )


def _make_transport(sock: Any, /, **options: Any) -> paramiko.Transport:
    import paramiko

    transport = paramiko.Transport(sock, **options)
    security = transport.get_security_options()
    first = [cipher for cipher in PREFERRED_CIPHERS if cipher in security.ciphers]
    security.ciphers = (*first, *(cipher for cipher in security.ciphers if cipher not in first))
    return transport


@contextlib.contextmanager
def _translated(host: Host, route: Route | None) -> Iterator[None]:
    """Turn what paramiko and the socket raise into our errors, most specific first."""
    import paramiko

    where = f"{host} at {route}" if route else str(host)
    try:
        yield
    except paramiko.BadHostKeyException as error:
        raise HostKeyMismatch(
            f"{where} shows another host key than its console printed: {error.key.get_name()} {error.key.fingerprint}.",
            hint="Someone may be between you and the host: do not connect. If it was replaced, run `deployer up`.",
        ) from error
    except paramiko.AuthenticationException as error:
        if "saw EOF" in str(error) or "timeout" in str(error).lower():  # sshd hangs up like this while a host boots
            raise HostUnreachable(f"{where} closed the connection during login.", hint=REACH_HINT) from error
        raise RemoteError(
            f"{where} refused to let {host.user} in with {host.identity_file}.",
            hint="Check ssh_user in deployer.toml; `deployer down` and `up` put a new key on a new host.",
        ) from error
    except paramiko.SSHException as error:
        if "not found in known_hosts" in str(error):
            raise HostKeyMismatch(
                f"{where} shows a kind of host key that its console did not print.", hint="Run `deployer up` again."
            ) from error
        raise HostUnreachable(f"{where} does not speak SSH: {error}.", hint=REACH_HINT) from error
    except (OSError, EOFError) as error:
        reason = "timed out" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or str(error)
        raise HostUnreachable(
            f"{where} cannot be reached: {reason or type(error).__name__}.", hint=REACH_HINT
        ) from error
