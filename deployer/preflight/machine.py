"""Does the instance type exist, has it a GPU, can it be bought, and where is it offered?"""

from __future__ import annotations

import difflib

from deployer.aws.ec2 import InstanceType
from deployer.aws.prices import known_gpu_types
from deployer.facts import Facts, Unknown
from deployer.preflight.findings import Finding, Level, unknown

# Family: gone by (last seen in the public offering data the quarter before), what to take instead.
WITHDRAWN_FAMILIES = {
    "g2": ("2023-10", "g4dn.xlarge"),
    "g3": ("2024-11", "g4dn.xlarge"),
    "g3s": ("2024-11", "g4dn.xlarge"),
    "p2": ("2025-03", "g5.xlarge"),
    "p3": ("2026-05", "g6e.xlarge"),
}


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
        return [unknown("instance type", f"The hardware of {name}", facts.types, name)]
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
        return [unknown("offering", f"Where {name} is offered", facts.offerings, name)]
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
