"""What every command is given: the flags of the group, and the configuration made of them on demand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from deployer import allowed
from deployer import config as configuration
from deployer.config import Config
from deployer.errors import ConfigError, LocalCloudError, MissingDependency, UsageError
from deployer.hints import advice_as_typed

if TYPE_CHECKING:
    from deployer.aws.session import Session
    from deployer.progress import ConsoleReporter

# Stands for every region that the account may use.
ALL_REGIONS = "all"

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass
class Context:
    """The group's flags; `config()` reads the file once a command needs it."""

    file: Path | None = None
    flags: Mapping[str, Any] = field(default_factory=dict)

    def config(self, **flags: Any) -> Config:
        """Return the configuration with the command's own flags; start the local cloud where it is asked for."""
        given = {**self.flags, **flags}
        config = configuration.load(file=self.file, flags=given)
        if config.cloud != "local":
            return config
        return configuration.load(file=self.file, flags=given, defaults=_go_local(config))

    def runs_directory(self) -> Path:
        """Return where results are brought; nothing is started for that."""
        return configuration.load(file=self.file, flags=self.flags).runs_directory

    def placed(self, *, gpu_memory: float | None, gpus: int | None, **placement: Any) -> Config:
        """Return the configuration with the placement options; hardware that is asked for chooses the types."""
        config = self.config(**placement_flags(**placement))
        if gpu_memory is None and gpus is None:
            return config
        from deployer.aws.hardware import hardware_table
        from deployer.selection import Wish, choose

        wish = Wish(gpu_memory_gib=gpu_memory or 0, gpus=gpus or 0, max_usd_per_hour=config.max_price)
        among = set(placement["instance_type"])
        table = [item for item in hardware_table() if not among or item.name in among]
        return configuration.with_values(config, {"instance_type": choose(wish, table, spot=config.spot)})

    def session(self, config: Config) -> Session:
        """Return AWS in the deployment's region."""
        from deployer.aws.session import Session

        return Session(config.region)

    def reporter(self, *, as_json: bool = False) -> ConsoleReporter:
        """Return who tells people how far it is, on stderr; a job's log too where JSON has stdout for itself."""
        from deployer.progress import ConsoleReporter

        return ConsoleReporter(output_to_stderr=as_json)


def _go_local(config: Config) -> dict[str, Any]:
    """Start the local cloud where it does not run, take its environment and return its configuration.

    The user's own AWS variables and profiles are dropped, so that nothing of theirs can be used or sent.
    """
    from deployer.aws.session import import_boto3

    # -P: a folder of the user's that is called model, ami or terraform must not hide ours.
    command = [sys.executable, "-P", "-m", "deployer", "local", "start", "--json", "--project", str(config.project)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starting:
        import_boto3()  # what every command does next, and takes as long as this asking
        said, _ = starting.communicate()
    if starting.returncode == 2:
        raise MissingDependency("The local cloud is not installed.", hint="pip install 'deployer[local]'")
    if starting.returncode != 0:
        raise LocalCloudError("The local cloud did not start; it said why above.")
    started = json.loads(said)
    for variable in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[variable]
    os.environ.update(started["environment"])
    os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = config.region
    return dict(started["configuration"])


pass_context = click.make_pass_decorator(Context)


def placement_options(function: Function) -> Function:
    """Add the options that say where and what to launch; advice in errors repeats them."""
    function = advice_as_typed()(function)
    for option in (
        click.option("--max-price", type=float, help="USD per hour that one instance may cost at most."),
        click.option("--gpus", type=click.IntRange(min=1), help="Exact number of GPUs: chooses the types."),
        click.option(
            "--gpu-memory",
            type=click.FloatRange(min=0, min_open=True),
            help='GiB that each GPU has at least, as sold (an A10G has "24"): chooses the types, cheapest first.',
        ),
        click.option("--spot/--on-demand", default=None, help="Buy spare capacity: cheaper, may be taken back."),
        click.option("--nodes", type=int, help="Number of instances."),
        click.option("--instance-type", multiple=True, help="GPU instance type; repeat it to say what to try next."),
        click.option("--zone", help="Availability zone to insist on, by name or id: us-east-1a, use1-az4."),
    ):
        function = option(function)
    return function


def placement_flags(zone: str | None, instance_type: tuple[str, ...], **flags: Any) -> dict[str, Any]:
    """Return the placement options as configuration keys."""
    return {"availability_zone": zone, "instance_type": instance_type or None, **flags}


def split_regions(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the regions of `--region a --region b,c`, each once; "all" alone where it is among them."""
    names = tuple(dict.fromkeys(name for text in texts for part in text.split(",") if (name := part.strip())))
    if ALL_REGIONS in names:
        return (ALL_REGIONS,)
    for name in names:
        reason = allowed.check_region(name)
        if reason:
            raise ConfigError(f'region = "{name}" in --region {reason}, or "all".')
    return names


json_option = click.option("--json", "as_json", is_flag=True, help="Print facts as JSON, for programs.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


def confirm(question: str) -> None:
    """Ask on stderr; a no ends the command with exit code 1. Raises UsageError where nobody is there to answer."""
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise UsageError("This asks before it goes on, and nobody can answer here.", hint="Add --yes.") from None
    if not agreed:
        click.echo("Nothing was done.", err=True)
        raise click.exceptions.Exit(1)
