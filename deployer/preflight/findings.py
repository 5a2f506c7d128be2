"""What a check answers."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from deployer.aws.denials import POLICIES
from deployer.facts import Unknown


class Level(enum.Enum):
    """How much a finding matters; only ERROR stands in the way."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """The answer of one check: the facts, and what to type; `instance_type` where it is about one candidate."""

    check: str
    level: Level
    message: str
    hint: str = ""
    instance_type: str = ""


def can_launch(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing stands in the way."""
    return all(finding.level is not Level.ERROR for finding in findings)


def unknown(check_name: str, subject: str, fact: Unknown, instance_type: str = "") -> Finding:
    """Return the warning for what AWS did not tell."""
    # What AWS said knows best who can help: a missing permission, or a policy of the whole organisation.
    hint = (fact.error.hint if fact.error else "") or allow(fact.permission)
    message = f"{subject} could not be read: {fact.reason}"
    return Finding(check_name, Level.WARNING, message, hint, instance_type)


def allow(permission: str, reason: str = "") -> str:
    """Return the advice that names a missing permission; empty where none is missing.

    `reason` is what AWS said, in our words: against a policy above the account no permission helps.
    """
    policy = next((item for item in POLICIES if reason.startswith(item.name)), None)
    if policy:
        return policy.advice(permission or "it")
    return f"Allow {permission}." if permission else ""
