"""Which of some interpreters on this host can train, and on what: tried for real, and remembered until the next boot.

Runs on the host (sent there by deployer/remote/agent.py) with Python 3.8 or newer and the standard library only; the
other side is deployer/remote/probe.py. Prints facts as one line of JSON, no verdict. Importing torch takes seconds, so
what was found is kept as long as boot, driver, interpreter and the installed torch and torchvision are the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict  # noqa: UP035 - the host may have Python 3.8

CACHE = Path.home() / ".deployer" / "probe"
LOCATE_SECONDS = 60
EXAMINE_SECONDS = 300  # the first import after a boot reads gigabytes from a cold disk

Json = Dict[str, Any]  # noqa: UP006

# Run by the interpreter in question: where are the two packages, without importing them?
LOCATE = """
import importlib.util, json, os, platform, sys

def stamp(name):
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return None
    return [spec.origin, os.stat(os.path.join(os.path.dirname(spec.origin), "version.py")).st_mtime_ns]

packages = {name: stamp(name) for name in ("torch", "torchvision")}
print(json.dumps({"python": sys.executable, "python_version": platform.python_version(), "packages": packages}))
"""

# Run by the interpreter in question: import both, multiply two matrices on the GPU, check the product.
EXAMINE = """
import json, time, warnings

facts = {"problem": ""}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        import torch
        facts.update(torch=torch.__version__, torch_cuda=torch.version.cuda or "")
        import torchvision
        facts.update(torchvision=torchvision.__version__)
        if torch.cuda.is_available():
            device = torch.cuda.get_device_properties(0)
            facts.update(cuda_device=device.name, gpu_memory_mib=device.total_memory >> 20)
            size = 2048
            ones = torch.ones(size, size, device="cuda")
            for _ in range(2):  # the first one also starts the library
                started = time.perf_counter()
                product = ones @ ones
                torch.cuda.synchronize()
                facts["matmul_seconds"] = time.perf_counter() - started
            if not bool((product == size).all()):
                facts["problem"] = "a matrix product on the GPU is wrong"
        elif facts["torch_cuda"]:
            said = [str(warning.message) for warning in caught if "CUDA" in str(warning.message)]
            facts["problem"] = said[-1] if said else "torch finds no CUDA device"
        else:
            facts["problem"] = "this torch is built for the CPU only"
    except Exception as error:
        facts["problem"] = f"{type(error).__name__}: {error}"
print()
print(json.dumps(facts))
"""


def main(pythons: list[str]) -> None:
    """Print the facts of the first interpreter that imports both packages, or why none does."""
    problems = []
    for python in pythons:
        program = shutil.which(os.path.expanduser(python))  # noqa: PTH111 - a bare name is looked up on the PATH
        found: Json = run(program, LOCATE, LOCATE_SECONDS) if program else {"problem": "no such program"}
        if program and not found.get("problem"):
            lacking = [name for name, stamp in found["packages"].items() if stamp is None]
            found = {"problem": f"has no {' and no '.join(lacking)}"} if lacking else look(program, found)
        if found.get("torchvision"):
            print(json.dumps(found))
            return
        problems.append(f"{python}: {found['problem']}")
    print(json.dumps({"problem": "; ".join(problems)}))


def look(program: str, located: Json) -> Json:
    """Return what is remembered of an interpreter, or examine it."""
    key = json.dumps([read_boot_id(), read_driver(), located])
    path = CACHE / (hashlib.sha256(key.encode()).hexdigest()[:24] + ".json")
    with contextlib.suppress(OSError, ValueError):
        remembered: Json = json.loads(path.read_text())
        return remembered
    facts = {**run(program, EXAMINE, EXAMINE_SECONDS), "driver": read_driver()}
    facts.update(python=located["python"], python_version=located["python_version"])
    if facts.get("torchvision"):
        CACHE.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(facts))
        part.replace(path)
    return facts


def run(program: str, script: str, timeout_seconds: float) -> Json:
    """Run `script` with an interpreter and return the JSON of its last line, or {"problem": why not}."""
    command = [program, "-c", script]
    try:
        # Not in the home folder: a file named torch.py there would be what "import torch" finds.
        done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_seconds)
        answer: Json = json.loads(done.stdout.decode().strip().rpartition("\n")[2])
    except subprocess.TimeoutExpired:
        return {"problem": f"did not answer within {timeout_seconds:.0f} s"}
    except OSError as error:
        return {"problem": f"cannot be run ({error.strerror})"}
    except ValueError:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        return {"problem": words[-1] if words else f"ended with exit code {done.returncode}"}
    return answer


def read_driver() -> str:
    """Return the version of the loaded NVIDIA driver, "" without one."""
    with contextlib.suppress(OSError):
        words = Path("/proc/driver/nvidia/version").read_text().split()
        return next((word for word in words if word[:1].isdigit() and "." in word), "")
    return ""


def read_boot_id() -> str:
    """Return what is another value after each boot of this host."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return subprocess.run(["sysctl", "-n", "kern.boottime"], stdout=subprocess.PIPE, check=True).stdout.decode()


if __name__ == "__main__":
    main(sys.argv[1:])
