"""On what it was measured: the facts that figures depend on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

# What of a CPU's flags makes arithmetic faster: vectors, and circuits for bfloat16 and int8.
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16", "i8mm")
PACKAGES = ("torch", "torchvision", "numpy", "Pillow", "simplejpeg", "onnxruntime", "boto3", "urllib3")


def describe_machine() -> dict[str, str]:
    """Return what this machine is: processor, cores, flags, memory, system, GPU."""
    facts = _read_cpuinfo()
    flags = [flag for flag in FLAGS if flag in facts.get("flags", facts.get("Features", "")).split()]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": facts.get("model name") or platform.processor() or platform.machine(),
        "cores": str(_count_cores()),
        "flags": " ".join(flags) or "unknown",
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": f"{_describe_system()}, {platform.machine()}",
        "GPU": _describe_gpu(),
    }


def list_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that do the work."""
    versions = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _read_cpuinfo() -> dict[str, str]:
    """Return the facts about the first processor; empty where the system does not tell them."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _describe_system() -> str:
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}"
    except OSError:
        return f"{platform.system()} {platform.release()}"


def _describe_gpu() -> str:
    """Ask the driver, not PyTorch: PyTorch takes seconds to import."""
    cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    if not cards:
        return "none"
    return ", ".join(card.read_text().partition("Model:")[2].partition("\n")[0].strip() for card in cards)
