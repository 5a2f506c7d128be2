"""Can this be deployed now? Pure checks over facts: each is one question and returns findings.

A check neither asks AWS, nor prints, nor raises. What could not be read is a warning that names the missing
permission; only what is known to fail is an error.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace

from deployer.aws.ec2 import InstanceType
from deployer.aws.images import NOT_FOUND_CODES
from deployer.aws.prices import known_gpu_types
from deployer.aws.quotas import counts_against
from deployer.aws.regions import close_regions
from deployer.facts import Facts, Unknown, gather

__all__ = ["Facts", "Finding", "Level", "Unknown", "can_launch", "check", "gather", "launchable_types"]

# Family: gone by (last seen in the public offering data the quarter before), what to take instead.
WITHDRAWN_FAMILIES = {
    "g2": ("2023-10", "g4dn.xlarge"),
    "g3": ("2024-11", "g4dn.xlarge"),
    "g3s": ("2024-11", "g4dn.xlarge"),
    "p2": ("2025-03", "g5.xlarge"),
    "p3": ("2026-05", "g6e.xlarge"),
}


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


def can_launch(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing stands in the way."""
    return all(finding.level is not Level.ERROR for finding in findings)


def launchable_types(facts: Facts) -> tuple[str, ...]:
    """Return the configured instance types that nothing is known against, in their order."""
    if not can_launch(check_credentials(facts) + check_region(facts)):
        return ()
    return tuple(name for name in facts.config.instance_type if can_launch(_check_candidate(facts, name)))


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
        found = [_unknown("region", f"Whether {region} exists and is enabled", facts.regions)]
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
        return [*found, _unknown("region", f"The availability zones of {region}", facts.zones)]
    names = [item.name for item in facts.zones]
    if zone and zone not in names:
        hint = f"Set availability_zone to one of {', '.join(names)}, or leave it empty."
        found.append(Finding("region", Level.ERROR, f"This account has no zone {zone} in {region}.", hint))
    return found


def check_instance_type(facts: Facts, name: str) -> list[Finding]:
    """Does the type exist, can it be bought this way, and has it a GPU that PyTorch can use?"""

    def refuse(message: str, hint: str) -> list[Finding]:
        return [Finding("instance type", Level.ERROR, message, hint, name)]

    if name.split(".")[0] in WITHDRAWN_FAMILIES:
        since, successor = WITHDRAWN_FAMILIES[name.split(".")[0]]
        return refuse(
            f"{name} was withdrawn: AWS has not offered that family since {since}.",
            f'Set instance_type = ["{successor}"] in deployer.toml, or pass --instance-type {successor}.',
        )
    if isinstance(facts.types, Unknown):
        return [_unknown("instance type", f"The hardware of {name}", facts.types, name)]
    if name not in facts.types:
        close = difflib.get_close_matches(name, known_gpu_types(), n=3)
        known = "Types with one GPU are g4dn.xlarge, g5.xlarge, g6.xlarge."
        hint = f"Did you mean {' or '.join(close)}?" if close else known
        return refuse(f"There is no instance type {name} in {facts.config.region}.", hint)
    hardware = facts.types[name]
    option = "spot" if facts.config.spot else "on-demand"
    if option not in hardware.usage_classes:
        sold = ", ".join(sorted(hardware.usage_classes)) or "nothing else"
        other = "" if facts.config.spot else " or pass --spot"
        return refuse(
            f"{name} is not sold as {option} (only {sold}).",
            f"Choose another type{other if 'spot' in hardware.usage_classes else ''}.",
        )
    return _check_gpu(hardware, facts)


def check_offering(facts: Facts, name: str) -> list[Finding]:
    """Which availability zones offer the type, and is the wanted one among them?"""
    region, wanted = facts.config.region, facts.config.availability_zone
    if isinstance(facts.offerings, Unknown):
        return [_unknown("offering", f"Where {name} is offered", facts.offerings, name)]
    offered = facts.offerings.get(name, frozenset())
    if not offered:
        hint = "Choose another type with --instance-type, or another region with --region."
        return [Finding("offering", Level.ERROR, f"{name} is not offered in {region}.", hint, name)]
    if wanted and wanted not in offered:
        first = min(offered)
        return [
            Finding(
                "offering",
                Level.ERROR,
                f"{name} is not offered in {wanted}; it is offered in {', '.join(sorted(offered))}.",
                f'Set availability_zone = "{first}" in deployer.toml, or pass --zone {first}.',
                name,
            )
        ]
    ids = {} if isinstance(facts.zones, Unknown) else {zone.name: zone.id for zone in facts.zones}
    listed = ", ".join(f"{zone} ({ids[zone]})" if zone in ids else zone for zone in sorted(offered))
    return [Finding("offering", Level.OK, f"{name} is offered in {listed}", "", name)]


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
                _allow(quota.permission),
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
        return [Finding("quota", Level.WARNING, message, _allow(quota.permission), name)]
    return [Finding("quota", Level.OK, f"{asked}; {free} of {quota.value:g} are free ({limit})", "", name)]


