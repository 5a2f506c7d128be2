"""Does the instance type exist, has it a GPU, can it be bought, and where is it offered?"""

from __future__ import annotations

import difflib
import re

from deployer.allowed import ZONE_PATTERN
from deployer.aws import ec2
from deployer.aws.ec2 import InstanceType
from deployer.aws.hardware import ZONES_DATE, hardware_table
from deployer.facts import Facts, Unknown
from deployer.preflight.findings import Finding, Level, allow, unknown

# Family: gone by (last seen in the public offering data the quarter before), what to take instead.
WITHDRAWN_FAMILIES = {
    "g2": ("2023-10", "g4dn.xlarge"),
    "g3": ("2024-11", "g4dn.xlarge"),
    "g3s": ("2024-11", "g4dn.xlarge"),
    "p2": ("2025-03", "g5.xlarge"),
    "p3": ("2026-05", "g6e.xlarge"),
}

# By the letters before the first digit: what AWS makes these families for, and none of it is a GPU.
# docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html, 2026-11
WITHOUT_GPU = {
    "a": "Arm CPUs",
    "c": "computing on CPUs",
    "d": "dense storage",
    "dl": "Gaudi accelerators, which are no GPUs",
    "f": "FPGAs",
    "h": "dense storage",
    "hpc": "computing on many CPUs",
    "i": "fast storage",
    "im": "fast storage",
    "inf": "Inferentia accelerators, which are no GPUs",
    "is": "fast storage",
    "m": "general work on CPUs",
    "mac": "macOS",
    "r": "much memory",
    "t": "small, burstable CPU machines",
    "trn": "Trainium accelerators, which are no GPUs",
    "u": "very much memory",
    "vt": "video transcoding",
    "x": "much memory",
    "z": "fast CPUs",
}

# The regions that the table knows, and how the ids of their zones begin.
TABLE_REGIONS = {"us-east-1": "use1-", "us-east-2": "use2-", "us-west-2": "usw2-"}

TAKE_A_GPU = (
    "GPUs are in the families G and P: take g4dn.xlarge (T4, 16 GiB), g5.xlarge or g6.xlarge (24 GiB) or p5.4xlarge "
    "(H100, 80 GiB), or ask for memory with --gpu-memory 24"
)


def check_instance_type(facts: Facts, name: str) -> list[Finding]:
    """Does the type exist, can it be bought this way, and has it a GPU that PyTorch can use?"""

    def refuse(message: str, hint: str) -> list[Finding]:
        return [Finding("instance type", Level.ERROR, message, hint, name)]

    family = name.split(".")[0]
    if family in WITHDRAWN_FAMILIES:
        since, successor = WITHDRAWN_FAMILIES[family]
        return refuse(
            f"{name} was withdrawn: AWS has not offered that family since {since}.",
            f'Set instance_type = ["{successor}"] in deployer.toml, or pass --instance-type {successor}.',
        )
    if isinstance(facts.types, Unknown):
        return [unknown("instance type", f"The hardware of {name}", facts.types, name)]
    if name not in facts.types:
        return refuse(*_absent(facts, name))
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
    region = facts.config.region
    if isinstance(facts.offerings, Unknown):
        return [unknown("offering", f"Where {name} is offered", facts.offerings, name)]
    offered = facts.offerings.get(name, frozenset())
    if not offered:
        return [Finding("offering", Level.ERROR, f"{name} is not offered in {region}.", _elsewhere(name, region), name)]
    ids = {} if isinstance(facts.zones, Unknown) else {zone.name: zone.id for zone in facts.zones}
    wanted = wanted_zone(facts)
    if wanted and isinstance(facts.zones, Unknown) and not ZONE_PATTERN.fullmatch(wanted):
        message = f"Which zone {wanted} is in this account could not be read: {facts.zones.reason}"
        hint = f"{allow(facts.zones.permission, facts.zones.reason)} Or name the zone, e.g. --zone {min(offered)}."
        return [Finding("offering", Level.ERROR, message, hint.strip(), name)]
    if wanted and wanted not in offered:
        first = min(offered)
        asked = facts.config.availability_zone
        return [
            Finding(
                "offering",
                Level.ERROR,
                f"{name} is not offered in {asked}; it is offered in {', '.join(sorted(offered))}.",
                f'Set availability_zone = "{first}" in deployer.toml, or pass --zone {first}.',
                name,
            )
        ]
    listed = ", ".join(f"{zone} ({ids[zone]})" if zone in ids else zone for zone in sorted(offered))
    return [Finding("offering", Level.OK, f"{name} is offered in {listed}", "", name)]


