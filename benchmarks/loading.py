"""From files to batches: ours in the first epoch and later, and torchvision's reference recipe."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measures import Arms, Setting, rate, row
from benchmarks.pictures import write_pictures
from benchmarks.trainings import BATCH, configure, make_batches, make_loader

SIZES = ((320, 320), (500, 375))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@row("loader-first", "loader, epoch 1: files → batches of 224 px", at_least=2.0, quick=True)
def first_epoch(setting: Setting) -> Iterator[Arms]:
    from model.data.dataset import load_dataset

    count = setting.choose(1024, 96)
    write_pictures(setting.folder, count, sizes=SIZES, different=setting.choose(240, 96))
    config = configure(setting.folder, validation_share=0.02, test_share=0.02, cache="none")

    def load() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            dataset = load_dataset(config, is_streaming=True)
        make_batches(make_loader(config, dataset.pixels, learnt=dataset.split.train, store=dataset.store))()
        dataset.close()

    yield compare(setting, count, load)


@row("loader-later", "loader, epoch 2 and later", at_least=4.0, quick=True)
def later_epochs(setting: Setting) -> Iterator[Arms]:
    from model.data.images import decode_images

    paths = write_pictures(setting.folder, setting.choose(1024, 96), sizes=SIZES, different=setting.choose(240, 96))
    config = configure(setting.folder)
    loader = make_loader(config, decode_images(paths, config.decode_size).pixels)
    yield compare(setting, len(paths), make_batches(loader))


def compare(setting: Setting, count: int, load: Callable[[], object]) -> Arms:
    """Return our arm and torchvision's; the CPU's seconds of a small form are those of this process alone."""
    workers = (0,) if setting.is_quick else (0, 1, 2)
    reference = {
        f"torchvision, {number} workers": rate(count, load_by_torchvision(setting.folder, number), setting.clock)
        for number in workers
    }
    return Arms("images/s", {"deployer": rate(count, load, setting.clock), **reference})


def load_by_torchvision(
    folder: Path, workers: int, *, batch_size: int = BATCH, step: Callable[[Any, Any], None] = lambda *_: None
) -> Callable[[], object]:
    """Return an epoch of torchvision's recipe, each batch handed to `step`.

    Its workers stay between epochs, which is faster than its default.
    """
    import torch
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    transform = v2.Compose(
        [
            v2.RandomResizedCrop(224, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    loader = DataLoader(
        ImageFolder(str(folder), transform),
        batch_size=batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )

    def load() -> None:
        for images, targets in loader:
            step(images, targets)

    return load
