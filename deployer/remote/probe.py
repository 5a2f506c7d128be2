"""Is the host ready to train: has its first boot ended, and does its PyTorch reach its GPU?"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deployer.errors import GpuNotReady, RemoteError
from deployer.remote.agent import prepare
from deployer.remote.ssh import Connection

POLL_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """What the first interpreter with torch and torchvision found; all empty where there is none, but `problem`.

    `torch_cuda` is the CUDA version the torch wheel was built for ("" for a CPU build), `driver` the NVIDIA driver's;
    `matmul_seconds` one product of 2048 × 2048 float32 matrices on the GPU.
    """

    python: str = ""
    python_version: str = ""
    torch: str = ""
    torchvision: str = ""
    torch_cuda: str = ""
    driver: str = ""
    cuda_device: str | None = None
    gpu_memory_mib: int | None = None
    matmul_seconds: float | None = None
    problem: str = ""


def probe(connection: Connection, *, pythons: Sequence[str]) -> HostFacts:
    """Return the facts of the first of `pythons` on the host that imports torch and torchvision.

    Multiplies two matrices on the GPU where there is one. Seconds after a boot, a moment when asked again.
    """
    answer = connection.run(prepare(connection, "probe", *pythons))
    try:
        facts = json.loads(answer.text.rpartition("\n")[2])
    except ValueError as error:
        raise RemoteError(f"{connection.host} gave an answer that is not JSON: {answer.text[:200]!r}.") from error
    return HostFacts(**facts)


def require_gpu(facts: HostFacts, allow_cpu: bool) -> None:
    """Raise GpuNotReady unless the host can train: on a working GPU, or with `allow_cpu` on what it has."""
    if not facts.python:
        raise GpuNotReady(
            f"No Python on the host has torch and torchvision: {facts.problem}.",
            hint='Use a Deep Learning AMI with PyTorch: leave ami = "" in deployer.toml.',
        )
    if facts.cuda_device and facts.matmul_seconds is not None and not facts.problem:
        return
    if facts.cuda_device is None and allow_cpu:
        return
    built = f"built for CUDA {facts.torch_cuda}" if facts.torch_cuda else "built for the CPU only"
    driver = f"NVIDIA driver {facts.driver}" if facts.driver else "no NVIDIA driver is loaded"
    raise GpuNotReady(
        f"PyTorch on the host cannot use a GPU: {facts.problem}. "
        f"{facts.python} has torch {facts.torch}, {built}; {driver}.",
        hint="Leave ami and instance_type to their defaults, or set allow_cpu = true to train on the CPU.",
    )


def nvidia(connection: Connection) -> str | None:
    """Return the first GPU as the driver names it, e.g. "GPU 0: Tesla T4 (UUID: …)"; None where it shows none."""
    answer = connection.run("nvidia-smi -L", check=False)
    return answer.text.splitlines()[0] if answer.returncode == 0 and answer.text else None


def wait_for_first_boot(
    connection: Connection,
    on_wait: Callable[[str], None],
    timeout_seconds: float,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Wait for the end of cloud-init, which holds the package locks and arms the shutdown; return a warning or "".

    A host without cloud-init is ready. Raises RemoteError when it does not end in time.
    """
    end = clock() + timeout_seconds
    while True:
        answer = connection.run("command -v cloud-init >/dev/null || exit 127; cloud-init status --long", check=False)
        if answer.returncode == 127:
            return ""
        fields = dict(line.split(": ", 1) for line in answer.text.splitlines() if ": " in line)
        status = fields.get("status", "unknown")
        if status in ("done", "disabled") and answer.returncode == 0:
            return ""
        if status not in ("running", "not run", "not started", "unknown"):
            shown = fields.get("extended_status", status)
            return (
                f"The first boot of {connection.host} did not go well (cloud-init: {shown}). "
                "Its log there is /var/log/cloud-init-output.log."
            )
        if clock() >= end:
            raise RemoteError(
                f"The first boot of {connection.host} has not ended after {timeout_seconds:.0f} s.",
                hint="Look with `deployer ssh -- tail /var/log/cloud-init-output.log`, or `deployer up` to wait on.",
            )
        on_wait(f"the first boot of {connection.host} to end (cloud-init: {status})")
        sleep(POLL_SECONDS)
