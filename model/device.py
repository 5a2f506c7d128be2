"""Which device computes, how it is called, and in which precision: answers that follow from the machine alone."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from model.console import count
from model.errors import UsageError

# A CPU with one of these computes bfloat16 in circuits of its own: resnet18 at 128 px learnt 97 instead of 52 images a
# second (avx512_bf16, 2 cores, 2026-11). Elsewhere it is emulated: 4.5 times slower (Cascade Lake, 2026-11).
BFLOAT16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})

# Compiling takes about a minute on a GPU; of a step of 30 to 50 milliseconds it saves an eighth to a fifth (published
# figures of ResNet-50, A100; not measured here).
COMPILE_STEPS = 10_000


def choose_device(name: str) -> torch.device:
    """Return the device for `auto`, `cpu` or `cuda`; raises UsageError when there is no GPU that PyTorch can use.

    Under torchrun each process takes the GPU of its number on this machine.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("PyTorch finds no GPU on this machine.", hint="Use --device cpu, or mend the NVIDIA driver.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    processes, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if processes > gpus:
        raise UsageError(
            f"torchrun started {processes} processes, and PyTorch finds only {count(gpus, 'GPU')} on this machine.",
            hint=f"Use --nproc-per-node={gpus}, or --device cpu.",
        )
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def describe_device(device: torch.device) -> str:
    """Return `NVIDIA A10G` or `cpu (2 threads)`."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({torch.get_num_threads()} threads)"


def choose_precision(device: torch.device, network: nn.Module, *, is_exact: bool = False) -> torch.dtype:
    """Return bfloat16 where it has its own circuits, float16 on older GPUs, else float32.

    On a CPU, grouped convolutions (MobileNet, EfficientNet, ConvNeXt, ResNeXt) stay float32: in bfloat16 they lose a
    third to a half of their speed (mobilenet_v3, efficientnet_b0, avx512_bf16, 2026-11). So does what `is_exact`: a
    training whose gradient is that of the whole batch however it is divided, but for rounding, which bfloat16 would
    make visible.
    """
    if device.type == "cuda":
        major, _minor = torch.cuda.get_device_capability(device)
        return torch.bfloat16 if major >= 8 else torch.float16
    if is_exact:
        return torch.float32
    is_grouped = any(isinstance(module, nn.Conv2d) and module.groups > 1 for module in network.modules())
    return torch.bfloat16 if BFLOAT16_FLAGS & _read_cpu_flags() and not is_grouped else torch.float32


def choose_compile(setting: str, device: torch.device, *, steps: int, is_one_size: bool) -> bool:
    """Say whether to compile a network for `steps` steps: `on` and `off` are obeyed, `auto` asks what it repays.

    On a CPU it takes up to a minute for a tenth less of each step (resnet18, Cascade Lake, 2026-11), and the bits of
    the result would follow from the compiler; each size of images is compiled anew.
    """
    if setting != "auto":
        return setting == "on"
    return device.type == "cuda" and steps >= COMPILE_STEPS and is_one_size and find_spec("triton") is not None


def let_kernels_be_chosen(device: torch.device) -> None:
    """Let a GPU try its algorithms once, as every batch has one of few sizes, and multiply float32 in tensor cores.

    Training there is in half precision; what is left in float32 is the examination of a network, and TF32 keeps ten
    bits of it.
    """
    torch.backends.cudnn.benchmark = True
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")


def _read_cpu_flags() -> frozenset[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return frozenset(line.partition(":")[2].split())
