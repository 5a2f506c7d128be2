#!/usr/bin/env python3
"""Write docs/cli.md from the program's own --help; with --check only compare, and fail when they differ."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from deployer.cli import cli

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
WIDTH = 96

HEADER = """# Commands

Written by `make docs` from the program's own `--help`; `make lint` fails when the two differ.
"""


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or with --check return 1 where it is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    page = render()
    if not parser.parse_args(arguments).check:
        PAGE.write_text(page)
    elif not PAGE.exists() or PAGE.read_text() != page:
        print("docs/cli.md is not what --help says.\nHint: make docs", file=sys.stderr)
        return 1
    return 0


def render() -> str:
    """Return the whole page: a list of the commands, then the help of each."""
    commands = list(walk(cli, "deployer"))
    links = [
        f"- [`{path}`](#{path.replace(' ', '-')}) {command.get_short_help_str(limit=200)}" for path, command in commands
    ]
    sections = [f"## {path}\n\n```\n{read_help(command, path)}\n```\n" for path, command in commands]
    return "\n".join([HEADER, *links, "", *sections]).rstrip("\n") + "\n"


def walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield the command and all below it, in the order in which they are listed."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from walk(inner, f"{path} {name}")


def read_help(command: click.Command, path: str) -> str:
    """Return what `path --help` prints, at a fixed width."""
    settings = {**cli.context_settings, **command.context_settings}  # a command inherits the names of --help
    context = click.Context(command, info_name=path, terminal_width=WIDTH, **settings)
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


if __name__ == "__main__":
    sys.exit(main())
