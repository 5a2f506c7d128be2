"""Does the account allow as many vCPUs, networks and endpoints as the deployment needs?"""

from __future__ import annotations

from deployer.aws.quotas import counts_against
from deployer.facts import Facts, Unknown
from deployer.preflight.findings import Finding, Level, allow


def check_quota(facts: Facts, name: str) -> list[Finding]:
    """Are enough vCPUs of the quota free for all nodes? Those of this deployment's own machines count as free."""
    quota = facts.quotas.get(name)
    if quota is None or isinstance(facts.types, Unknown) or name not in facts.types:
        return [Finding("quota", Level.WARNING, f"The vCPU quota for {name} is unknown.", "", name)]
    nodes = facts.config.nodes
    needed = facts.types[name].vcpus * nodes
    asked = f"{nodes} × {name} needs {needed} vCPUs"
    own = sum(item.vcpus for item in facts.existing if counts_against(quota, item))
    limit = f"{quota.name}, {quota.code}" + ("; this deployment's own machines not counted" if own else "")
    if quota.value is None:
        return [
            Finding(
                "quota",
                Level.WARNING,
                f"{asked}; how many {quota.region} allows is unknown: {quota.reason}",
                allow(quota.permission),
                name,
            )
        ]
    used = (quota.used or 0) - own
    free = int(quota.value) - used
    if needed > free:
        return [
            Finding(
                "quota",
                Level.ERROR,
                f"{asked}, and {max(free, 0)} of {quota.value:g} are free in {quota.region} ({limit}).",
                "Ask AWS for more: aws service-quotas request-service-quota-increase --service-code ec2"
                f" --quota-code {quota.code} --desired-value {used + needed} --region {quota.region}",
                name,
            )
        ]
    if quota.used is None:
        message = f"{asked} of {quota.value:g} ({limit}); how many are in use is unknown: {quota.reason}"
        return [Finding("quota", Level.WARNING, message, allow(quota.permission), name)]
    return [Finding("quota", Level.OK, f"{asked}; {free} of {quota.value:g} are free ({limit})", "", name)]
