"""Can this be deployed now? Pure checks over facts: each is one question and returns findings.

A check neither asks AWS, nor prints, nor raises. What could not be read is a warning that names the missing
permission; only what is known to fail is an error.
"""

from __future__ import annotations

from dataclasses import replace

from deployer.facts import Facts, Unknown, gather
from deployer.preflight.account import check_credentials, check_region
from deployer.preflight.cloud9 import check_cloud9
from deployer.preflight.data import check_data
from deployer.preflight.findings import Finding, Level, can_launch
from deployer.preflight.image import check_configured_image, check_image
from deployer.preflight.machine import check_instance_type, check_offering
from deployer.preflight.price import check_price
from deployer.preflight.quota import check_other_quotas, check_quota
from deployer.preflight.verdicts import Verdict, verdicts

__all__ = [
    "Facts",
    "Finding",
    "Level",
    "Unknown",
    "Verdict",
    "can_launch",
    "check",
    "gather",
    "launchable_types",
    "verdicts",
]


def check(facts: Facts) -> list[Finding]:
    """Return every finding, in the order of the questions.

    A candidate that cannot be launched is an error only where no other can; beside a good one it is a warning.
    """
    findings = _check_account(facts)
    if not can_launch(findings):  # nothing else could be asked
        return findings
    by_type = {name: _check_candidate(facts, name) for name in facts.config.instance_type}
    good = any(can_launch(found) for found in by_type.values())
    for found in by_type.values():
        findings += [_soften(item) for item in found] if good else found
    return findings + _check_surroundings(facts)


def launchable_types(facts: Facts) -> tuple[str, ...]:
    """Return the configured instance types that nothing is known against, in their order."""
    if not can_launch(_check_account(facts)) or not can_launch(_check_surroundings(facts)):
        return ()
    return tuple(name for name in facts.config.instance_type if can_launch(_check_candidate(facts, name)))


def _check_account(facts: Facts) -> list[Finding]:
    found = check_credentials(facts)
    return found + check_region(facts) if can_launch(found) else found


def _check_surroundings(facts: Facts) -> list[Finding]:
    """Return what is the same for every candidate: networks, endpoint, data, Cloud9."""
    return check_other_quotas(facts) + check_data(facts) + check_cloud9(facts)


def _check_candidate(facts: Facts, name: str) -> list[Finding]:
    found = check_instance_type(facts, name)
    # Nothing more can be said of a type that does not exist or is not wanted, but of the image that was to drive it.
    if not can_launch(found):
        return found + check_configured_image(facts, name)
    return (
        found
        + check_offering(facts, name)
        + check_price(facts, name)
        + check_quota(facts, name)
        + check_image(facts, name)
    )


def _soften(finding: Finding) -> Finding:
    return replace(finding, level=Level.WARNING) if finding.level is Level.ERROR else finding
