"""Advice names the deployment that the user was working on, not the one that the defaults mean."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from deployer import cli
from deployer.commands.check import check
from deployer.errors import NoCapacity
from deployer.hints import as_typed


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], "Run `deployer up`, then deployer logs -f JOB; not `deployer local stop`."),
        (
            ["--cloud", "local", "--name", "fish"],
            "Run `deployer --cloud local --name fish up`, then deployer --cloud local --name fish logs -f JOB; "
            "not `deployer local stop`.",
        ),
        (
            ["--config", "my fish/deployer.toml"],
            "Run `deployer --config 'my fish/deployer.toml' up`, then "
            "deployer --config 'my fish/deployer.toml' logs -f JOB; not `deployer local stop`.",
        ),
    ],
)
def test_advice_carries_the_flags_of_the_group(flags: list[str], expected: str) -> None:
    group = cli.cli.make_context("deployer", [*flags, "status"])

    with click.Context(click.Command("status"), parent=group):
        assert as_typed("Run `deployer up`, then deployer logs -f JOB; not `deployer local stop`.") == expected


@pytest.mark.parametrize(
    ("flags", "regions", "expected"),
    [
        (["--region", "eu-west-1"], [], "deployer --region eu-west-1 up"),
        ([], ["eu-west-1"], "deployer --region eu-west-1 up"),
        # Several were compared: which of them to take is said beside the advice, not in it.
        ([], ["eu-west-1", "us-east-1"], "deployer up"),
        (["--region", "eu-west-1,us-east-1"], [], "deployer up"),
        (["--region", "all"], [], "deployer up"),
        ([], ["all"], "deployer up"),
    ],
)
def test_advice_carries_the_region_that_was_looked_at(flags: list[str], regions: list[str], expected: str) -> None:
    group = cli.cli.make_context("deployer", [*flags, "check"])

    with click.Context(click.Command("check"), parent=group) as context:
        context.params = {"regions": tuple(regions)}
        assert as_typed("deployer up") == expected


def test_advice_on_a_quota_keeps_the_region_that_it_is_about() -> None:
    group = cli.cli.make_context("deployer", ["--name", "fish", "--region", "eu-west-1", "check"])

    with click.Context(click.Command("check"), parent=group):
        text = as_typed("Ask: deployer quota request --value 8 --region us-east-1, or see `deployer quota`.")

    assert text == (
        "Ask: deployer --name fish quota request --value 8 --region us-east-1, "
        "or see `deployer --name fish --region eu-west-1 quota`."
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "deployer --cloud local up"),
        (
            ["--instance-type", "g5.xlarge", "--instance-type", "g6.xlarge"],
            " --instance-type g5.xlarge --instance-type g6",
        ),
        (["--gpu-memory", "24", "--gpus", "1", "--max-price", "2"], "up --gpu-memory 24 --gpus 1 --max-price 2"),
        (["--spot", "--nodes", "2", "--zone", "use1-az4"], "up --zone use1-az4 --nodes 2 --spot"),
        (["--on-demand"], "up --on-demand"),
    ],
)
def test_next_command_launches_what_was_looked_at(arguments: list[str], expected: str) -> None:
    group = cli.cli.make_context("deployer", ["--cloud", "local", "check"])

    with check.make_context("check", arguments, parent=group):
        assert expected in as_typed("deployer up")


def test_error_of_up_advises_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NoCapacity("Sold out.", hint="`deployer up --wait 30m` goes on trying.")

    # The account's answer is not the matter here: what the command line makes of it is.
    monkeypatch.setattr("deployer.commands.context.Context.config", refuse)

    code = cli.run(["--region", "eu-west-1", "up", "--instance-type", "g5.xlarge", "--zone", "euw1-az1"])

    assert code == 1
    advice = "`deployer --region eu-west-1 up --zone euw1-az1 --instance-type g5.xlarge --wait 30m` goes on trying."
    assert advice in capsys.readouterr().err


def test_advice_on_images_carries_the_flags_of_the_group() -> None:
    group = cli.cli.make_context("deployer", ["--cloud", "local", "check"])

    with click.Context(click.Command("check"), parent=group):
        assert (
            as_typed("`deployer ami list` shows every image.") == "`deployer --cloud local ami list` shows every image."
        )


def test_advice_outside_of_a_command_is_left_alone() -> None:
    assert as_typed("Run `deployer up`.") == "Run `deployer up`."


def test_error_advises_the_deployment_that_was_asked_for(project: Path) -> None:
    command = [sys.executable, "-m", "deployer", "--name", "whale", "status"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert "Run `deployer --name whale up` first." in done.stderr
