"""Who is asking, and may this account use the region?"""

from __future__ import annotations

import difflib

from deployer.aws.regions import close_regions
from deployer.facts import Facts, Unknown
from deployer.preflight.findings import Finding, Level, unknown


def check_credentials(facts: Facts) -> list[Finding]:
    """Does AWS know who is asking?"""
    if not isinstance(facts.identity, Unknown):
        who = facts.identity
        return [Finding("credentials", Level.OK, f"account {who.account}, {who.arn}")]
    # The one call that needs no permission; and without the account's number the bucket has no name.
    error = facts.identity.error
    return [Finding("credentials", Level.ERROR, facts.identity.reason, error.hint if error else "")]


def check_region(facts: Facts) -> list[Finding]:
    """Does the region exist, is it enabled for this account, and does it have the zone that was asked for?"""
    region, zone = facts.config.region, facts.config.availability_zone
    if isinstance(facts.regions, Unknown):
        found = [unknown("region", f"Whether {region} exists and is enabled", facts.regions)]
    elif region not in facts.regions:
        close = difflib.get_close_matches(region, facts.regions, n=3) or close_regions(region)
        hint = f"Did you mean {' or '.join(close)}?" if close else f"There are: {', '.join(sorted(facts.regions))}."
        return [Finding("region", Level.ERROR, f"There is no region {region}.", hint)]
    elif not facts.regions[region]:
        hint = f"Enable it: aws account enable-region --region-name {region}"
        return [Finding("region", Level.ERROR, f"{region} is not enabled for this account.", hint)]
    else:
        count = "" if isinstance(facts.zones, Unknown) else f", {len(facts.zones)} availability zones"
        found = [Finding("region", Level.OK, f"{region} is enabled{count}")]
    if isinstance(facts.zones, Unknown):
        return [*found, unknown("region", f"The availability zones of {region}", facts.zones)]
    names = [item.name for item in facts.zones]
    if zone and zone not in names:
        hint = f"Set availability_zone to one of {', '.join(names)}, or leave it empty."
        found.append(Finding("region", Level.ERROR, f"This account has no zone {zone} in {region}.", hint))
    return found
