"""Three recipes, quick, standard and best: every figure with its reason; options of the command line win over them.

A preset fixes steps, never seconds: the same images and seed give the same model on a slow machine and on a fast one.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model.errors import UsageError

NAMES = ("quick", "standard", "best")

# What a preset in a file may say besides options: whence the other figures are, and a word to its reader.
BASE, ABOUT = "base", "about"


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What a training is when nothing else is said. `steps` are steps of the weights over the whole training."""

    # From scratch, on little data: see networks/small_resnet.py.
    arch: str = "small_resnet"
    # 0.772 at 160 against 0.768 at 128 on underwater_aquarium, whose animals are small, and surer of it (loss 0.50
    # against 0.56; 1,500 steps, one split, 2026-11); growing images pay for it.
    image_size: int = 160
    # Epochs follow from the steps and the number of images, between these two: with too few passes a large folder is
    # not learnt, and after too many a small one is known by heart.
    steps: int = 2800
    min_epochs: int = 15
    max_epochs: int = 150
    batch_size: int = 32
    # AdamW needs the least tuning of all on little data; 2e-3 with a warm-up is stable for all of our own networks.
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    schedule: str = "cosine"
    warm_up: float = 0.1
    # With pretrained weights only: first the new last layer alone, or it spoils the others (Kumar et al., LP-FT, 2022).
    head_share: float = 0.0
    label_smoothing: float = 0.1
    # None is the network's own: 0.2 of ours, 0.3 of the baseline, 0.5 of vgg16 and inception_v3 in their papers.
    dropout: float | None = None
    # TrivialAugment is too much for so few steps: 0.79 against 0.83 on trashnet, 1,500 steps, one split (2026-11).
    augment: str = "standard"
    # A third of the batches mixed: with twice the steps 0.86 against 0.83 on the same split, and better probabilities.
    mixup: float = 0.15
    cutmix: float = 0.15
    # Half-life of the weight average in steps.
    ema: float = 350.0
    balance: str = "none"
    # Epochs without a better validation result before the training ends early; 0 is never.
    patience: int = 0
    # Side of the images in the first epochs, as a share of image_size; 1 is the whole size from the start. What small
    # images teach is cheap: 11 % more work than with 128 pixels all the time (fastai's and FFCV's recipes).
    progressive: float = 0.5
    # Four views: 0.5 to 1.3 points more than one on trashnet, chest_xray and underwater_aquarium, one split each.
    tta: str = "crops"
    folds: int = 0


STANDARD = Preset()
QUICK = replace(
    STANDARD,
    image_size=128,
    steps=600,
    min_epochs=5,
    max_epochs=40,
    mixup=0.0,
    cutmix=0.0,
    progressive=1.0,
    tta="flip",
)
# Each of its five networks learns twice as long, and all are asked.
BEST = replace(STANDARD, steps=6000, min_epochs=40, max_epochs=300, folds=5)

PRESETS = {"quick": QUICK, "standard": STANDARD, "best": BEST}


# Networks that do not begin to learn at the rate of the others, those without batch normalisation first of all. Three
# classes of made-up images, AdamW, 20 to 60 steps, cross-entropy at 2e-3 and at 2e-4 (chance is 1.10): vgg16 1.07 and
# 0.5, squeezenet1_1 1.10 and 0.81, vit_b_16 0.73 and 0.35 (2026-11).
DELICATE = ("alexnet", "squeezenet", "vgg", "vit_")
DELICATE_LEARNING_RATE = 2e-4


def choose_preset(name: str, *, pretrained: bool, freeze: bool, arch: str | None = None) -> Preset:
    """Return a preset, changed for a network that starts from pretrained weights, or for one that is asked for."""
    preset = PRESETS[name]
    if not pretrained:
        if arch is None or arch == preset.arch:
            return preset
        is_delicate = arch.startswith(DELICATE) and not arch.endswith("_bn")
        # Some networks take images of one size only, others of a certain size at least.
        return replace(
            preset,
            progressive=1.0,
            learning_rate=DELICATE_LEARNING_RATE if is_delicate else preset.learning_rate,
        )
    # What the weights were made for; a tenth of the learning rate and a third of the steps, or what they know is lost.
    return replace(
        preset,
        arch="resnet18",
        image_size=224,
        steps=preset.steps // 3,
        min_epochs=5,
        learning_rate=1e-2 if freeze else 2e-4,
        augment="none" if freeze else preset.augment,
        head_share=0.0 if freeze else 0.2,
        mixup=0.0,
        cutmix=0.0,
        progressive=1.0,
    )


@dataclass(frozen=True, kw_only=True)
class StoredPreset:
    """A preset of the user's: options over one of ours. `name` is what the log calls it."""

    name: str
    base: str
    options: Mapping[str, str | int | float | bool]

    @property
    def arguments(self) -> list[str]:
        """Return the options as they are typed."""
        words: list[str] = []
        for name, value in self.options.items():
            flag = "--" + name.replace("_", "-")
            if value is not False:
                words += [flag] if value is True else [f"{flag}={value}"]
        return words


def read_preset(text: str, *, known: Collection[str]) -> StoredPreset:
    """Return the preset in the file `text`, or in `text` itself where it is JSON; raises UsageError.

    `known` are the names of the options that a preset may hold; their values are not looked at.
    """
    is_inline = text.lstrip().startswith("{")
    name = "as given" if is_inline else text
    content = text if is_inline else _read(Path(text))
    try:
        table = json.loads(content)
    except ValueError as error:
        raise UsageError(f"The preset {name} is not JSON: {error}.", hint=_HINT) from error
    if not isinstance(table, dict):
        raise UsageError(f"The preset {name} is no table of options.", hint=_HINT)
    table = {str(key).replace("-", "_"): value for key, value in table.items()}
    table.pop(ABOUT, None)
    base = table.pop(BASE, "standard")
    if base not in NAMES:
        raise UsageError(f'The preset {name} has {BASE} = "{base}".', hint=f"It is one of {', '.join(NAMES)}.")
    for key, value in table.items():
        if key not in known:
            raise UsageError(
                f'The preset {name} has "{key}", which is no option of a preset.', hint=_suggest(key, known)
            )
        if not isinstance(value, str | int | float):
            raise UsageError(f'The preset {name} has no value for "{key}", but {json.dumps(value)}.', hint=_HINT)
    return StoredPreset(name=name, base=base, options=table)


def describe_preset(base: str, options: Mapping[str, Any], *, about: str) -> dict[str, Any]:
    """Return what `read_preset` reads, as values that JSON knows."""
    return {ABOUT: about, BASE: base, **options}


_HINT = 'A preset is written as {"base": "standard", "learning_rate": 0.001, "mixup": 0.3}.'


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(
            f"There is no preset {str(path)!r}, and no such file.",
            hint=_suggest(str(path), NAMES) + " A file is one that `python -m model.tune` wrote.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"The preset {path} cannot be read: {reason.lower()}.") from error


def _suggest(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"Did you mean {near[0]}?" if near else f"There are {', '.join(sorted(known))}."
