"""What `shutdown`, `poweroff`, `halt`, `reboot` and `sudo` are on an emulated host.

They stand first on the host's PATH, so that none of them ever reaches the machine that the host runs on. Run as
`python power.py ENDPOINT INSTANCE NAME [arguments]`; only the standard library is used, since a job may have changed
everything else.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from datetime import datetime, timedelta


def main(arguments: list[str]) -> int:
    """Do what the command called `arguments[2]` would do to the instance, and return its exit code."""
    endpoint, instance, name, *rest = arguments
    if name == "sudo":
        return run_without_privilege(rest)
    order: dict[str, object] = {"delay_minutes": 0.0, "is_reboot": name == "reboot", "is_cancelled": False}
    if name == "shutdown":
        try:
            order = read_shutdown(rest)
        except ValueError as error:
            print(f"shutdown: {error}", file=sys.stderr)
            return 1
    request = urllib.request.Request(  # noqa: S310 - the endpoint is the local cloud's own
        f"{endpoint}/_local/hosts/{instance}/power", data=json.dumps(order).encode(), method="POST"
    )
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()
    return 0


def read_shutdown(arguments: list[str]) -> dict[str, object]:
    """Return the order in shutdown(8)'s arguments; the default is one minute from now."""
    order: dict[str, object] = {"delay_minutes": 1.0, "is_reboot": False, "is_cancelled": False}
    for argument in arguments:
        if argument.startswith("-"):
            order["is_reboot"] = order["is_reboot"] or "r" in argument.lstrip("-")[:1] or argument == "--reboot"
            order["is_cancelled"] = order["is_cancelled"] or argument == "-c"
            continue
        order["delay_minutes"] = read_time(argument)
        break
    return order


def read_time(text: str) -> float:
    """Return the minutes until `now`, `+MINUTES` or `hh:mm`. Raises ValueError."""
    if text == "now":
        return 0.0
    if text.startswith("+"):
        return float(text[1:])
    hour, separator, minute = text.partition(":")
    if not separator:
        raise ValueError(f"{text!r} is no time; write now, +minutes or hh:mm")
    now = datetime.now().astimezone()
    then = now.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
    return ((then if then > now else then + timedelta(days=1)) - now).total_seconds() / 60


def run_without_privilege(arguments: list[str]) -> int:
    """Replace this process with the command that sudo was to run, as the same user."""
    command = list(arguments)
    while command and command[0].startswith("-"):
        option = command.pop(0)
        if option == "--":
            break
        if option in {"-u", "-g", "-p", "-C", "-h", "-U", "-r", "-t"} and command:
            command.pop(0)
    while command and "=" in command[0] and command[0].partition("=")[0].isidentifier():
        name, _, value = command.pop(0).partition("=")
        os.environ[name] = value
    if not command:
        return 0
    try:
        os.execvp(command[0], command)  # noqa: S606 - that is what sudo does
    except FileNotFoundError:
        print(f"sudo: {command[0]}: command not found", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
