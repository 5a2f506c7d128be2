"""The parts of PyTorch: pictures to batches, names to networks, one epoch of learning."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from model.errors import NetworkError, UsageError
from model.networks.catalogue import build_network, list_archs
from model.training.loop import (
    build_image_set,
    build_trainer,
    choose_device,
    choose_precision,
    compute_learning_rate,
    evaluate,
    train_one_epoch,
)
from model.transforms import augment_batch, measure_channels, normalize_batch

# Two threads that wait for each other are slower than one wherever another program wants a core.
torch.set_num_threads(1)


def _images(count: int = 24, size: int = 32, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, size, size, 3), generator=generator, dtype=torch.uint8)


def test_measure_channels_is_torchs_mean_and_deviation() -> None:
    images = _images(300)  # more than one chunk

    mean, std = measure_channels(images)

    expected = images.reshape(-1, 3).double()
    assert mean == pytest.approx(expected.mean(dim=0).tolist())
    assert std == pytest.approx(expected.std(dim=0, correction=0).tolist())


def test_measure_channels_survives_pictures_without_contrast() -> None:
    _, std = measure_channels(torch.full((4, 8, 8, 3), 255, dtype=torch.uint8))

    assert std == [1.0, 1.0, 1.0]


def test_normalize_batch_puts_channels_first_and_centres_them() -> None:
    images = _images()
    mean, std = measure_channels(images)

    batch = normalize_batch(images, torch.tensor(mean), torch.tensor(std))

    assert batch.shape == (24, 3, 32, 32)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert batch.mean().item() == pytest.approx(0.0, abs=1e-4)
    assert batch.std().item() == pytest.approx(1.0, abs=1e-2)


def test_augment_batch_differs_between_images_and_repeats_for_a_seed() -> None:
    picture = normalize_batch(_images(1), torch.zeros(3), torch.full((3,), 255.0)).expand(8, -1, -1, -1)

    first = augment_batch(picture, torch.Generator().manual_seed(1))
    again = augment_batch(picture, torch.Generator().manual_seed(1))

    assert torch.equal(first, again)
    assert not torch.allclose(first[0], first[1])
    assert first.is_contiguous(memory_format=torch.channels_last)


def test_augment_batch_keeps_the_middle_in_the_picture() -> None:
    batch = torch.zeros(64, 3, 64, 64)
    batch[:, :, 24:40, 24:40] = 1.0

    moved = augment_batch(batch, torch.Generator().manual_seed(0))

    contrast = moved.amax(dim=(1, 2, 3)) - moved.amin(dim=(1, 2, 3))
    assert contrast.min().item() > 0.5


@pytest.mark.parametrize("arch", ["cnn", "resnet18", "mobilenet_v3_small", "vit_b_16"])
def test_build_network_answers_for_every_class(arch: str) -> None:
    network = build_network(arch, class_count=5, image_size=64)

    with torch.inference_mode():
        logits = network.eval()(torch.zeros(2, 3, 64, 64))

    assert logits.shape == (2, 5)


def test_build_network_suggests_the_name_that_was_meant() -> None:
    with pytest.raises(NetworkError, match="no architecture 'resnet19'") as raised:
        build_network("resnet19", class_count=2, image_size=64)

    assert raised.value.hint == "Did you mean resnet18?"


def test_build_network_refuses_a_size_that_the_architecture_cannot_take() -> None:
    with pytest.raises(NetworkError, match="alexnet cannot take images of 32 pixels"):
        build_network("alexnet", class_count=2, image_size=32)


def test_list_archs_holds_classifiers_only() -> None:
    archs = list_archs()

    assert archs[0] == "cnn"
    assert "resnet50" in archs
    assert not [arch for arch in archs if arch.startswith(("fcos", "raft", "fasterrcnn", "deeplab"))]


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_train_one_epoch_learns_two_colours(precision: torch.dtype) -> None:
    torch.manual_seed(0)
    images, targets = _images(48), [k % 2 for k in range(48)]
    images[1::2, :, :, 0] //= 4  # every second picture is less red
    mean, std = measure_channels(images)
    data = build_image_set(images.numpy(), targets, mean, std, torch.device("cpu"))
    network = build_network("cnn", class_count=2, image_size=32)
    trainer = build_trainer(network, targets=data.targets, class_count=2, learning_rate=2e-3, steps=20, seed=0)
    trainer = replace(trainer, precision=precision)
    everything = torch.arange(48)
    seen: list[tuple[int, int]] = []

    losses = [
        train_one_epoch(
            trainer,
            data,
            everything,
            batch_size=10,
            first_step=5 * epoch,
            shielded=nullcontext,
            progress=lambda *step: seen.append(step),
        )
        for epoch in range(4)
    ]
    answers = evaluate(network, data, everything)

    assert losses[-1] < losses[0]
    assert seen[:5] == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    assert (answers.probabilities.argmax(axis=1) == answers.targets).mean() > 0.9


def test_learning_rate_rises_then_falls() -> None:
    rates = [compute_learning_rate(step, highest=0.01, steps=80) for step in range(80)]

    assert max(rates) == rates[9] == pytest.approx(0.01)
    assert rates[:10] == sorted(rates[:10])
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] < 0.0002


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_learning_rate_is_positive_in_the_shortest_training(steps: int) -> None:
    assert all(compute_learning_rate(step, highest=0.01, steps=steps) > 0 for step in range(steps))


def test_choose_device_refuses_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    # The machine that runs the tests may have a GPU.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    assert choose_device("auto").type == "cpu"
    with pytest.raises(UsageError, match="finds no GPU"):
        choose_device("cuda")


@pytest.mark.parametrize(("flags", "expected"), [({"avx2"}, torch.float32), ({"avx2", "amx_bf16"}, torch.bfloat16)])
def test_choose_precision_on_a_cpu_asks_for_its_circuits(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], expected: torch.dtype
) -> None:
    # No machine has both kinds of CPU.
    monkeypatch.setattr("model.training.loop._read_cpu_flags", lambda: flags)

    assert choose_precision(torch.device("cpu")) is expected


@pytest.mark.gpu
def test_train_one_epoch_runs_on_a_gpu() -> None:
    device = torch.device("cuda")
    images = _images(16)
    data = build_image_set(images.numpy(), [0, 1] * 8, [127.0] * 3, [70.0] * 3, device)
    network = build_network("cnn", class_count=2, image_size=32).to(device)
    trainer = build_trainer(network, targets=data.targets, class_count=2, learning_rate=1e-3, steps=4, seed=0)

    loss = train_one_epoch(
        trainer, data, torch.arange(16), batch_size=4, first_step=0, shielded=nullcontext, progress=lambda *_step: None
    )

    assert loss == pytest.approx(0.7, abs=0.6)
    assert evaluate(network, data, torch.arange(16)).probabilities.shape == (16, 2)
