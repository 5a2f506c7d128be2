"""One verdict a line: findings that say the same of several instance types, or of several regions, become one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deployer.preflight.findings import Finding, Level


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a check says of some candidates, and what to type."""

    check: str
    level: Level
    message: str
    hint: str
    instance_types: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


def verdicts(findings: Iterable[Finding]) -> tuple[Verdict, ...]:
    """Return the findings in their order; those that differ in nothing but the type's name as one."""
    groups: dict[tuple[str, Level, str, str], list[str]] = {}
    for item in findings:
        key = (item.check, item.level, _blank(item.message, item.instance_type), _blank(item.hint, item.instance_type))
        names = groups.setdefault(key, [])
        if item.instance_type and item.instance_type not in names:
            names.append(item.instance_type)
    return tuple(
        Verdict(
            check=check,
            level=level,
            message=_fill(message, names),
            hint=_fill_advice(hint, names),
            instance_types=tuple(names),
        )
        for (check, level, message, hint), names in groups.items()
    )


def verdicts_of_regions(findings: Mapping[str, Iterable[Finding]]) -> tuple[Verdict, ...]:
    """Return the verdicts of several regions, the worst first; those that differ in nothing but its name as one."""
    groups: dict[tuple[str, Level, str, str], list[tuple[str, Verdict]]] = {}
    for region, found in findings.items():
        for item in verdicts(found):
            key = (item.check, item.level, _blank(item.message, region), _blank(item.hint, region))
            groups.setdefault(key, []).append((region, item))
    merged = (
        Verdict(
            check=check,
            level=level,
            message=_fill(message, regions),
            hint=_fill_advice(hint, regions),
            instance_types=tuple(dict.fromkeys(name for _, item in members for name in item.instance_types)),
            regions=tuple(regions),
        )
        for (check, level, message, hint), members in groups.items()
        for regions in [[region for region, _ in members]]
    )
    return tuple(sorted(merged, key=lambda item: list(Level).index(item.level), reverse=True))


# No finding has this character, so that it can stand for the name that differs.
_NAME = "\0"


def _blank(text: str, name: str) -> str:
    return re.sub(rf"\b{re.escape(name)}\b", _NAME, text) if name else text


def _fill(text: str, names: list[str]) -> str:
    return text.replace(_NAME, " / ".join(names))


def _fill_advice(text: str, names: list[str]) -> str:
    """Fill in what is to be typed: a flag takes one name, so that the command is right for the first of them."""
    typed = re.sub(rf"(?<=--)([\w-]+ ){_NAME}", rf"\g<1>{names[0]}" if names else "", text)
    if typed == text or len(names) == 1:
        return _fill(typed, names)
    return f"{_fill(typed, names)} Likewise: {', '.join(names[1:])}."
