"""The command line of the host's half, and how what goes wrong is told."""

from __future__ import annotations

import argparse
import errno
import fcntl
import os
import sys
from pathlib import Path

from . import objects, shards
from .folder import LOCK_NAME, Folder
from .words import Problem, say

EXIT_NO_BOTO3 = 3


def main(words: list[str]) -> None:
    """Fetch, and say how it went."""
    parser = argparse.ArgumentParser(prog="fetch_data", description="Bring the images from the bucket to this host.")
    for name in ("bucket", "region", "destination"):
        parser.add_argument(name)
    parser.add_argument("--prefix", help="take the objects below it as they are, instead of the manifest's files")
    parser.add_argument("--suffixes", default="", help="of the objects to take, in lower case, divided by commas")
    parser.add_argument("--table", default="", help="the object below the prefix that must be there")
    parser.add_argument("--look", action="store_true", help="bring nothing: see that a job here can read the objects")
    arguments = parser.parse_args(words)
    if not arguments.look:  # a job has what its Python has
        # At the end of the path: what this Python has itself comes first.
        sys.path.append(str(Path("~/.deployer/boto3").expanduser()))
    try:
        if arguments.look:
            objects.look(
                arguments.bucket, arguments.region, arguments.prefix, read_suffixes(arguments), arguments.table
            )
        else:
            fetch(arguments, Path(arguments.destination).expanduser())
    except ModuleNotFoundError as error:
        say("error", kind="boto3", message=f"{sys.executable} has no {error.name}")
        sys.exit(EXIT_NO_BOTO3)
    except Problem as problem:
        say("error", kind=problem.kind, message=str(problem))
        sys.exit(1)
    except OSError as error:
        what = error.filename or arguments.destination
        say("error", kind="disk", message=f"{what}: {os.strerror(error.errno or errno.EIO)}")
        sys.exit(1)


def fetch(arguments: argparse.Namespace, destination: Path) -> None:
    """Make `destination` hold the files as they are in the bucket."""
    destination.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (destination / LOCK_NAME).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two fetches at once the second finds everything done
        folder = Folder(destination)
        if arguments.prefix is None:
            shards.fetch(arguments.bucket, arguments.region, folder)
        else:
            suffixes = read_suffixes(arguments)
            objects.fetch(arguments.bucket, arguments.region, folder, arguments.prefix, suffixes, arguments.table)


def read_suffixes(arguments: argparse.Namespace) -> frozenset[str]:
    """Return the suffixes of the objects to take."""
    return frozenset(arguments.suffixes.split(","))
