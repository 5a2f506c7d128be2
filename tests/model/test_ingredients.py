"""The ingredients of the training loop: augmentation, mixing, optimizer, average of weights, order of the images."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.training.augmentation import augment_batch, cut_together, draw_numbers, relight
from model.training.ema import WeightAverage
from model.training.mixing import mix_batch
from model.training.optimizer import build_optimizer, compute_learning_rate
from model.training.sampling import order_samples, weigh_classes
from model.transforms import normalize_batch


@pytest.fixture
def images() -> Tensor:
    return torch.randint(0, 256, (6, 40, 48, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize("augment", ["none", "standard", "trivial"])
def test_augmentation_gives_uint8_images_of_the_size_asked_for(images: Tensor, augment: str) -> None:
    changed = augment_batch(images, size=32, augment=augment, seed=0, epoch=1, samples=range(6))

    assert changed.shape == (6, 32, 32, 3)
    assert changed.dtype is torch.uint8


@pytest.mark.parametrize("augment", ["standard", "trivial"])
def test_augmentation_follows_from_seed_epoch_and_sample_alone(images: Tensor, augment: str) -> None:
    def change(numbers: list[int], *, seed: int = 0, epoch: int = 1) -> Tensor:
        return augment_batch(images[numbers], size=32, augment=augment, seed=seed, epoch=epoch, samples=numbers)

    whole = change([0, 1, 2, 3, 4, 5])
    torch.rand(7)  # what the process drew before must not matter
    parts = torch.cat([change([0, 1]), change([2, 3, 4, 5])])

    assert torch.equal(whole, parts)
    assert not torch.equal(whole, change([0, 1, 2, 3, 4, 5], epoch=2))
    assert not torch.equal(whole, change([0, 1, 2, 3, 4, 5], seed=1))


def test_trivial_augmentation_leaves_the_generator_of_the_process_alone(images: Tensor) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)

    torch.manual_seed(3)
    augment_batch(images, size=32, augment="trivial", seed=0, epoch=1, samples=range(6))

    assert torch.equal(torch.rand(2), expected)


def test_augmentation_mirrors_half_and_keeps_light_within_bounds() -> None:
    ramp = torch.arange(64, dtype=torch.uint8).mul(2).add(60).expand(64, 64)[None, :, :, None].expand(400, 64, 64, 3)

    changed = augment_batch(ramp, size=32, augment="standard", seed=0, epoch=0, samples=range(400)).float()

    is_mirrored = changed[:, :, :8].mean(dim=(1, 2, 3)) > changed[:, :, -8:].mean(dim=(1, 2, 3))
    assert 160 < int(is_mirrored.sum()) < 240
    assert (changed.mean(dim=(1, 2, 3)) - 123).abs().max() < 60


def test_parts_are_cut_together_as_each_alone() -> None:
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(72.0), indexing="ij")
    picture = torch.stack([2 * rows, 2 * columns, rows + columns], dim=2).add(40).to(torch.uint8).expand(8, 64, 72, 3)
    alone = augment_batch(picture, size=56, augment="standard", seed=0, epoch=1, samples=range(8))

    planes, numbers = picture.permute(0, 3, 1, 2), np.stack([draw_numbers(0, 1, k) for k in range(8)])
    together = relight(cut_together(planes, 56, numbers).permute(0, 2, 3, 1).contiguous(), numbers)

    assert (together.float() - alone.float()).abs().mean() < 1.0
    assert (together.float() - alone.float()).abs().max() < 8.0  # where edges are smoothed in another way


def test_mixing_keeps_pixels_and_labels_in_the_same_proportion() -> None:
    images = torch.eye(4).mul(250).to(torch.uint8)[:, None, None, :].expand(4, 8, 8, 4).clone()  # k is in channel k
    targets = torch.arange(4)

    for step in range(20):
        for shares in ({"mixup": 1.0, "cutmix": 0.0}, {"mixup": 0.0, "cutmix": 1.0}):
            mixed, soft = mix_batch(images, targets, class_count=4, seed=0, step=step, **shares)
            assert torch.allclose(mixed.float().mean(dim=(1, 2)) / 250, soft, atol=0.5 / 250 + 1e-6)
            assert torch.allclose(soft.sum(dim=1), torch.ones(4))


def test_mixing_treats_the_asked_share_of_batches_and_repeats_itself() -> None:
    images, targets = torch.randint(0, 256, (8, 8, 8, 3), dtype=torch.uint8), torch.arange(8) % 2

    def is_mixed(step: int) -> bool:
        mixed, _ = mix_batch(images, targets, class_count=2, mixup=0.2, cutmix=0.3, seed=5, step=step)
        again, _ = mix_batch(images, targets, class_count=2, mixup=0.2, cutmix=0.3, seed=5, step=step)
        assert torch.equal(mixed, again)
        return not torch.equal(mixed, images)

    assert 70 < sum(is_mixed(step) for step in range(200)) < 130
    untouched, soft = mix_batch(images, targets, class_count=2, mixup=0.0, cutmix=0.0, seed=5, step=0)
    assert untouched is images
    assert torch.equal(soft.argmax(dim=1), targets)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_optimizer_decays_matrices_only_and_skips_what_is_frozen(name: str) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    network[0].requires_grad_(False)

    groups = build_optimizer(network, name=name, weight_decay=0.1).param_groups

    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert [len(group["params"]) for group in groups] == [1, 3]


@pytest.mark.parametrize(("schedule", "warm_up"), [("cosine", 0.1), ("cosine", 0.0), ("one-cycle", 0.3)])
def test_learning_rate_rises_to_the_highest_and_falls_towards_zero(schedule: str, warm_up: float) -> None:
    rates = [
        compute_learning_rate(step, highest=2e-3, steps=100, schedule=schedule, warm_up=warm_up) for step in range(100)
    ]

    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(2e-3)
    assert abs(peak - 100 * warm_up) <= 1
    assert all(a < b for a, b in itertools.pairwise(rates[: peak + 1]))
    assert all(a >= b for a, b in itertools.pairwise(rates[peak:]))
    assert 0 <= rates[-1] < 2e-5


def test_learning_rate_of_a_training_of_one_step_is_a_number() -> None:
    for schedule in ("cosine", "one-cycle"):
        assert 0 <= compute_learning_rate(0, highest=1.0, steps=1, schedule=schedule, warm_up=0.1) <= 1.0


def test_weight_average_lags_by_its_half_life() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = WeightAverage(network, half_life_steps=10)
    nn.init.ones_(network.weight)

    for _ in range(10):
        average.update(10_000)

    assert float(average.network.weight.detach()) == pytest.approx(0.5, abs=1e-4)
    assert not average.network.weight.requires_grad


def test_weight_average_follows_batch_statistics_and_goes_on_from_its_state() -> None:
    network = nn.BatchNorm1d(2)
    average = WeightAverage(network, half_life_steps=1)
    network(torch.randn(16, 2) + 3.0)
    average.update(100)

    again = WeightAverage(network, half_life_steps=1)
    again.load_state_dict(average.state_dict())
    for each in (average, again):
        each.update(101)

    assert float(average.network.running_mean[0]) > 0.1
    assert torch.equal(average.network.running_mean, again.network.running_mean)


def test_order_shows_every_image_once_and_differs_by_epoch() -> None:
    indices = torch.arange(10, 60)

    def order(epoch: int) -> Tensor:
        return order_samples(indices, indices % 2, class_count=2, balance="none", seed=1, epoch=epoch)

    assert torch.equal(order(1).sort().values, indices)
    assert torch.equal(order(1), order(1))
    assert not torch.equal(order(1), order(2))


def test_balanced_order_shows_every_class_as_often() -> None:
    targets = torch.tensor([0] * 900 + [1] * 100)

    shown = order_samples(torch.arange(1000), targets, class_count=3, balance="sampler", seed=0, epoch=0)

    assert 440 < int((shown >= 900).sum()) < 560


def test_rare_classes_weigh_more() -> None:
    weights = weigh_classes(torch.tensor([0] * 90 + [1] * 10), class_count=2)

    assert weights.tolist() == pytest.approx([(100 / 180) ** 0.5, (100 / 20) ** 0.5])


@pytest.mark.parametrize("augment", ["standard", "trivial"])
def test_changed_images_are_mixed(augment: str) -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 37, 37, 3), dtype=np.uint8))
    changed = augment_batch(images, size=32, augment=augment, seed=0, epoch=1, samples=range(6))

    for mixup in (1.0, 0.0):
        mixed, targets = mix_batch(
            changed, torch.arange(6), class_count=6, mixup=mixup, cutmix=1.0 - mixup, seed=0, step=0
        )

        assert mixed.shape == (6, 32, 32, 3)
        assert not torch.equal(mixed, changed)
        assert targets.sum(dim=1).tolist() == pytest.approx([1.0] * 6)


@pytest.mark.parametrize("augment", ["standard", "trivial"])
def test_changes_are_the_same_for_any_number_of_threads(augment: str) -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 183, 183, 3), dtype=np.uint8))
    before = torch.get_num_threads()
    changed = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            batch = augment_batch(images, size=160, augment=augment, seed=0, epoch=1, samples=range(4))
            changed.append(torch.cat([batch, relight(images[:, :160, :160], np.full((4, 16), 0.3))]))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)

    assert torch.equal(*changed)


def test_no_images_are_normalised_to_none() -> None:
    images = torch.empty((0, 8, 6, 3), dtype=torch.uint8)

    assert normalize_batch(images, torch.zeros(3), torch.ones(3)).shape == (0, 3, 8, 6)
