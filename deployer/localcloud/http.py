"""How the server speaks HTTP: version 1.1, one call for each connection, and small answers are not held back."""

from __future__ import annotations

from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler


class Handler(MotoRequestHandler):
    """moto's handler, with HTTP/1.1 and without its log. werkzeug closes the connection after each answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120  # seconds until a connection that says nothing is closed

    def handle_expect_100(self) -> bool:
        """Leave `100 Continue` to werkzeug, which sends it too; twice confuses clients."""
        return True

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Stay silent: the request log says more, and no secrets."""
