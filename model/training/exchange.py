"""The exchange of gradients between processes, which goes on while the backward pass computes the next ones.

1. Every process makes the same sums in the same order for every attempt at a batch: all buckets, from the last layer's
   to the first one's. One that ran out of memory half way takes part in those that are left, with whatever it has.
2. So nobody waits for ever, and whether the sums are worth anything is agreed afterwards.

DistributedDataParallel promises the first only as long as no process fails.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn

from model.training.distributed import Processes

# Summed at a time, as in PyTorch's DistributedDataParallel; the first bucket is smaller, to be on its way early.
FIRST_BUCKET_BYTES = 2**20
BUCKET_BYTES = 25 * 2**20


@dataclass(kw_only=True)
class _Bucket:
    """Parameters whose gradients travel together in `flat`; `views` are their places there."""

    parameters: list[nn.Parameter]
    flat: Tensor
    views: list[Tensor]
    missing: int = 0  # gradients that are still to be computed
    work: Any = None
    handles: list[Any] = field(default_factory=list)


class GradientExchange:
    """Sums the gradients of what a network learns over the processes; a single process has nothing to exchange."""

    def __init__(self, network: nn.Module, processes: Processes) -> None:
        learnt = [parameter for parameter in network.parameters() if parameter.requires_grad]
        # Gradients are ready from the last layer to the first.
        self._buckets = _fill_buckets(learnt[::-1]) if processes.count > 1 else []
        self.sent = 0  # buckets of this pass that are on their way
        self._is_open = False
        for bucket in self._buckets:
            for parameter in bucket.parameters:
                hook = partial(self._count_gradient, bucket)
                handle = parameter.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call]
                bucket.handles.append(handle)

    def open(self) -> None:
        """Send each bucket off as soon as its gradients are there: the next backward pass completes them."""
        self._is_open = True

    def finish(self) -> None:
        """Send off what is left, wait for all, and leave the sums in the network."""
        for bucket in self._buckets[self.sent :]:
            self._launch(bucket)
        for bucket in self._buckets:
            bucket.work.wait()
            for parameter, view in zip(bucket.parameters, bucket.views, strict=True):
                if parameter.grad is not None:
                    parameter.grad.copy_(view)
            bucket.missing = len(bucket.parameters)
        self.sent = 0
        self._is_open = False

    def close(self) -> None:
        """Leave the network's gradients alone from now on."""
        for bucket in self._buckets:
            for handle in bucket.handles:
                handle.remove()

    def _count_gradient(self, bucket: _Bucket, _parameter: Tensor) -> None:
        if not self._is_open:
            return
        bucket.missing -= 1
        while self.sent < len(self._buckets) and not self._buckets[self.sent].missing:
            self._launch(self._buckets[self.sent])

    def _launch(self, bucket: _Bucket) -> None:
        for parameter, view in zip(bucket.parameters, bucket.views, strict=True):
            if parameter.grad is None:
                view.zero_()
            else:
                view.copy_(parameter.grad)
        bucket.work = distributed.all_reduce(bucket.flat, async_op=True)
        self.sent += 1


def _fill_buckets(parameters: list[nn.Parameter]) -> list[_Bucket]:
    groups: list[list[nn.Parameter]] = [[]]
    room = FIRST_BUCKET_BYTES
    for parameter in parameters:
        if groups[-1] and parameter.nbytes > room:
            groups.append([])
            room = BUCKET_BYTES
        groups[-1].append(parameter)
        room -= parameter.nbytes
    return [_lay_out(group) for group in groups]


def _lay_out(parameters: list[nn.Parameter]) -> _Bucket:
    first = parameters[0]
    flat = torch.zeros(sum(parameter.numel() for parameter in parameters), dtype=first.dtype, device=first.device)
    parts = torch.split(flat, [parameter.numel() for parameter in parameters])
    # In the order in which the weights lie in memory: a copy between two orders is slow.
    views = [
        part.as_strided(parameter.size(), parameter.stride(), part.storage_offset())
        for part, parameter in zip(parts, parameters, strict=True)
    ]
    return _Bucket(parameters=parameters, flat=flat, views=views, missing=len(parameters))
