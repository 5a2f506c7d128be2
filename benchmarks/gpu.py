"""What a GPU reaches: `python -m benchmarks.bench --only gpu`, on a machine that has one. The goals are an H200's.

The small form (`Setting(is_quick=True)`) runs on a CPU with a handful of images: it shows that the rows work, no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count as count_up
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.loading import SIZES, load_by_torchvision
from benchmarks.measures import Arms, NotHere, Setting, rate, row, seconds
from benchmarks.pictures import write_pictures
from benchmarks.stepping import draw_pixels
from benchmarks.trainings import RepeatingLoader, configure, make_epoch, make_loader, make_trainer

if TYPE_CHECKING:
    from model.config import TrainConfig

BATCH = 256
WORKERS = 16
# As many as the chest X-rays of the issue that set the goal.
PICTURES = 5856


@row("gpu-synthetic", f"GPU: ResNet-50, {BATCH} images of 224 px, the same batch again and again", at_least=5000)
def synthetic(setting: Setting) -> Iterator[Arms]:
    steps = setting.choose(50, 1)
    config = choose_config(setting, arch="resnet50")
    loader = make_loader(config, draw_pixels(config.batch_size, config.decode_size))
    work = make_epoch(make_trainer(loader), RepeatingLoader(loader, steps=steps))  # type: ignore[arg-type]
    yield Arms("images/s", {"deployer": rate(steps * config.batch_size, work, setting.clock)})


@row("gpu-end-to-end", "GPU: ResNet-50, epoch 2 and later of 15,000 images / the same batch again", at_least=0.97)
def end_to_end(setting: Setting) -> Iterator[Arms]:
    config = choose_config(setting, arch="resnet50")
    count = setting.choose(15_000, 2 * config.batch_size)
    loader = make_loader(config, draw_pixels(count, config.decode_size))
    repeating = RepeatingLoader(loader, steps=loader.steps_per_epoch)
    yield Arms(
        "images/s",
        {
            "deployer": rate(count, make_epoch(make_trainer(loader), loader), setting.clock),
            "the same batch": rate(count, make_epoch(make_trainer(loader), repeating), setting.clock),  # type: ignore[arg-type]
        },
    )


@row("gpu-reference", "GPU: ResNet-18, epoch 2 and later / torchvision's reference training", at_least=2.5)
def reference(setting: Setting) -> Iterator[Arms]:
    from model.data.images import decode_images

    config = choose_config(setting, arch="resnet18")
    count = setting.choose(8192, 2 * config.batch_size)
    paths = write_pictures(setting.folder / "photos", count, sizes=SIZES)
    loader = make_loader(config, decode_images(paths, config.decode_size).pixels)
    yield Arms(
        "images/s",
        {
            "deployer": rate(count, make_epoch(make_trainer(loader), loader), setting.clock),
            "torchvision's references": rate(count, train_as_usual(setting, config), setting.clock),
        },
    )


@row("gpu-head", f"GPU: {PICTURES:,} JPEG files → a head on ResNet-50, from the files on, 10 epochs", at_most=5.0)
def head(setting: Setting) -> Iterator[Arms]:
    from model.data.dataset import load_dataset
    from model.evaluation.results import EpochLog
    from model.interruption import Interruption
    from model.training.fit import fit

    write_pictures(setting.folder / "photos", setting.choose(PICTURES, 24), sizes=SIZES)
    turns = count_up()

    def work() -> None:
        config = choose_config(
            setting, arch="resnet50", data=setting.folder / "photos", output=setting.folder / f"results-{next(turns)}",
            freeze=True, augment="none", epochs=setting.choose(10, 1), tta="none", cache="none",
        )  # fmt: skip
        with closing(load_dataset(config, is_streaming=True)) as dataset:
            fit(config, dataset, EpochLog(config.output / "metrics.jsonl"), Interruption())

    yield Arms("s", {"deployer --freeze": lambda: seconds(work, setting.clock)})


def choose_config(setting: Setting, **options: Any) -> TrainConfig:
    """Return a training on the GPU; raises NotHere where there is none."""
    import torch

    if not setting.is_quick and not torch.cuda.is_available():
        raise NotHere("no GPU")
    size = {"batch_size": setting.choose(BATCH, 4), "image_size": setting.choose(224, 64)}
    return configure(setting.folder, **size | options)


def train_as_usual(setting: Setting, config: TrainConfig) -> Callable[[], object]:
    """Return an epoch as torchvision's references/classification/train.py makes it by default: float32, contiguous."""
    import torch
    from torch import nn
    from torchvision.models import resnet18

    from model.device import choose_device

    device = choose_device(config.device)
    network = resnet18(num_classes=2).to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()

    def step(images: torch.Tensor, targets: torch.Tensor) -> None:
        loss = criterion(network(images.to(device)), targets.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()  # its log of metrics asks in every step

    return load_by_torchvision(
        Path(setting.folder / "photos"), setting.choose(WORKERS, 0), batch_size=config.batch_size, step=step
    )