def check_image(facts: Facts, name: str) -> list[Finding]:
    """Is there an image, and does it boot and drive the GPU of this type?"""
    image = facts.images.get(name, Unknown("not asked"))

    def refuse(message: str, hint: str) -> list[Finding]:
        return [Finding("image", Level.ERROR, message, hint, name)]

    if isinstance(image, Unknown):
        error = image.error
        if error is not None and error.code in NOT_FOUND_CODES:
            return refuse(error.message, error.hint or 'Leave ami empty, or set it to an "ami-…" of this region.')
        # Without the id of an image there is nothing to launch: the one unknown that is a no.
        permission = f"Allow {image.permission}" if image.permission else "Try again"
        return refuse(f"No image could be found for {name}: {image.reason}", f'{permission}, or set ami = "ami-…".')
    hardware = None if isinstance(facts.types, Unknown) else facts.types.get(name)
    shown = f"{image.ami_id} ({image.name})"
    another = "Leave ami empty to get the image that fits."
    if hardware is not None and hardware.architecture != image.architecture:
        return refuse(f"{shown} is {image.architecture}, and {name} is {hardware.architecture}.", another)
    families, family = image.supported_families, name.split(".")[0]
    if hardware is not None and hardware.has_gpu and families is not None and family not in families:
        listed = ", ".join(sorted(families))
        return refuse(f"{shown} has no driver for {family}; it supports {listed}.", another)
    size = facts.config.root_volume_gb
    if 0 < size < image.snapshot_gb:
        return refuse(
            f"root_volume_gb = {size} is too small: {shown} needs {image.snapshot_gb} GiB.",
            f"Set root_volume_gb to at least {image.snapshot_gb}, or 0.",
        )
    return [Finding("image", Level.OK, f"{shown} fits {name}", "", name)]


def _check_candidate(facts: Facts, name: str) -> list[Finding]:
    found = check_instance_type(facts, name)
    # Nothing more can be said of a type that does not exist or is not wanted.
    if not can_launch(found):
        return found
    return found + check_offering(facts, name) + check_quota(facts, name) + check_image(facts, name)


def _check_gpu(hardware: InstanceType, facts: Facts) -> list[Finding]:
    name = hardware.name
    memory = f"{hardware.vcpus} vCPUs, {hardware.memory_mib / 1024:g} GiB"
    if hardware.has_gpu and hardware.gpu_manufacturer.upper() in {"", "NVIDIA"}:
        count = hardware.gpus or "a part of one"
        gpu = f"{count} × {hardware.gpu_name} with {hardware.gpu_memory_mib / 1024:.0f} GiB"
        return [Finding("instance type", Level.OK, f"{name}: {gpu}, {memory}", "", name)]
    lacks = f"has no GPU: {memory}"
    if hardware.has_gpu:
        lacks = f"has a {hardware.gpu_manufacturer} {hardware.gpu_name}, and the images drive NVIDIA's only"
    if facts.config.allow_cpu:
        return [Finding("instance type", Level.INFO, f"{name} {lacks} (allow_cpu is set)", "", name)]
    hint = "Choose one with a GPU, e.g. g4dn.xlarge, or set allow_cpu = true."
    return [Finding("instance type", Level.ERROR, f"{name} {lacks}.", hint, name)]


def _soften(finding: Finding) -> Finding:
    return replace(finding, level=Level.WARNING) if finding.level is Level.ERROR else finding


def _unknown(check_name: str, subject: str, unknown: Unknown, instance_type: str = "") -> Finding:
    hint = _allow(unknown.permission) or (unknown.error.hint if unknown.error else "")
    message = f"{subject} could not be read: {unknown.reason}"
    return Finding(check_name, Level.WARNING, message, hint, instance_type)


def _allow(permission: str) -> str:
    return f"Allow {permission}." if permission else ""
