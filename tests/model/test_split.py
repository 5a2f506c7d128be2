from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from model.data.samples import Sample
from model.data.split import Split, split_samples
from model.errors import DataError


def _samples(*rows: tuple[str, str]) -> list[Sample]:
    """Return samples with these (label, group)."""
    return [
        Sample(name=f"{number:04d}.png", path=Path(f"{number:04d}.png"), label=label, group=group)
        for number, (label, group) in enumerate(rows)
    ]


def _parts(split: Split) -> dict[str, tuple[int, ...]]:
    return {"train": split.train, "validation": split.validation, "test": split.test}


ALONE = _samples(*[("yes", "")] * 60, *[("no", "")] * 140)
GROUPED = _samples(*[(("yes", "no", "maybe")[k % 7 % 3], f"g{k % 41}") for k in range(400)])
UNEVEN = _samples(*[("yes", f"g{k * k // 500}") for k in range(200)], *[("no", f"h{k // 20}") for k in range(200)])


@pytest.mark.parametrize("samples", [ALONE, GROUPED, UNEVEN], ids=["alone", "grouped", "uneven"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_split_uses_every_sample_once(samples: list[Sample], seed: int) -> None:
    split = split_samples(samples, seed=seed)

    assert sorted([*split.train, *split.validation, *split.test]) == list(range(len(samples)))


@pytest.mark.parametrize("samples", [GROUPED, UNEVEN], ids=["grouped", "uneven"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_split_keeps_groups_whole(samples: list[Sample], seed: int) -> None:
    parts = _parts(split_samples(samples, seed=seed))

    homes = {(samples[k].group, name) for name, members in parts.items() for k in members}
    assert len(homes) == len({sample.group for sample in samples})


@pytest.mark.parametrize("samples", [ALONE, GROUPED, UNEVEN], ids=["alone", "grouped", "uneven"])
def test_split_keeps_class_shares(samples: list[Sample]) -> None:
    parts = _parts(split_samples(samples, seed=0))

    totals = Counter(sample.label for sample in samples)
    for name, share in (("train", 0.7), ("validation", 0.15), ("test", 0.15)):
        counts = Counter(samples[k].label for k in parts[name])
        for label, total in totals.items():
            assert counts[label] / total == pytest.approx(share, abs=0.08)


def test_split_is_the_same_for_a_seed_and_differs_between_seeds() -> None:
    assert split_samples(ALONE, seed=3) == split_samples(ALONE, seed=3)
    assert split_samples(ALONE, seed=3) != split_samples(ALONE, seed=4)


def test_split_gives_three_images_one_to_each_part() -> None:
    samples = _samples(*[("common", "")] * 100, *[("rare", "")] * 3)

    parts = _parts(split_samples(samples, seed=0))

    assert [sum(samples[k].label == "rare" for k in members) for members in parts.values()] == [1, 1, 1]


def test_split_gives_every_part_every_class_of_mixed_groups() -> None:
    samples = _samples(*[(label, f"g{k}") for k in range(3) for label in ("a", "b", "c")])

    for members in _parts(split_samples(samples, seed=0)).values():
        assert {samples[k].label for k in members} == {"a", "b", "c"}


def test_split_says_so_when_groups_cannot_be_spread() -> None:
    rows = [("a", "1"), ("a", "2"), ("a", "3"), ("b", "4"), ("b", "5"), ("b", "6")]
    samples = _samples(*rows, ("c", "1"), ("c", "4"), ("c", "1"), ("c", "4"))

    with pytest.raises(DataError, match="Class 'c' has 4 images in only 2 groups"):
        split_samples(samples, seed=0)
