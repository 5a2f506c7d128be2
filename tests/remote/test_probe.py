"""What a host can train on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from deployer.errors import GpuNotReady, RemoteError
from deployer.remote.probe import HostFacts, nvidia, probe, require_gpu, wait_for_first_boot
from deployer.remote.ssh import Connection

from .conftest import RemoteHost

# A torch that says what we want: this machine need not have a GPU, and a real import takes seconds.
TORCH = """
import contextlib, os
from types import SimpleNamespace

with open(os.path.join(os.path.dirname(__file__), "imports"), "a") as file:
    file.write("x")
__version__ = "2.10.0"
version = SimpleNamespace(cuda="13.0")


class Tensor:
    def __matmul__(self, other):
        if {broken}:
            raise RuntimeError("CUDA error: no kernel image is available for execution on the device")
        return self

    def __eq__(self, other):
        return self

    def all(self):
        return True


def ones(*shape, device):
    return Tensor()


cuda = SimpleNamespace(
    is_available=lambda: {available},
    synchronize=lambda: None,
    get_device_properties=lambda index: SimpleNamespace(name="Tesla T4", total_memory=15360 << 20),
)
"""

MakePython = Callable[..., str]


@pytest.fixture
def make_python(tmp_path: Path) -> MakePython:
    """Return a function that makes an interpreter with such a torch and returns its path."""

    def make(name: str, *, available: bool = True, broken: bool = False, vision: bool = True) -> str:
        folder = tmp_path / name
        packages = {"torch": TORCH.format(available=available, broken=broken)}
        if vision:
            packages["torchvision"] = "__version__ = '0.25'"
        for package, text in packages.items():
            (folder / package).mkdir(parents=True)
            (folder / package / "__init__.py").write_text(text)
            (folder / package / "version.py").touch()
        program = folder / "python"
        # -S: without the site packages, hence without a real torch.
        program.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}" exec "{sys.executable}" -S "$@"\n')
        program.chmod(0o755)
        return str(program)

    return make


def test_probe_takes_the_first_python_that_has_both(connection: Connection, make_python: MakePython) -> None:
    pythons = ["no-python", make_python("half", vision=False), make_python("whole"), make_python("later")]

    facts = probe(connection, pythons=pythons)

    assert (facts.torch, facts.torchvision, facts.torch_cuda) == ("2.10.0", "0.25", "13.0")
    assert (facts.cuda_device, facts.gpu_memory_mib, facts.problem) == ("Tesla T4", 15360, "")
    assert facts.matmul_seconds is not None
    assert facts.python_version == ".".join(map(str, sys.version_info[:3]))


def test_probe_says_why_no_python_will_do(connection: Connection, make_python: MakePython) -> None:
    half = make_python("half", vision=False)

    facts = probe(connection, pythons=["no-python", half])

    assert facts == HostFacts(problem=f"no-python: no such program; {half}: has no torchvision")


def test_probe_imports_torch_once_per_boot_and_version(connection: Connection, make_python: MakePython) -> None:
    python = make_python("whole")
    imports = Path(python).parent / "torch" / "imports"

    first = probe(connection, pythons=[python])
    again = probe(connection, pythons=[python])
    after_two = imports.read_text()
    (Path(python).parent / "torch" / "version.py").write_text("new = True")
    probe(connection, pythons=[python])

    assert first == again
    assert after_two == "x"
    assert imports.read_text() == "xx"


def test_probe_reports_a_wheel_that_does_not_fit_the_gpu(connection: Connection, make_python: MakePython) -> None:
    facts = probe(connection, pythons=[make_python("broken", broken=True)])

    assert facts.problem == "RuntimeError: CUDA error: no kernel image is available for execution on the device"
    for allow_cpu in (False, True):
        with pytest.raises(GpuNotReady, match="no kernel image"):
            require_gpu(facts, allow_cpu)


def test_probe_reports_a_missing_gpu(connection: Connection, make_python: MakePython) -> None:
    facts = probe(connection, pythons=[make_python("cpu", available=False)])

    assert (facts.cuda_device, facts.problem) == (None, "torch finds no CUDA device")
    require_gpu(facts, allow_cpu=True)
    with pytest.raises(GpuNotReady, match=r"built for CUDA 13\.0") as caught:
        require_gpu(facts, allow_cpu=False)
    assert "allow_cpu = true" in caught.value.hint


@pytest.mark.skipif(find_spec("torchvision") is None, reason="needs the model extra")
def test_probe_works_with_the_real_torch(connection: Connection) -> None:
    facts = probe(connection, pythons=[sys.executable])

    assert facts.torch
    assert (facts.cuda_device is None) == bool(facts.problem)


def test_require_gpu_wants_a_python_even_for_the_cpu() -> None:
    with pytest.raises(GpuNotReady, match="No Python on the host"):
        require_gpu(HostFacts(problem="python3: has no torch"), allow_cpu=True)


def install(remote: RemoteHost, name: str, script: str) -> None:
    """Put a program on the PATH of the host."""
    folder = remote.home / "bin"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n" + script)
    (folder / name).chmod(0o755)
    remote.stop()
    remote.environment["PATH"] = f"{folder}:/usr/local/bin:/usr/bin:/bin"
    remote.start()


def test_nvidia_returns_what_the_driver_says(remote: RemoteHost) -> None:
    install(remote, "nvidia-smi", 'test "$1" = -L && echo "GPU 0: Tesla T4 (UUID: GPU-1)" && echo "GPU 1: Tesla T4"')

    with Connection(remote.host) as connection:
        assert nvidia(connection) == "GPU 0: Tesla T4 (UUID: GPU-1)"


def test_nvidia_returns_none_where_the_driver_fails(remote: RemoteHost) -> None:
    install(remote, "nvidia-smi", "echo NVIDIA-SMI has failed; exit 9")

    with Connection(remote.host) as connection:
        assert nvidia(connection) is None


# Prints one status after the other at each call, and the last one from then on.
CLOUD_INIT = """
line=$(head -1 ~/statuses)
test $(wc -l < ~/statuses) -gt 1 && sed -i.old 1d ~/statuses
echo "status: ${line% *}"
exit ${line##* }
"""


@pytest.mark.parametrize(
    ("statuses", "waits", "warning"),
    [
        (["done 0"], 0, ""),
        (["not run 0", "running 0", "running 0", "done 0"], 3, ""),
        (["disabled 0"], 0, ""),
        (["running 0", "error 1"], 1, "cloud-init: error"),
        (["done 2"], 0, "cloud-init: done"),
    ],
)
def test_wait_for_first_boot_ends_with_cloud_init(
    remote: RemoteHost, statuses: list[str], waits: int, warning: str
) -> None:
    install(remote, "cloud-init", CLOUD_INIT)
    (remote.home / "statuses").write_text("\n".join(statuses) + "\n")
    heard: list[str] = []

    with Connection(remote.host) as connection:
        said = wait_for_first_boot(connection, heard.append, 60, sleep=lambda _: None)

    assert len(heard) == waits
    assert warning in said
    assert bool(said) == bool(warning)


def test_wait_for_first_boot_does_not_wait_for_ever(remote: RemoteHost) -> None:
    install(remote, "cloud-init", CLOUD_INIT)
    (remote.home / "statuses").write_text("running 0\n")
    times = iter([0.0, 30.0, 61.0])

    with Connection(remote.host) as connection, pytest.raises(RemoteError, match="not ended after 60 s"):
        wait_for_first_boot(connection, lambda _: None, 60, sleep=lambda _: None, clock=lambda: next(times))


def test_wait_for_first_boot_needs_no_cloud_init(remote: RemoteHost) -> None:
    install(remote, "unrelated", "")

    with Connection(remote.host) as connection:
        assert wait_for_first_boot(connection, pytest.fail, 60) == ""
