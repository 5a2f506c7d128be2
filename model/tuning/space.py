"""What a tuning searches: for each option the values worth trying, and why no others."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from model.config import AUGMENTATIONS, BALANCES, TrainConfig
from model.errors import UsageError

Value = str | int | float

# Values between two digits more make no other model, and nobody reads them.
DIGITS = 3


@dataclass(frozen=True, kw_only=True)
class Range:
    """All numbers between two; with `is_log` each power of ten is as likely as the next."""

    low: float
    high: float
    reason: str
    is_log: bool = False

    def around(self, base: Any) -> Range:
        """Return the range, wide enough to hold the value that the tuning begins with."""
        low, high = min(self.low, base), max(self.high, base)
        return replace(self, low=low, high=high, is_log=self.is_log and low > 0)

    def describe(self) -> str:
        """Return `0.0002 to 0.01, by powers`."""
        return f"{self.low:.{DIGITS}g} to {self.high:.{DIGITS}g}{', by powers' if self.is_log else ''}"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A few values."""

    values: tuple[Value, ...]
    reason: str

    def around(self, base: Any) -> Choice:
        """Return the choice with the value that the tuning begins with among its values."""
        return self if base in self.values else replace(self, values=(base, *self.values))

    def describe(self) -> str:
        """Return `none, standard or trivial`."""
        *most, last = map(str, self.values)
        return f"{', '.join(most)} or {last}" if most else last


Space = dict[str, Range | Choice]


def list_spaces(config: TrainConfig) -> Space:
    """Return every option that can be searched, around the values of `config`."""
    rate = config.learning_rate
    spaces: Space = {
        "learning_rate": Range(
            low=rate / 10,
            high=min(1.0, rate * 5),
            is_log=True,
            reason="the option that counts most; five times the preset's rate is where AdamW begins to diverge",
        ),
        "weight_decay": Range(
            low=1e-3, high=0.3, is_log=True, reason="below it does nothing in so few steps, above it holds all back"
        ),
        "augment": Choice(values=AUGMENTATIONS, reason="what may be done to a picture depends on what it shows"),
        "mixup": Range(low=0.0, high=0.4, reason="a share of the batches: mixing most of them needs many more steps"),
        "cutmix": Range(low=0.0, high=0.4, reason="as mixup"),
        "label_smoothing": Range(low=0.0, high=0.2, reason="above, certainty itself is unlearnt"),
        "balance": Choice(values=BALANCES, reason="helps where classes are rare, and harms where they are not"),
        "warm_up": Range(low=0.0, high=0.3, reason="longer, and the rate is high for too few steps"),
        "ema": Range(
            low=20.0, high=1500.0, is_log=True, reason="steps: shorter averages nothing, longer holds the start"
        ),
        "batch_size": Choice(values=(16, 32, 64, 128), reason="steps stay as many: a larger batch costs more time"),
        "image_size": Choice(values=(96, 128, 160, 192, 224), reason="time grows with the square of the side"),
        "head_share": Range(low=0.0, high=0.5, reason="with pretrained weights: longer leaves the body no steps"),
    }
    return {name: space.around(getattr(config, name)) for name, space in spaces.items()}


def choose_space(config: TrainConfig, wanted: str, typed: Iterable[str]) -> Space:
    """Return what is searched: the options in `wanted`, or those that count; raises UsageError.

    `typed` are the options with a value of the user's: these are not searched.
    """
    spaces, fixed = list_spaces(config), frozenset(typed)
    names = [name.strip().lstrip("-").replace("-", "_") for name in wanted.split(",") if name.strip()]
    if not wanted:
        names = [name for name in _choose_names(config) if name not in fixed]
    if not names:
        raise UsageError("Nothing is left to search.", hint=f"Name some of --params {_list(spaces)}.")
    for name in names:
        if name not in spaces:
            near = difflib.get_close_matches(name, spaces, n=1)
            hint = f"Did you mean {spell(near[0])}? " if near else ""
            raise UsageError(
                f"--params names {spell(name)!r}, which cannot be searched.", hint=f"{hint}There are {_list(spaces)}."
            )
        if name in fixed:
            raise UsageError(
                f"--{spell(name)} has a value and is to be searched too.", hint="Leave one of them out of the command."
            )
    return {name: spaces[name] for name in dict.fromkeys(names)}


def apply(config: TrainConfig, values: dict[str, Any]) -> TrainConfig:
    """Return the training with the values of a trial, rounded as they are told."""
    changed: dict[str, Any] = {name: tidy(value) for name, value in values.items()}
    config = replace(config, **changed)
    # The two share the batches.
    return replace(config, cutmix=min(config.cutmix, 1.0 - config.mixup))


def tidy(value: Value) -> Value:
    """Return a number as it is written in a preset."""
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def spell(name: str) -> str:
    """Return an option as it is typed, without its dashes."""
    return name.replace("_", "-")


def _choose_names(config: TrainConfig) -> Sequence[str]:
    """Return the options that count: some twenty trials tell apart half a dozen, no more."""
    if config.freeze:  # features do not change, so nothing may be done to the pictures
        return "learning_rate", "weight_decay", "label_smoothing", "balance"
    return "learning_rate", "weight_decay", "augment", "mixup", "label_smoothing", "balance"


def _list(spaces: Iterable[str]) -> str:
    return ", ".join(map(spell, spaces))
