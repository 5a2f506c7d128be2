"""Our programs on the host: plain Python files in `agents/`, sent once per version and run with the host's python3."""

from __future__ import annotations

import hashlib
import io
import shlex
import zipfile
from functools import cache
from importlib import resources

from deployer.errors import RemoteError
from deployer.remote.ssh import Connection

DIRECTORY = "$HOME/.deployer/agents"
MISSING = b"missing"
LOGIN_SHELL_HINT = "A login script there (~/.bashrc) must print nothing when no terminal is attached."
START = "import sys\n\nfrom {name}.main import main\n\nmain(sys.argv[1:])\n"


def prepare(connection: Connection, name: str, *arguments: str, python: str = "python3") -> str:
    """Make sure that agent `name` is on the host, and return the shell command that runs it with `arguments`.

    One round trip per agent and connection. Raises RemoteError where the host has no such `python`.
    """
    program = read_program(name)
    path = f'"{DIRECTORY}/{name}-{hashlib.sha256(program).hexdigest()[:16]}"'
    if path not in connection.known_agents:
        _send(connection, path, program, python)
        connection.known_agents.add(path)
    # UTF-8 for file names and streams, whatever the locale of a non-interactive shell is.
    return " ".join([shlex.quote(python), "-X", "utf8", path, *map(shlex.quote, arguments)])


@cache
def read_program(name: str) -> bytes:
    """Return agent `name`: the file agents/NAME.py, or the folder agents/NAME as a zip that Python runs as it is."""
    agents = resources.files("deployer.remote") / "agents"
    if (agents / f"{name}.py").is_file():
        return (agents / f"{name}.py").read_bytes()
    modules = sorted((agents / name).iterdir(), key=lambda module: module.name)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        # A ZipInfo without a date of its own: the same files are the same bytes, hence the same version.
        archive.writestr(zipfile.ZipInfo("__main__.py"), START.format(name=name))
        for module in modules:
            if module.name.endswith(".py"):
                archive.writestr(zipfile.ZipInfo(f"{name}/{module.name}"), module.read_bytes())
    return packed.getvalue()


def _send(connection: Connection, path: str, program: bytes, python: str) -> None:
    question = f"command -v {shlex.quote(python)} && {{ test -f {path} || echo {MISSING.decode()}; }}"
    answer = connection.run(question, check=False)
    if answer.returncode:
        raise RemoteError(
            f"{connection.host} has no {python}, which deployer needs there (3.8 or newer).",
            hint="Use a Deep Learning AMI, or install Python 3 on the host.",
        )
    if MISSING in answer.stdout.splitlines():
        # Written beside and moved, so that another client at the same moment never runs half a file.
        command = f'umask 077 && mkdir -p "{DIRECTORY}" && cat > {path}.$$ && mv {path}.$$ {path}'
        connection.run(command, input=program)
