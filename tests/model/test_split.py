from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from model.data.samples import Sample
from model.data.split import Split, fold_samples, split_samples, suggest_folds
from model.errors import DataError, UsageError

SHARES = {"train": 0.75, "validation": 0.1, "test": 0.15}


def _samples(*rows: tuple[str, str]) -> list[Sample]:
    """Return samples with these (label, group)."""
    return [
        Sample(name=f"{number:04d}.png", place=f"{number:04d}.png", label=label, group=group)
        for number, (label, group) in enumerate(rows)
    ]


def _mix(size: int, *, images: int = 1200) -> list[Sample]:
    """Return three classes in groups of one size, each with its own mixture of them, as a dive or a patient has."""
    chance = random.Random(size)
    rows = []
    for number in range(images // size):
        weights = [chance.random() ** 2 * common for common in (1.0, 0.6, 0.3)]
        rows += [(label, f"g{number}") for label in chance.choices("abc", weights, k=size)]
    return _samples(*rows)


def _parts(split: Split) -> dict[str, tuple[int, ...]]:
    return {"train": split.train, "validation": split.validation, "test": split.test}


def _count_labels(samples: Sequence[Sample], members: Sequence[int]) -> Counter[str]:
    return Counter(samples[k].label for k in members)


ALONE = _samples(*[("yes", "")] * 60, *[("no", "")] * 140)
GROUPED = _samples(*[(("yes", "no", "maybe")[k % 7 % 3], f"g{k % 41}") for k in range(400)])
UNEVEN = _samples(*[("yes", f"g{k * k // 500}") for k in range(200)], *[("no", f"h{k // 20}") for k in range(200)])
SETS = {"alone": ALONE, "grouped": GROUPED, "uneven": UNEVEN}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_split_uses_every_sample_once(name: str, seed: int) -> None:
    split = split_samples(SETS[name], seed=seed)

    assert sorted([*split.train, *split.validation, *split.test]) == list(range(len(SETS[name])))


@pytest.mark.parametrize("name", ["grouped", "uneven"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_split_keeps_groups_whole(name: str, seed: int) -> None:
    samples = SETS[name]

    parts = _parts(split_samples(samples, seed=seed))

    homes = {(samples[k].group, name) for name, members in parts.items() for k in members}
    assert len(homes) == len({sample.group for sample in samples})


# A part cannot come nearer to its share than the groups are fine: 50 of 1,200 images are 4 % of them.
@pytest.mark.parametrize(("size", "error"), [(1, 0.004), (2, 0.004), (5, 0.006), (10, 0.012), (20, 0.02), (50, 0.04)])
@pytest.mark.parametrize("seed", [0, 1])
def test_split_keeps_the_share_of_each_class(size: int, error: float, seed: int) -> None:
    samples = _mix(size)

    parts = _parts(split_samples(samples, seed=seed, test_share=SHARES["test"]))

    totals = Counter(sample.label for sample in samples)
    for name, share in SHARES.items():
        counts = _count_labels(samples, parts[name])
        assert {label: counts[label] / total for label, total in totals.items()} == pytest.approx(
            dict.fromkeys(totals, share), abs=error
        )


def test_split_is_not_upset_by_one_group_of_half_the_images() -> None:
    samples = _samples(*[("abc"[k % 3], "large") for k in range(300)], *[("abc"[k % 3], f"g{k}") for k in range(300)])

    split = split_samples(samples, seed=0, test_share=0.15)

    assert [len(split.train), len(split.validation), len(split.test)] == [450, 60, 90]


@pytest.mark.parametrize(("validation_share", "test_share"), [(0.2, 0.2), (0.05, 0.4), (0.45, 0.45)])
def test_split_has_the_shares_that_are_asked_for(validation_share: float, test_share: float) -> None:
    split = split_samples(ALONE, seed=0, validation_share=validation_share, test_share=test_share)

    assert len(split.validation) == pytest.approx(200 * validation_share, abs=1)
    assert len(split.test) == pytest.approx(200 * test_share, abs=1)


def test_split_refuses_shares_that_leave_nothing_to_train_on() -> None:
    with pytest.raises(UsageError, match=r"--validation-share 0\.5 and --test-share 0\.5 leave nothing"):
        split_samples(ALONE, seed=0, validation_share=0.5, test_share=0.5)


def test_split_follows_from_seed_and_names_alone() -> None:
    backwards = GROUPED[::-1]

    forth, back = split_samples(GROUPED, seed=3), split_samples(backwards, seed=3)

    for name, members in _parts(forth).items():
        assert {GROUPED[k].name for k in members} == {backwards[k].name for k in _parts(back)[name]}
    assert forth != split_samples(GROUPED, seed=4)


def test_split_stays_what_it_was() -> None:
    """The same on every Python and in every release, else a resumed training examines what it has learnt."""
    samples = _samples(*[("ab"[k % 2], f"g{k // 3}") for k in range(24)])

    split = split_samples(samples, seed=0, test_share=0.15)

    assert (split.validation, split.test) == ((12, 13, 14), (9, 10, 11))


def test_split_by_image_ignores_groups() -> None:
    samples = _samples(*[("a", "one")] * 20, *[("b", "one")] * 20)

    split = split_samples(samples, seed=0, by="image")

    assert [len(split.train), len(split.validation), len(split.test)] == [32, 4, 4]


def test_split_gives_three_images_one_to_each_part() -> None:
    samples = _samples(*[("common", "")] * 100, *[("rare", "")] * 3)

    parts = _parts(split_samples(samples, seed=0))

    assert [_count_labels(samples, members)["rare"] for members in parts.values()] == [1, 1, 1]


def test_split_gives_every_part_every_class_of_mixed_groups() -> None:
    samples = _samples(*[(label, f"g{k}") for k in range(3) for label in "abcdef"])

    for members in _parts(split_samples(samples, seed=0)).values():
        assert set(_count_labels(samples, members)) == set("abcdef")


@pytest.mark.parametrize("seed", range(6))
def test_split_finds_the_way_where_each_class_has_just_enough_groups(seed: int) -> None:
    # Thirty groups have a part each that nobody is told; each of twenty classes is in one group of every part.
    chance = random.Random(seed)
    samples = _samples(*[(f"c{k}", f"g{3 * chance.randrange(10) + part}") for k in range(20) for part in range(3)])

    for members in _parts(split_samples(samples, seed=0)).values():
        assert len(_count_labels(samples, members)) == 20


COMMON = [("fish", f"d{k // 5}") for k in range(50)]


@pytest.mark.parametrize(
    ("rows", "message", "hint"),
    [
        ([("eel", "")] * 2, "Class 'eel' has 2 images; training, validation and test need one each", "Add images of"),
        ([("eel", "dive 3")] * 20, r"Class 'eel' has 20 images in 1 group \(dive 3\)", "from other groups"),
        ([("eel", "x"), ("eel", "y")] * 9, r"Class 'eel' has 18 images in 2 groups \(x, y\)", "from other groups"),
    ],
)
def test_split_refuses_a_class_that_a_part_would_lack(rows: list[tuple[str, str]], message: str, hint: str) -> None:
    with pytest.raises(DataError, match=message) as raised:
        split_samples(_samples(*COMMON, *rows), seed=0)

    assert hint in raised.value.hint


def test_split_says_so_when_groups_cannot_be_spread() -> None:
    # a and b keep groups 1 and 2 in two parts, so 3 and 4 are both in the third, and c has two parts at the most.
    rows = [("a", "1"), ("b", "1"), ("a", "2"), ("b", "2"), ("a", "3"), ("c", "3"), ("b", "4"), ("c", "4"), ("c", "5")]

    with pytest.raises(DataError, match=r"The groups cannot be spread so that .* each have images of '[abc]'"):
        split_samples(_samples(*rows), seed=0)


@pytest.mark.parametrize("folds", [2, 3, 5, 10])
@pytest.mark.parametrize("name", SETS)
def test_folds_test_each_sample_once(name: str, folds: int) -> None:
    samples = SETS[name]

    splits = fold_samples(samples, folds=folds, seed=0)

    assert sorted(k for split in splits for k in split.test) == list(range(len(samples)))
    for split in splits:
        assert sorted([*split.train, *split.validation, *split.test]) == list(range(len(samples)))
        sides = [{samples[k].group or samples[k].name for k in members} for members in _parts(split).values()]
        assert sum(map(len, sides)) == len(set.union(*sides))


@pytest.mark.parametrize("folds", [2, 5])
def test_folds_keep_the_share_of_each_class(folds: int) -> None:
    samples = _mix(5, images=600)

    splits = fold_samples(samples, folds=folds, seed=0, validation_share=0.2)

    totals = Counter(sample.label for sample in samples)
    for split in splits:
        for members, share in ((split.test, 1 / folds), (split.validation, 0.2), (split.train, 0.8 - 1 / folds)):
            counts = _count_labels(samples, members)
            assert {label: counts[label] / total for label, total in totals.items()} == pytest.approx(
                dict.fromkeys(totals, share), abs=0.015
            )


def test_folds_give_every_part_a_class_of_as_many_images_as_folds() -> None:
    samples = _samples(*COMMON, *[("eel", "")] * 3)

    for split in fold_samples(samples, folds=3, seed=0):
        assert [_count_labels(samples, members)["eel"] for members in _parts(split).values()] == [1, 1, 1]


@pytest.mark.parametrize(
    ("rows", "folds", "message", "hint"),
    [
        (
            [("eel", "")] * 4,
            5,
            "Class 'eel' has 4 images; 5 folds need 5",
            "Pass --folds 4, or add images of this class",
        ),
        ([("eel", "")] * 3, 2, "Class 'eel' has 3 images; 2 folds need 4", "Pass --folds 3"),
        ([("eel", f"g{k % 3}") for k in range(60)], 5, r"60 images in 3 groups \(g0, g1, g2\); 5 folds", "--folds 3"),
        ([("eel", f"g{k}") for k in range(20)], 11, "Class 'fish' has 50 images in 10 groups", "Pass --folds 10"),
    ],
)
def test_folds_refuse_more_folds_than_a_class_has_groups(
    rows: list[tuple[str, str]], folds: int, message: str, hint: str
) -> None:
    with pytest.raises(DataError, match=message) as raised:
        fold_samples(_samples(*COMMON, *rows), folds=folds, seed=0)

    assert hint in raised.value.hint


@pytest.mark.parametrize(("groups", "folds"), [(2, 0), (3, 3), (4, 4), (40, 5)])
def test_suggested_folds_can_be_made(groups: int, folds: int) -> None:
    samples = _samples(*COMMON, *[("eel", f"g{k % groups}") for k in range(80)])

    assert suggest_folds(samples) == folds
    assert suggest_folds(samples, by="image") == 5
    if folds:
        assert len(fold_samples(samples, folds=folds, seed=0)) == folds


def test_folds_refuse_shares_that_leave_nothing_to_train_on() -> None:
    with pytest.raises(UsageError, match=r"--validation-share 0\.5 and --folds 2 leave nothing"):
        fold_samples(ALONE, folds=2, seed=0, validation_share=0.5)