def wanted_zone(facts: Facts) -> str:
    """Return the name, in this account, of the zone to insist on: it may have been given by its id."""
    wanted = facts.config.availability_zone
    zone = None if isinstance(facts.zones, Unknown) else ec2.find_zone(facts.zones, wanted)
    return zone.name if zone else wanted


def _absent(facts: Facts, name: str) -> tuple[str, str]:
    """Return what is wrong with a type that EC2 does not describe in this region, and what to take instead."""
    region = facts.config.region
    if name in {item.name for item in hardware_table()}:
        return f"{name} is not offered in {region}.", _elsewhere(name, region)
    letters = _letters(name)
    no_gpu = f", and the family {letters.upper()} has no GPU" if letters in WITHOUT_GPU else ""
    close = _close_types(name)
    hint = f"Did you mean {' or '.join(close)}?" if close and not no_gpu else f"{TAKE_A_GPU}."
    return f"There is no instance type {name} in {region}{no_gpu}.", hint


def _close_types(name: str) -> list[str]:
    """Return GPU types that may be meant: of the same size where that exists, families that begin so first."""
    known = [item.name for item in hardware_table()]
    family, _, size = name.partition(".")
    same_size = [item for item in known if item.partition(".")[2] == size]
    begun = [item for item in same_size if item.startswith(family)]  # g4 is g4dn
    return (begun or difflib.get_close_matches(name, same_size) or difflib.get_close_matches(name, known))[:3]


def _elsewhere(name: str, region: str) -> str:
    """Return where the table has seen the type, and how to ask everywhere."""
    seen = next((item.zone_ids for item in hardware_table() if item.name == name), frozenset())
    others = [
        item for item, zones in TABLE_REGIONS.items() if item != region and any(zone.startswith(zones) for zone in seen)
    ]
    where = f"It was offered in {', '.join(others)} (table of {ZONES_DATE}); " if others else ""
    return f"{where}`deployer check --region all` asks every region. Or choose another type with --instance-type."


def _letters(name: str) -> str:
    found = re.match(r"[a-z]*", name)
    return found[0] if found else ""


def _check_gpu(hardware: InstanceType, facts: Facts) -> list[Finding]:
    name = hardware.name
    memory = f"{hardware.vcpus} vCPUs, {hardware.memory_mib / 1024:g} GiB"
    if hardware.has_gpu and hardware.gpu_manufacturer.upper() in {"", "NVIDIA"}:
        count = hardware.gpus or "a part of one"
        gpu = f"{count} × {hardware.gpu_name} with {hardware.gpu_memory_mib / 1024:.0f} GiB"
        return [Finding("instance type", Level.OK, f"{name}: {gpu}, {memory}", "", name)]
    letters = _letters(name)
    made_for = f"; the family {letters.upper()} is for {WITHOUT_GPU[letters]}" if letters in WITHOUT_GPU else ""
    lacks = f"has no GPU ({memory}){made_for}"
    if hardware.has_gpu:
        lacks = f"has a {hardware.gpu_manufacturer} {hardware.gpu_name}, and the images drive NVIDIA's only"
    if facts.config.allow_cpu:
        return [Finding("instance type", Level.INFO, f"{name} {lacks} (allow_cpu is set)", f"{TAKE_A_GPU}.", name)]
    return [Finding("instance type", Level.ERROR, f"{name} {lacks}.", f"{TAKE_A_GPU}, or set allow_cpu = true.", name)]
