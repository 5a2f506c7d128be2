"""Where the time of an epoch goes: a trace for Perfetto, a table on the screen, and one sentence of what to do."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch.cuda
from torch.profiler import ProfilerActivity, profile, record_function

from model.atomic import replacing
from model.console import say, warn
from model.errors import SaveError
from model.training.batches import ImageSet

FILE = "trace.json.gz"
# A step of ResNet-18 leaves a thousand events: of more steps the trace would be slow to open and tell nothing new.
MAX_STEPS = 100
SHOWN_OPERATORS = 3

# From what share of the time on something is worth saying, in this order.
ADVICE = {
    "waiting for images": (
        0.1, "Images keep the network waiting: read them from shards or from a local folder, or let --cache keep them."
    ),
    "making batches": (
        0.25, "Changing the images takes long beside so small a network: --augment none or standard is quicker."
    ),
    "optimizer": (0.2, "The optimizer takes long beside so few images at a time: use a larger --batch-size."),
    "other": (0.25, "Much time passes between the steps: use a larger --batch-size."),
}  # fmt: skip
NETWORK_ADVICE = "The network takes the time: a smaller --image-size or --arch, or a faster machine, makes it quicker."


class Phases:
    """Names what a step is doing, for a profile; without one it costs nothing."""

    def __init__(self) -> None:
        self._profile: EpochProfile | None = None

    def __call__(self, name: str) -> AbstractContextManager[None]:
        """Return the context of a phase: `data`, `forward`, `backward` or `optimizer`."""
        return nullcontext() if self._profile is None else self._profile.record(name)

    def start(self, profile: EpochProfile) -> None:
        """Record what comes."""
        self._profile = profile

    def count_step(self) -> None:
        """Count a step; after enough of them the recording ends."""
        if self._profile is not None:
            self._profile.steps += 1
            if self._profile.steps == MAX_STEPS:
                self.end()

    def end(self) -> None:
        """Write the recording, if there is one."""
        if self._profile is not None:
            self._profile.end()
            self._profile = None


class EpochProfile:
    """The first steps of one epoch, recorded; the trace lies in `folder` at the end."""

    def __init__(self, folder: Path, data: ImageSet, *, where: str) -> None:
        self.seconds = dict.fromkeys(("data", "forward", "backward", "optimizer"), 0.0)
        self.steps = 0
        self._path = folder / FILE
        self._where = where
        self._data = data
        self._waited_before = data.seconds_waited
        self._is_cuda = data.device.type == "cuda"
        # PyTorch's profiler tells of its own stages, and calls a machine without a GPU an error.
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self._is_cuda else [])]
        self._profiler = profile(activities=activities)
        self._profiler.start()
        self._began = time.perf_counter()

    @contextmanager
    def record(self, name: str) -> Iterator[None]:
        """Count the time of a phase; a GPU is waited for, or the next phase would count what this one asked for."""
        began = time.perf_counter()
        with record_function(name):
            yield
            if self._is_cuda:
                torch.cuda.synchronize()
        self.seconds[name] += time.perf_counter() - began

    def end(self) -> None:
        """Write the trace and tell where the time went."""
        total = time.perf_counter() - self._began
        self._profiler.stop()
        shares = _divide(self.seconds, self._data.seconds_waited - self._waited_before, total)
        say(f"{self._where}, {self.steps} steps in {total:.2f}s:")
        for name, share in shares.items():
            say(f"  {name:<18} {share * total:8.2f}s {100 * share:5.1f} %")
        say(f"  slowest: {self._list_operators()}")
        say(f"  {advise(shares)}")
        try:
            self._write()
        except SaveError as error:
            warn(error.message)
        else:
            say(f"  wrote {self._path}, which https://ui.perfetto.dev shows")

    def _list_operators(self) -> str:
        averages = self._profiler.key_averages()
        time_of = "self_device_time_total" if self._is_cuda else "self_cpu_time_total"
        operators = [item for item in averages if item.key not in self.seconds]
        total = sum(getattr(item, time_of) for item in averages) or 1.0
        slowest = sorted(operators, key=lambda item: -float(getattr(item, time_of)))[:SHOWN_OPERATORS]
        return ", ".join(f"{item.key} {100 * getattr(item, time_of) / total:.0f} %" for item in slowest)

    def _write(self) -> None:
        with replacing(self._path) as file, tempfile.TemporaryDirectory(dir=self._path.parent) as folder:
            plain = Path(folder) / "trace.json"
            self._profiler.export_chrome_trace(str(plain))
            with plain.open("rb") as trace, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
                shutil.copyfileobj(trace, packed)


def advise(shares: Mapping[str, float]) -> str:
    """Return one sentence of what would make the training quicker."""
    return next((advice for name, (least, advice) in ADVICE.items() if shares[name] >= least), NETWORK_ADVICE)


def _divide(seconds: Mapping[str, float], seconds_waited: float, total: float) -> dict[str, float]:
    """Return the shares of the time; what is in none of the phases is `other`."""
    parts = {
        "waiting for images": seconds_waited,
        "making batches": seconds["data"] - seconds_waited,
        **{name: seconds[name] for name in ("forward", "backward", "optimizer")},
        "other": total - sum(seconds.values()),
    }
    return {name: max(0.0, part) / total for name, part in parts.items()}
