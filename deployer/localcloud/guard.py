"""What keeps the local cloud to itself: no call leaves this machine, and no web page reaches in."""

from __future__ import annotations

import ipaddress
import sys
from typing import Any

from deployer.localcloud.wire import Answer

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


def stay_on_this_machine() -> None:
    """Let this process connect to loopback only, and look no name up; both raise PermissionError from now on."""
    sys.addaudithook(_audit)


def refuse_browser(environ: dict[str, Any]) -> Answer | None:
    """Return a refusal for what only a web page sends: a page's origin, or a host name that was bent to 127.0.0.1."""
    host = environ.get("HTTP_HOST", "").rpartition(":")[0] or environ.get("HTTP_HOST", "")
    if "HTTP_ORIGIN" in environ or host not in _LOOPBACK_NAMES:
        return Answer(403, "text/plain", b"The local cloud answers this machine's own programs only.")
    if environ.get("PATH_INFO", "").startswith("/moto-api"):
        return Answer(404, "text/plain", b"Use `deployer local`: moto's own controls know nothing of the hosts.")
    return None


class CountedBody:
    """The body of a request, of which the rest is read in the end: the connection carries the next request too."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self._stream = environ["wsgi.input"]
        self._left = int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"] = self

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes of what is left; everything when negative."""
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        data: bytes = self._stream.read(wanted) if wanted else b""
        self._left -= len(data)
        return data

    def readline(self, size: int = -1) -> bytes:
        """Return one line of what is left."""
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        data: bytes = self._stream.readline(wanted) if wanted else b""
        self._left -= len(data)
        return data

    def drain(self) -> None:
        """Read what nobody wanted."""
        while self._left > 0 and self.read(1 << 20):
            continue


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and not _is_loopback(str(address[0])):
            raise PermissionError(f"The local cloud connects to this machine only, not to {address[0]}.")
    elif event == "socket.getaddrinfo" and arguments[0] and not _is_loopback(_text(arguments[0])):
        raise PermissionError(f"The local cloud looks no name up: {_text(arguments[0])}.")


def _text(host: Any) -> str:
    return host.decode() if isinstance(host, bytes) else str(host)


def _is_loopback(host: str) -> bool:
    if host in {"localhost", ""}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
