"""Can this be deployed now? Pure checks over facts: each is one question and returns findings.

A check neither asks AWS, nor prints, nor raises. What could not be read is a warning that names the missing
permission; only what is known to fail is an error.
"""

from __future__ import annotations

from dataclasses import replace

from deployer.facts import Facts, Unknown, gather
from deployer.preflight.account import check_credentials, check_region
from deployer.preflight.findings import Finding, Level, can_launch
from deployer.preflight.image import check_image
from deployer.preflight.machine import check_instance_type, check_offering
from deployer.preflight.quota import check_quota

__all__ = ["Facts", "Finding", "Level", "Unknown", "can_launch", "check", "gather", "launchable_types"]


def check(facts: Facts) -> list[Finding]:
    """Return every finding, in the order of the questions.

    A candidate that cannot be launched is an error only where no other can; beside a good one it is a warning.
    """
    findings = check_credentials(facts)
    if can_launch(findings):  # without an account, nothing else could be asked
        findings += check_region(facts)
    if not can_launch(findings):
        return findings
    by_type = {name: _check_candidate(facts, name) for name in facts.config.instance_type}
    good = any(can_launch(found) for found in by_type.values())
    for found in by_type.values():
        findings += [_soften(item) for item in found] if good else found
    return findings


def launchable_types(facts: Facts) -> tuple[str, ...]:
    """Return the configured instance types that nothing is known against, in their order."""
    if not can_launch(check_credentials(facts) + check_region(facts)):
        return ()
    return tuple(name for name in facts.config.instance_type if can_launch(_check_candidate(facts, name)))


def _check_candidate(facts: Facts, name: str) -> list[Finding]:
    found = check_instance_type(facts, name)
    # Nothing more can be said of a type that does not exist or is not wanted.
    if not can_launch(found):
        return found
    return found + check_offering(facts, name) + check_quota(facts, name) + check_image(facts, name)


def _soften(finding: Finding) -> Finding:
    return replace(finding, level=Level.WARNING) if finding.level is Level.ERROR else finding
