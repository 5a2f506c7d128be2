"""Commands in messages, spelt as this user has to type them: with the group's flags of the command just typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import click

from deployer.errors import DeployerError

VERBS = re.compile(r"\bdeployer (?=(?:check|up|train|tune|status|logs|fetch|cancel|ssh|ssh-config|down|quota|ami)\b)")
QUOTA = re.compile(r"quota\b[^`;,]* --region ")

UP = re.compile(r"\bdeployer up\b")

# The options of `check` and `up` that say what is launched.
PLACEMENT = ("zone", "instance_type", "nodes", "spot", "gpu_memory", "gpus", "max_price")


def as_typed(text: str) -> str:
    """Return `text` with --config, --cloud, --name and --region in every `deployer …` where they were given.

    Without them `deployer --cloud local up` would advise `deployer train`, which means AWS. A `deployer up` has the
    placement options as well: it launches what was looked at.
    """
    context = click.get_current_context(silent=True)
    text = UP.sub(" ".join(["deployer up", *_placement(context)]).replace("\\", r"\\"), text)
    given = dict(context.find_root().params) if context else {}
    if context and context.params.get("regions"):
        given["region"] = ",".join(context.params["regions"])
    if given.get("region") == "all" or "," in (given.get("region") or ""):
        del given["region"]  # several were compared, and only one can be deployed to
    options = {"--config": given.get("file"), **{f"--{key}": given.get(key) for key in ("cloud", "name", "region")}}

    def spell(match: re.Match[str]) -> str:
        # A quota holds in one region, so that advice on it names its own.
        left_out = {"--region"} if QUOTA.match(text, match.end()) else set()
        given_here = {option: value for option, value in options.items() if value and option not in left_out}
        return "deployer " + "".join(f"{option} {shlex.quote(str(value))} " for option, value in given_here.items())

    return VERBS.sub(spell, text)


@contextmanager
def advice_as_typed() -> Iterator[None]:
    """Spell the advice of an error while the command that raises it still knows its options."""
    try:
        yield
    except DeployerError as error:
        error.message, error.hint = as_typed(error.message), as_typed(error.hint)
        raise


def _placement(context: click.Context | None) -> list[str]:
    """Return the placement options that were given, as words."""
    words = []
    for name in PLACEMENT:
        value = context.params.get(name) if context else None
        option = f"--{name.replace('_', '-')}"
        if name == "spot" and value is not None:
            words.append("--spot" if value else "--on-demand")
        elif value is not None:
            values = value if isinstance(value, tuple) else (f"{value:g}" if isinstance(value, float) else value,)
            words += [f"{option} {shlex.quote(str(item))}" for item in values]
    return words
