"""A preset of the user's lies on this machine; a job on the host is given what it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from deployer.errors import ConfigError

OPTION = "--preset"


def carry_preset(arguments: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Return arguments of the model in which a preset's file, relative to `folder`, is its content.

    Whatever the file becomes later, a job that is resumed has the same. Raises ConfigError.
    """
    words = list(arguments)
    for place, word in enumerate(words):
        option, is_joined, value = word.partition("=")
        if option != OPTION:
            continue
        if is_joined:
            words[place] = f"{OPTION}={_read(value, folder)}"
        elif place + 1 < len(words):
            words[place + 1] = _read(words[place + 1], folder)
    return tuple(words)


def _read(value: str, folder: Path) -> str:
    """Return what a file holds, in one line; a name such as `best` and JSON stay as they are."""
    if value.startswith("{") or not ("/" in value or value.endswith(".json")):
        return value
    path = folder / Path(value).expanduser()
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"The preset {value} cannot be read: {error.strerror}.", hint="`deployer tune` writes a best.json."
        ) from error
    except ValueError as error:
        raise ConfigError(f"The preset {value} is not JSON: {error}.") from error
    return json.dumps(table, separators=(",", ":"))
