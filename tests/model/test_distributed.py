"""Two processes under torchrun: the weights of one, one voice, one set of files, and no process that waits for ever."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, nn
from training_runs import configure, train

from model.train import main
from model.training.distributed import Processes
from model.training.exchange import GradientExchange

ROOT = Path(__file__).parents[2]

# Nothing that depends on which images stand beside each other; dropout, mixing and class weights do not.
EXACT = ("--augment", "none", "--freeze-norm", "--balance", "weights", "--dropout", "0.5", "--cutmix", "0.5")


TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "model.train")


def _options(folder: Path, output: Path) -> list[str]:
    return ["--data", str(folder), "--output", str(output), "--image-size", "32", "--device", "cpu", "--arch", "cnn"]


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'model'}", "OMP_NUM_THREADS": "1"}


@contextmanager
def _started(folder: Path, output: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a training of two processes that would last for hours, and wait for its second epoch."""
    command = [*TORCHRUN, *_options(folder, output), "--epochs", "10000"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment(), start_new_session=True
    )
    assert process.stdout is not None
    try:
        next(line for line in process.stdout if line.startswith("epoch 2/"))
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _find_worker(output: Path, rank: int) -> int:
    """Return the process id of a worker, by what torchrun told it."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"RANK={rank}".encode() in words and str(output).encode() in command:
            return int(folder.name)
    raise LookupError(rank)


def test_two_processes_give_the_weights_of_one(
    class_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--epochs", "3", "--batch-size", "10", *EXACT)
    monkeypatch.setattr(sys, "argv", ["model.train", *_options(class_folders, tmp_path / "1"), *options])
    main()

    command = [*TORCHRUN, *_options(class_folders, tmp_path / "2"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=_environment(), check=False)

    assert done.returncode == 0, done.stderr
    assert "2 processes, float32" in done.stdout
    one, two = (torch.load(tmp_path / name / "model.pt", weights_only=True)["states"][0] for name in ("1", "2"))
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-4
    alone, shared = ((tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("1", "2"))
    assert len(shared) == len(alone) == 3
    assert json.loads(shared[2])["train_loss"] == pytest.approx(json.loads(alone[2])["train_loss"], abs=1e-4)
    assert done.stdout.count("epoch 3/3") == 1


def test_memory_that_one_process_lacks_in_the_middle_of_the_exchange_costs_no_gradient(tmp_path: Path) -> None:
    command = [*TORCHRUN[:-2], str(Path(__file__).with_name("short_of_memory.py")), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=_environment(), check=False)

    assert done.returncode == 0, done.stderr
    assert "same gradients: True, at once: 2" in done.stdout


def test_gradients_are_on_their_way_before_the_backward_pass_ends() -> None:
    class Slow(torch.autograd.Function):
        @staticmethod
        def forward(_context: object, features: Tensor) -> Tensor:
            return features.clone()

        @staticmethod
        def backward(_context: object, gradient: Tensor) -> Tensor:
            sent.append(exchange.sent)
            return gradient

    # A group of one, in which sums change nothing, that counts itself as two.
    store = distributed.HashStore()
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        first, last = nn.Linear(4, 600), nn.Linear(600, 600)
        exchange = GradientExchange(nn.ModuleList([first, last]), Processes(rank=0, count=2))
        sent: list[int] = []
        exchange.open()
        last(Slow.apply(first(torch.ones(1, 4)))).sum().backward()
        exchange.finish()
    finally:
        distributed.destroy_process_group()

    assert sent == [1]
    assert first.weight.grad is not None
    assert first.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("arch", ["cnn", "small_resnet"])
def test_parts_of_a_batch_give_the_weights_of_the_whole(arch: str, tmp_path: Path) -> None:
    recipe = {"augment": "none", "freeze_norm": True, "balance": "weights", "dropout": 0.5, "mixup": 1.0}
    options = {**recipe, "arch": arch, "epochs": 8, "learning_rate": 2e-3}

    whole, parts = (
        train(configure(tmp_path / str(parts), accumulate=parts, **options)).checkpoint.states[0] for parts in (1, 5)
    )

    assert max(float((whole[name] - parts[name]).abs().max()) for name in whole) < 1e-5


@pytest.mark.slow
def test_an_interruption_is_agreed_between_processes(class_folders: Path, tmp_path: Path) -> None:
    with _started(class_folders, tmp_path) as process:
        os.kill(_find_worker(tmp_path, rank=1), signal.SIGTERM)
        output, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert len(re.findall("Stopped by SIGTERM in epoch", output)) == 1
    assert (tmp_path / "checkpoints" / "last.pt").exists()


def test_a_killed_worker_ends_the_training_with_its_checkpoint_kept(class_folders: Path, tmp_path: Path) -> None:
    with _started(class_folders, tmp_path) as process:
        os.kill(_find_worker(tmp_path, rank=1), signal.SIGKILL)
        output, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "Error: Another process of this training has ended" in output
    assert torch.load(tmp_path / "checkpoints" / "last.pt", weights_only=True)["training"]["state"]["step"] >= 0
