"""What the trials of a study follow from; one with another origin is not gone on with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.config import TrainConfig
from model.data.dataset import Dataset
from model.errors import CheckpointError
from model.tuning.space import Space, spell

SETTINGS, COUNT, DIGEST, MEANS = "settings", "images", "digest", "means"

_HINT = "choose another --output folder for a new tuning."


def describe_origin(config: TrainConfig, space: Space, dataset: Dataset) -> dict[str, Any]:
    """Return images, settings and what is searched, in values that JSON knows."""
    from model.training.resume import describe_images, describe_settings

    images = describe_images(dataset)
    fixed = {name: value for name, value in describe_settings(config).items() if name not in space}
    return {
        SETTINGS: {f"--{spell(name)}": value for name, value in fixed.items()}
        | {"--params": ",".join(map(spell, space))}
        | {f"range of --{spell(name)}": searched.describe() for name, searched in space.items()},
        COUNT: images["count"],
        DIGEST: images["digest"],
        MEANS: [round(float(mean), 2) for mean in images["means"]],
    }


def refuse_other_origin(path: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise CheckpointError naming what is not as it was."""
    before, after = then[SETTINGS], now[SETTINGS]
    changed = [
        f"{name} {_show(before.get(name))}, now {_show(after.get(name))}"
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]
    if changed:
        raise CheckpointError(
            f"{path} holds trials with other settings: {'; '.join(changed)}.",
            hint=f"Give those of then (--trials, --time-limit, --jobs and --device may change), or {_HINT}",
        )
    if then[COUNT] != now[COUNT]:
        told = f"{then[COUNT]:,} images; here are {now[COUNT]:,}"
    elif then[DIGEST] != now[DIGEST]:
        told = "images of other names, labels or groups"
    elif _are_others(then[MEANS], now[MEANS]):
        told = "other pictures of these names"
    else:
        return
    raise CheckpointError(f"{path} holds trials with {told}.", hint=f"Give the images of then, or {_HINT}")


def _are_others(before: list[float], after: list[float]) -> bool:
    from model.training.resume import MEAN_TOLERANCE

    return any(abs(mean - other) > MEAN_TOLERANCE for mean, other in zip(before, after, strict=True))


def _show(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in {None, ""} else str(value)
