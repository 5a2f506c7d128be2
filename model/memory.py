"""What to do when memory is short: a batch is computed in smaller parts, which give the same gradient in sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from model.errors import ModelError

# oneDNN computes the convolutions on a CPU; it keeps its reason to itself.
_ONEDNN_SIGNS = ("could not create a primitive", "could not execute a primitive")
# Of the CPU's allocator and of libraries below PyTorch, which raise a plain RuntimeError.
_SIGNS = ("can't allocate memory", "out of memory", "ALLOC_FAILED", "not enough memory", "bad_alloc", *_ONEDNN_SIGNS)


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that memory was short, on the GPU or on the CPU."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


@contextmanager
def telling_of_short_memory() -> Iterator[None]:
    """Turn what runs out of memory elsewhere than in a batch, where parts would not help, into ModelError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise ModelError(
            "Memory is too short for this network and its optimizer, or for the images.",
            hint="Use a smaller --image-size or --arch, or a machine with more memory.",
        ) from error


def answer_in_parts(answer: Callable[[Tensor], Tensor], items: Tensor, *, part_size: int) -> Tensor:
    """Return the answers to parts of so many items, joined; where memory is short, of half as many, and so on."""
    while True:
        try:
            return torch.cat([answer(part) for part in torch.split(items, part_size)])
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or part_size == 1:
                raise
            leave_onednn(error)
        # Outside of `except`: the error holds the tensors that are to be freed.
        part_size = max(1, min(part_size, len(items)) // 2)
        free_cached_memory()


def leave_onednn(error: BaseException) -> None:
    """Compute without oneDNN from now on where it was short of memory: what makes its code does not get over that."""
    if any(sign in str(error) for sign in _ONEDNN_SIGNS):
        torch.backends.mkldnn.set_flags(_enabled=False)  # type: ignore[no-untyped-call]


def free_cached_memory() -> None:
    """Give the GPU back what PyTorch keeps for tensors to come: the next ones have other sizes."""
    torch.cuda.empty_cache()  # does nothing where no GPU is used
