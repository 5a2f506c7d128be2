"""The command group, and the ONE place where an exception becomes a message and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import click

from deployer import __version__
from deployer.commands import (
    ami,
    cancel,
    check,
    compare,
    data,
    down,
    fetch,
    init,
    local,
    logs,
    predict,
    quota,
    report,
    ssh,
    ssh_config,
    status,
    train,
    tune,
    up,
)
from deployer.commands.context import Context
from deployer.errors import DeployerError
from deployer.hints import advice_as_typed

EXIT_INTERRUPTED = 130

EPILOG = """
\b
A first time, on this machine, without an account:
  deployer init
  deployer --cloud local up --yes
  deployer --cloud local train
  deployer --cloud local down --yes

\b
Exit codes: 0 done or nothing to do · 1 failed · 2 usage or configuration · 130 interrupted.
Completion for bash: eval "$(_DEPLOYER_COMPLETE=bash_source deployer)" (zsh_source and fish_source likewise).
"""


class InOrder(click.Group):
    """Lists its commands as they are used, not by the alphabet."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names in the order in which they were added."""
        return list(self.commands)

    def invoke(self, context: click.Context) -> Any:
        """Run the command; an error of ours leaves with its advice spelt for this command line."""
        with advice_as_typed():
            return super().invoke(context)


SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=InOrder, epilog=EPILOG, context_settings=SETTINGS)
@click.version_option(__version__, message="deployer %(version)s")
@click.option("--config", "file", type=click.Path(path_type=Path), help="Configuration file  [default: deployer.toml]")
@click.option("--cloud", type=click.Choice(["aws", "local"]), help="AWS, or a rehearsal on this machine.")
@click.option("--name", help="Name of the deployment; several may live side by side.")
@click.option("--region", help="AWS region, e.g. us-east-1.")
@click.pass_context
def cli(context: click.Context, file: Path | None, cloud: str | None, name: str | None, region: str | None) -> None:
    """Take a folder of labelled images to a trained classifier on a cloud GPU, and leave nothing on the bill."""
    context.obj = Context(file=file, flags={"cloud": cloud, "name": name, "region": region})


ORDER = (
    *(init, check, up, train, tune, status, logs, fetch, cancel, ssh, ssh_config, down),
    *(report, compare, predict, data, quota, ami, local),
)
for command in ORDER:
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what the user can act on is told without a traceback."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        result = cli.main(args=arguments, prog_name="deployer", standalone_mode=False)
        return int(result or 0)
    except DeployerError as error:
        return _tell(error.message, error.hint, error.exit_code)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nInterrupted.", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`deployer logs | head`): there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _tell_os_error(error)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Treat a request to end like Ctrl-C, so that what we started is brought to rest."""
    raise KeyboardInterrupt


def _tell(message: str, hint: str, code: int) -> int:
    click.echo(click.style("Error: ", fg="red", bold=True) + message, err=True)
    if hint:
        click.echo(click.style("Hint: ", fg="yellow") + hint, err=True)
    return code


def _tell_os_error(error: OSError) -> int:
    """Tell what the disk or the file system refuses; anything else is a bug and keeps its traceback."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return _tell(f"The disk is full{where}.", "Free some space and run the command again: nothing was lost.", 1)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS} and error.filename:
        return _tell(f"{error.filename} cannot be written or read: {error.strerror}.", "Check its owner and mode.", 1)
    raise error
