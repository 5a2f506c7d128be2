"""Commands in messages, spelt as this user has to type them: with the group's flags of the command just typed."""

from __future__ import annotations

import re
import shlex

import click

VERBS = re.compile(r"\bdeployer (?=(?:check|up|train|status|logs|fetch|cancel|ssh|ssh-config|down)\b)")


def as_typed(text: str) -> str:
    """Return `text` with --config, --cloud, --name and --region in every `deployer …` where they were given.

    Without them `deployer --cloud local up` would advise `deployer train`, which means AWS.
    """
    context = click.get_current_context(silent=True)
    given = dict(context.find_root().params) if context else {}
    if context and context.params.get("regions"):
        given["region"] = ",".join(context.params["regions"])
    if given.get("region") == "all" or "," in (given.get("region") or ""):
        del given["region"]  # several were compared, and only one can be deployed to
    options = {"--config": given.get("file"), **{f"--{key}": given.get(key) for key in ("cloud", "name", "region")}}
    flags = "".join(f"{option} {shlex.quote(str(value))} " for option, value in options.items() if value)
    return VERBS.sub(lambda _match: f"deployer {flags}", text)
