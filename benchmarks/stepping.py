"""Steps of ResNet-18: ours against torchvision's defaults, and the whole loop against the bare step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measures import Arms, Setting, rate, row
from benchmarks.pictures import draw_noise
from benchmarks.trainings import BATCH, CLASSES, RepeatingLoader, configure, make_epoch, make_loader, make_trainer

if TYPE_CHECKING:
    from model.data.images import Pixels
    from model.training.batches import Batch
    from model.training.trainer import Trainer


@row("step", f"training step of ResNet-18, {BATCH} images of 224 px", at_least=1.5, quick=True)
def step(setting: Setting) -> Iterator[Arms]:
    steps, batch_size = setting.choose(4, 1), setting.choose(BATCH, 8)
    config = configure(setting.folder, batch_size=batch_size)
    loader = make_loader(config, draw_pixels(batch_size, config.decode_size))
    ours = make_epoch(make_trainer(loader), RepeatingLoader(loader, steps=steps))  # type: ignore[arg-type]
    yield Arms(
        "images/s",
        {
            "deployer": rate(steps * batch_size, ours, setting.clock),
            "torchvision's defaults": rate(steps * batch_size, step_as_usual(batch_size, steps), setting.clock),
        },
    )


@row("loop", f"the whole loop / the bare step, ResNet-18, {BATCH} images of 224 px", at_least=0.97, quick=True)
def whole_loop(setting: Setting) -> Iterator[Arms]:
    steps, batch_size = setting.choose(10, 2), setting.choose(BATCH, 8)
    config = configure(setting.folder, batch_size=batch_size)
    loader = make_loader(config, draw_pixels(steps * batch_size, config.decode_size))
    trainer = make_trainer(loader)
    batch = loader.make_batch(loader.draw_batches(1)[0], loader.weigh_classes(), epoch=1, step=0)
    yield Arms(
        "images/s",
        {
            "deployer": rate(steps * batch_size, make_epoch(trainer, loader), setting.clock),
            "the bare step": rate(steps * batch_size, step_bare(make_trainer(loader), batch, steps), setting.clock),
        },
    )


def draw_pixels(count: int, size: int) -> Pixels:
    """Return pictures as the loader finds them after the first epoch."""
    drawn = np.stack([draw_noise(size, size, seed) for seed in range(8)])
    return np.resize(drawn, (count, size, size, 3))


def step_as_usual(batch_size: int, steps: int) -> Callable[[], object]:
    """Return steps as torchvision's reference script makes them by default: contiguous, float32, SGD."""
    import torch
    from torch import nn
    from torchvision.models import resnet18

    network = resnet18(num_classes=CLASSES).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()
    images, targets = torch.randn(batch_size, 3, 224, 224), torch.randint(CLASSES, (batch_size,))

    def work() -> None:
        for _ in range(steps):
            loss = criterion(network(images), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return work


def step_bare(trainer: Trainer, batch: Batch, steps: int) -> Callable[[], object]:
    """Return steps of the same network and optimizer, in the same precision, with nothing around them."""
    import torch
    from torch.nn.functional import cross_entropy

    is_reduced = trainer.precision is not torch.float32
    images = batch.take(slice(None))

    def work() -> None:
        for _ in range(steps):
            with torch.autocast(images.device.type, trainer.precision, enabled=is_reduced):
                loss = cross_entropy(trainer.network(images), batch.targets)
            trainer.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            trainer.optimizer.step()

    return work
