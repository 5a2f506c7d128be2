"""Ten epochs of a head on a body that does not learn: ours, from features kept, against asking the body every time."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.measures import Arms, Setting, rate, row
from benchmarks.stepping import draw_pixels
from benchmarks.trainings import configure, make_epoch, make_loader, make_trainer

EPOCHS = 10


@row("frozen", f"{EPOCHS} epochs of a frozen ResNet-18", at_least=6.0, quick=True)
def frozen(setting: Setting) -> Iterator[Arms]:
    import torch

    from model.training.features import keep_features

    count = setting.choose(256, 32)
    config = configure(setting.folder, image_size=setting.choose(224, 64), freeze=True, augment="none")
    loader = make_loader(config, draw_pixels(count, config.decode_size))

    def learn_from_features() -> None:
        trainer = make_trainer(loader)
        features = keep_features(trainer, loader, torch.arange(0), lambda *_: None)
        learn = make_epoch(trainer, features)
        for _ in range(EPOCHS):
            learn()

    def learn_from_images() -> None:
        learn = make_epoch(make_trainer(loader), loader)
        for _ in range(EPOCHS):
            learn()

    yield Arms(
        "images/s",
        {
            "deployer --freeze": rate(EPOCHS * count, learn_from_features, setting.clock),
            "forward every epoch": rate(EPOCHS * count, learn_from_images, setting.clock),
        },
    )
