"""One verdict a line: findings that say the same of several instance types, or regions, become one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deployer.preflight.findings import Finding, Level


@dataclass(frozen=True)
class Verdict:
    """What a check says of some candidates, and what to type."""

    check: str
    level: Level
    message: str
    hint: str
    instance_types: tuple[str, ...] = ()


def verdicts(findings: Iterable[Finding]) -> tuple[Verdict, ...]:
    """Return the findings in their order; those that differ in nothing but the type's name as one."""
    groups: dict[tuple[str, Level, str, str], list[str]] = {}
    for item in findings:
        key = (item.check, item.level, _blank(item.message, item), _blank(item.hint, item))
        names = groups.setdefault(key, [])
        if item.instance_type and item.instance_type not in names:
            names.append(item.instance_type)
    return tuple(
        Verdict(check, level, _fill(message, names), _fill(hint, names), tuple(names))
        for (check, level, message, hint), names in groups.items()
    )


# No finding has this character, so that it can stand for the name that differs.
_NAME = "\0"


def _blank(text: str, finding: Finding) -> str:
    return text.replace(finding.instance_type, _NAME) if finding.instance_type else text


def _fill(text: str, names: list[str]) -> str:
    return text.replace(_NAME, " / ".join(names))
