"""Does the account allow as many vCPUs, networks and endpoints as the deployment needs?"""

from __future__ import annotations

from deployer.aws.hardware import hardware_table
from deployer.aws.quotas import Quota, counts_against
from deployer.facts import Facts, Unknown
from deployer.preflight.findings import Finding, Level, allow, unknown

# What Terraform makes one of, for each deployment.
NETWORK_PARTS = {"vpc": "VPC", "internet-gateway": "internet gateway"}


def check_quota(facts: Facts, name: str) -> list[Finding]:
    """Are enough vCPUs of the quota free for all nodes? Those of this deployment's own machines count as free."""
    quota = facts.quotas.get(name)
    if quota is None:
        return [Finding("quota", Level.WARNING, f"The vCPU quota for {name} is unknown.", "", name)]
    vcpus = _vcpus(facts, name)
    if isinstance(vcpus, Unknown):
        return [unknown("quota", f"How many vCPUs {name} needs ({quota.name})", vcpus, name)]
    nodes = facts.config.nodes
    needed = vcpus * nodes
    asked = f"{nodes} × {name} needs {needed} vCPUs"
    own = sum(item.vcpus for item in facts.existing if counts_against(quota, item))
    limit = f"{quota.name}, {quota.code}" + ("; this deployment's own machines not counted" if own else "")
    if quota.value is None:
        message = f"{asked}; how many {quota.region} allows is unknown: {quota.reason}"
        return [Finding("quota", Level.WARNING, message, allow(quota.permission, quota.reason), name)]
    used = (quota.used or 0) - own
    free = int(quota.value) - used
    if needed > free:
        message = f"{asked}, and {max(free, 0)} of {quota.value:g} are free in {quota.region} ({limit})."
        return [Finding("quota", Level.ERROR, message, request_more(quota, used + needed), name)]
    if quota.used is None:
        message = f"{asked} of {quota.value:g} ({limit}); how many are in use is unknown: {quota.reason}"
        return [Finding("quota", Level.WARNING, message, allow(quota.permission, quota.reason), name)]
    if quota.reason:
        message = f"{asked}; at most {free} of {quota.value:g} are free ({limit}), perhaps fewer: {quota.reason}"
        return [Finding("quota", Level.WARNING, message, allow(quota.permission, quota.reason), name)]
    return [Finding("quota", Level.OK, f"{asked}; {free} of {quota.value:g} are free ({limit})", "", name)]


def check_other_quotas(facts: Facts) -> list[Finding]:
    """Is there room for the deployment's network, where it has none yet, and for the endpoint that is configured?"""
    found = []
    for kind, part in NETWORK_PARTS.items():
        quota = facts.other_quotas.get(kind)
        if quota and facts.config.name not in quota.holders:
            found += _check_room(quota, f"The deployment needs a new {part}", Level.ERROR)
    endpoint = facts.other_quotas.get("endpoint")
    if endpoint:
        # `up` makes no endpoint, so that a full quota does not stand in its way.
        kind = facts.config.endpoint.instance_type
        found += _check_room(endpoint, f"An endpoint on {kind} needs 1 instance", Level.WARNING)
    return found


def request_more(quota: Quota, value: int) -> str:
    """Return the command that asks AWS for a new total; the region stands in it, since a quota has one."""
    return (
        f"Ask AWS for more: deployer quota request --code {quota.code} --value {value} --region {quota.region}, "
        "or choose another region (--region)."
    )


def _vcpus(facts: Facts, name: str) -> int | Unknown:
    """Return how many vCPUs one machine has; from the table where EC2 may not be asked."""
    if not isinstance(facts.types, Unknown) and name in facts.types:
        return facts.types[name].vcpus
    why = facts.types if isinstance(facts.types, Unknown) else Unknown(f"EC2 does not describe {name}.")
    return next((item.vcpus for item in hardware_table() if item.name == name), why)


def _check_room(quota: Quota, need: str, level: Level) -> list[Finding]:
    """Return what stands against one more; nothing where there is room."""
    limit = f"{quota.name}, {quota.code}" if quota.code else quota.name
    if quota.value is None:
        message = f"{need}; how many {quota.region} allows is unknown ({limit}): {quota.reason}"
        return [Finding("quota", Level.WARNING, message, allow(quota.permission, quota.reason))]
    if (quota.used or 0) + 1 > quota.value:
        free = max(int(quota.value) - (quota.used or 0), 0)
        message = f"{need}, and {free} of {quota.value:g} are free in {quota.region} ({limit})."
        return [Finding("quota", level, message, request_more(quota, (quota.used or 0) + 1))]
    if quota.used is None:
        message = (
            f"{need}; how many of {quota.value:g} are in use in {quota.region} is unknown ({limit}): {quota.reason}"
        )
        return [Finding("quota", Level.WARNING, message, allow(quota.permission, quota.reason))]
    return []
