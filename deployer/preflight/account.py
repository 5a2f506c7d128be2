"""Who is asking, and may this account use the region?"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping

from deployer.aws.regions import close_regions, known_regions
from deployer.distance import km_between
from deployer.facts import Facts, Unknown
from deployer.preflight.findings import Finding, Level, unknown

# Parts of AWS with accounts of their own; the credentials of one are unknown in the others.
PARTITIONS = {
    "cn-": "AWS China",
    "us-gov-": "AWS GovCloud",
    "us-iso": "an isolated AWS partition",
    "eu-iso": "an isolated AWS partition",
    "eusc-": "the AWS European Sovereign Cloud",
}


def check_credentials(facts: Facts) -> list[Finding]:
    """Does AWS know who is asking?"""
    if not isinstance(facts.identity, Unknown):
        who = facts.identity
        return [Finding("credentials", Level.OK, f"account {who.account}, {who.arn}")]
    # The one call that needs no permission; and without the account's number the bucket has no name.
    error = facts.identity.error
    return [Finding("credentials", Level.ERROR, facts.identity.reason, error.hint if error else "")]


def check_region(facts: Facts) -> list[Finding]:
    """Does the region exist, is it enabled for this account, does EC2 answer there, and has it the zone asked for?"""
    region = facts.config.region
    if isinstance(facts.regions, Unknown):
        found = [unknown("region", f"Whether {region} exists and is enabled", facts.regions)]
    elif region not in facts.regions:
        return [_no_such_region(region, facts.regions)]
    elif not facts.regions[region]:
        hint = f"Enable it, which takes some minutes: aws account enable-region --region-name {region}"
        enabled = [name for name, is_enabled in facts.regions.items() if is_enabled]
        if enabled:
            nearest = min(enabled, key=lambda name: (km_between(name, region) or math.inf, name))
            hint += f"; or take the nearest that is enabled: --region {nearest}"
        return [Finding("region", Level.ERROR, f"{region} is not enabled for this account.", f"{hint}.")]
    else:
        count = "" if isinstance(facts.zones, Unknown) else f", {len(facts.zones)} availability zones"
        found = [Finding("region", Level.OK, f"{region} is enabled{count}")]
    silent = _silent_service(facts)
    if silent:
        return [*found, silent]
    if isinstance(facts.zones, Unknown):
        return [*found, unknown("region", f"The availability zones of {region}", facts.zones)]
    zone = facts.config.availability_zone
    if zone and zone not in {text for item in facts.zones for text in (item.name, item.id)}:
        listed = ", ".join(f"{item.name} ({item.id})" for item in facts.zones)
        hint = f"Set availability_zone to one of {listed}, or leave it empty."
        found.append(Finding("region", Level.ERROR, f"This account has no zone {zone} in {region}.", hint))
    return found


def _no_such_region(region: str, regions: Mapping[str, bool]) -> Finding:
    partition = next((words for prefix, words in PARTITIONS.items() if region.startswith(prefix)), "")
    if partition and region in known_regions():
        hint = f"Use credentials of an account there, or another region: {', '.join(sorted(regions))}."
        return Finding("region", Level.ERROR, f"{region} belongs to {partition}, and this account does not.", hint)
    close = difflib.get_close_matches(region, regions, n=3) or close_regions(region)
    hint = f"Did you mean {' or '.join(close)}?" if close else f"There are: {', '.join(sorted(regions))}."
    return Finding("region", Level.ERROR, f"There is no region {region}.", hint)


def _silent_service(facts: Facts) -> Finding | None:
    """Return the one error to tell where EC2 answered nothing at all; None where it answered anything.

    Each answer that is missing is no reason against a launch. All of them are: without EC2 there is no image either.
    A missing permission is told one by one, since each has a name; a policy of the organisation at once.
    """
    answers = (facts.zones, facts.types, facts.offerings, facts.instances)
    silent = [item for item in answers if isinstance(item, Unknown) and item.error and not _lacks_permission(item)]
    if len(silent) < len(answers):
        return None
    first = silent[0]
    message = f"EC2 answers nothing in {facts.config.region}: {first.reason}"
    return Finding("region", Level.ERROR, message, unknown("region", "", first).hint)


def _lacks_permission(fact: Unknown) -> bool:
    """Tell a permission that the account's own administrator can give from a policy above the account."""
    return bool(fact.permission) and "control policy of the organisation" not in fact.reason
