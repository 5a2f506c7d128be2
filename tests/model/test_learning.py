"""The parts of the training: batches, gradients, epochs, devices, and memory that is short."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException
from training_runs import SIZE, configure, draw_dataset, train

from model.checkpoint import save_checkpoint
from model.config import TrainConfig
from model.device import choose_compile, choose_device, choose_precision
from model.errors import CheckpointError, ModelError, NetworkError, UsageError
from model.memory import is_out_of_memory, leave_onednn
from model.networks.catalogue import build_network
from model.networks.heads import name_head
from model.training.batches import Loader, build_image_set, refuse_unfit_batches
from model.training.distributed import Processes
from model.training.loop import compute_gradient, evaluate, train_one_epoch
from model.training.randomness import RowDropout, Rows, derive_seed
from model.training.state import TrainingState
from model.training.trainer import Trainer
from model.transforms import measure_channels, normalize_batch

CPU = torch.device("cpu")


def _images(count: int = 24, size: int = SIZE) -> Tensor:
    return torch.randint(0, 256, (count, size, size, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def _loader(config: TrainConfig, processes: Processes | None = None, device: torch.device = CPU) -> Loader:
    dataset = draw_dataset(config)
    data = build_image_set(dataset.pixels, dataset.targets, [127.0] * 3, [70.0] * 3, device)
    indices = torch.tensor(dataset.split.train)
    return Loader(config=config, data=data, indices=indices, class_count=2, processes=processes or Processes())


def _trainer(network: nn.Module, config: TrainConfig, *, steps: int = 10) -> Trainer:
    return Trainer(network, config, steps=steps, class_weights=torch.ones(2), device=CPU, processes=Processes())


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

    assert batch.shape == (24, 3, SIZE, SIZE)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert batch.mean().item() == pytest.approx(0.0, abs=1e-4)
    assert batch.std().item() == pytest.approx(1.0, abs=1e-2)


def test_an_epoch_shows_every_training_image_once_in_batches_of_like_size(tmp_path: Path) -> None:
    loader = _loader(configure(tmp_path, batch_size=10))

    batches = loader.draw_batches(epoch=1)

    assert sorted(torch.cat(list(batches)).tolist()) == loader.indices.tolist()
    assert {len(batch) for batch in batches} <= {8, 9}


@pytest.mark.parametrize("mixup", [0.0, 1.0])
def test_processes_share_the_batch_that_one_would_have(mixup: float, tmp_path: Path) -> None:
    config = configure(tmp_path, mixup=mixup)
    indices = torch.arange(11)
    weights = torch.tensor([0.5, 2.0])

    whole = _loader(config).make_batch(indices, weights, epoch=2, step=7)
    parts = [
        _loader(config, Processes(rank=rank, count=3)).make_batch(indices, weights, epoch=2, step=7)
        for rank in range(3)
    ]

    assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
    assert torch.equal(torch.cat([part.targets for part in parts]), whole.targets)
    assert [(part.first, part.total, len(part.images)) for part in parts] == [(0, 11, 3), (3, 11, 4), (7, 11, 4)]
    assert {float(part.weight) for part in parts} == {float(whole.weight)}
    assert float(whole.weight) == pytest.approx(float((whole.targets @ weights).sum()))


def test_a_batch_that_leaves_a_process_without_images_is_refused(tmp_path: Path) -> None:
    loader = _loader(configure(tmp_path, batch_size=2), Processes(rank=0, count=4))

    with pytest.raises(UsageError, match="A batch of 2 images cannot be shared by 4 processes"):
        refuse_unfit_batches(loader)


def test_progressive_images_grow_in_steps_of_16_to_the_whole_size(tmp_path: Path) -> None:
    loader = _loader(configure(tmp_path, image_size=100, progressive=0.5, epochs=20))

    sizes = [loader.choose_size(epoch) for epoch in range(1, 21)]

    assert sizes[0] == 48
    assert sizes == sorted(sizes)
    assert set(sizes[:14]) <= {48, 64, 80, 96, 100}
    assert set(sizes[14:]) == {100}


def test_dropout_belongs_to_a_place_in_the_batch_however_it_is_divided() -> None:
    rows = Rows()
    dropout = RowDropout(0.4, rows).train()
    features = torch.ones(10, 500)

    rows.choose(0, 10, 10, seed=3)
    whole = dropout(features)
    parts = []
    for first, last in ((0, 3), (3, 4), (4, 10)):
        rows.choose(first, last - first, 10, seed=3)
        parts.append(dropout(features[first:last]))

    assert torch.equal(torch.cat(parts), whole)
    assert whole.mean().item() == pytest.approx(1.0, abs=0.05)
    assert not torch.equal(whole[0], whole[1])
    assert torch.equal(dropout.eval()(features), features)


def test_derived_seeds_differ_and_repeat() -> None:
    seeds = {derive_seed(seed, step) for seed in range(20) for step in range(20)}

    assert len(seeds) == 400
    assert derive_seed(1, 23) == derive_seed(1, 23) != derive_seed(12, 3)


class _ShortOfMemory(nn.Module):
    """A linear network that runs out of memory as PyTorch does, whenever it meets more images than `most`."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * SIZE * SIZE, 2)
        self.most = most

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self.most:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")
        logits: Tensor = self.layer(images.flatten(1))
        return logits


@pytest.mark.parametrize(("most", "part_size"), [(20, 12), (6, 6), (5, 3), (1, 1)])
def test_short_memory_halves_what_is_computed_at_once_and_keeps_the_gradient(
    most: int, part_size: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configure(tmp_path, augment="none")
    network = _ShortOfMemory(most)
    trainer = _trainer(network, config)
    batch = _loader(config).make_batch(torch.arange(12), trainer.class_weights, epoch=1, step=0)
    state = TrainingState.begin(part_size=12, device=CPU)

    loss = compute_gradient(trainer, batch, state)

    targets = batch.targets * 0.9 + 0.05
    expected = -(targets * network.layer(batch.take(slice(None)).flatten(1)).log_softmax(dim=1)).sum(dim=1).mean()
    (gradient,) = torch.autograd.grad(expected, [network.layer.weight])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert network.layer.weight.grad is not None
    assert torch.allclose(network.layer.weight.grad, gradient, atol=1e-6)
    assert state.part_size == part_size
    assert (
        len(state.notes)
        == capsys.readouterr().err.count("Warning: Out of memory with")
        == round(math.log2(12 / part_size))
    )


def test_memory_that_is_short_for_a_single_image_ends_the_training(tmp_path: Path) -> None:
    config = configure(tmp_path, augment="none")
    trainer = _trainer(_ShortOfMemory(0), config)
    batch = _loader(config).make_batch(torch.arange(12), trainer.class_weights, epoch=1, step=0)

    with pytest.raises(ModelError, match="too short for a single image of 32 pixels") as raised:
        compute_gradient(trainer, batch, TrainingState.begin(part_size=12, device=CPU))

    assert "--image-size" in raised.value.hint


def test_onednn_is_left_where_it_was_short_of_memory_and_nowhere_else() -> None:
    before = torch.backends.mkldnn.set_flags()[0]
    try:
        leave_onednn(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
        kept = torch.backends.mkldnn.set_flags()[0]
        leave_onednn(RuntimeError("could not create a primitive"))
        left = torch.backends.mkldnn.set_flags()[0]
    finally:
        torch.backends.mkldnn.set_flags(_enabled=before)

    assert (kept, left) == (before, False)


def test_evaluation_asks_about_fewer_images_at_once_when_memory_is_short(tmp_path: Path) -> None:
    loader = _loader(configure(tmp_path))
    network = _ShortOfMemory(10)

    answers = evaluate(network, loader.load_for_evaluation, loader.data.targets, loader.indices, processes=Processes())

    network.most = 1000
    expected = evaluate(network, loader.load_for_evaluation, loader.data.targets, loader.indices, processes=Processes())
    assert np.allclose(answers.logits, expected.logits, atol=1e-5)
    assert answers.loss == pytest.approx(expected.loss)
    assert answers.probabilities.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("could not create a primitive"), True),
        (MemoryError(), True),
        (RuntimeError("shape '[2]' is invalid for input of size 3"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_told_from_other_errors(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_the_head_learns_first_and_then_everything_with_a_rate_of_its_own(tmp_path: Path) -> None:
    network = build_network("cnn", class_count=2, image_size=SIZE)
    config = configure(tmp_path, head_share=0.4, learning_rate=0.001, warm_up=0.0)
    trainer = _trainer(network, config, steps=10)
    learning, rates = [], []
    for step in range(10):
        trainer.begin_step(step)
        rates.append(trainer.optimizer.param_groups[0]["lr"])
        learning.append({name for name, parameter in network.named_parameters() if parameter.requires_grad})

    head = name_head(network)
    assert learning[3] == {f"{head}.weight", f"{head}.bias"}
    assert learning[4] == {name for name, _ in network.named_parameters()}
    assert rates[0] == pytest.approx(0.01)
    assert rates[4] == pytest.approx(0.001)
    assert rates[:4] == sorted(rates[:4], reverse=True)


def test_the_answer_of_an_auxiliary_head_counts_less(tmp_path: Path) -> None:
    trainer = _trainer(nn.Linear(2, 2), configure(tmp_path, label_smoothing=0.0))
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    right, wrong = 9.0 * targets, 9.0 * targets.flip(0)

    assert trainer.compute_loss((right, wrong), targets).item() == pytest.approx(0.4 * 18.0, abs=0.01)
    assert trainer.compute_loss((wrong, right), targets).item() == pytest.approx(18.0, abs=0.01)


@pytest.mark.parametrize("options", [{"freeze": True, "freeze_norm": False}, {"freeze": True, "ema": 0.0}])
def test_freeze_changes_the_head_only(options: dict[str, Any], tmp_path: Path) -> None:
    before = train(configure(tmp_path / "body", epochs=1)).checkpoint
    save_checkpoint(tmp_path / "body.pt", before)

    after = train(configure(tmp_path / "head", start_from=tmp_path / "body.pt", **options)).checkpoint

    same = {name for name, weights in after.states[0].items() if torch.equal(weights, before.states[0][name])}
    assert set(after.states[0]) - same == {"classifier.weight", "classifier.bias"}
    assert (after.mean, after.std) == (before.mean, before.std)


@pytest.mark.parametrize(("seed", "is_told"), [(0, False), (1, True)])
def test_a_start_that_may_know_the_test_images_is_noted(
    seed: int, is_told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(tmp_path / "first.pt", train(configure(tmp_path / "first", epochs=1)).checkpoint)

    fitted = train(configure(tmp_path / "second", epochs=1, start_from=tmp_path / "first.pt", seed=seed))

    assert any("started from first.pt" in note for note in fitted.notes) is is_told
    assert ("Warning: Started from first.pt" in capsys.readouterr().err) is is_told


def test_a_head_on_a_body_that_knows_nothing_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fitted = train(configure(tmp_path, epochs=1, freeze=True))

    assert "a network that knows nothing yet" in fitted.notes[0]
    assert "--freeze is for --pretrained or --start-from." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arch": "small_resnet"}, "is a cnn, and this training is of a small_resnet"),
        ({"classes": ("cat", "dog")}, "tells apart cat, dog; these images are blue, red"),
        ({"folds": 2}, "holds 2 networks"),
    ],
)
def test_a_start_that_does_not_fit_is_refused_by_name(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    classes = change.pop("classes", None)
    folds = change.pop("folds", 0)
    fitted = train(configure(tmp_path / "first", epochs=1, folds=folds))
    save_checkpoint(tmp_path / "model.pt", replace(fitted.checkpoint, classes=classes or fitted.checkpoint.classes))

    with pytest.raises(CheckpointError, match=message):
        train(configure(tmp_path / "second", start_from=tmp_path / "model.pt", **change))


@pytest.mark.parametrize("options", [{"ema": 0.0}, {"folds": 3, "tta": "flip"}])
def test_two_colours_are_learnt(options: dict[str, Any], tmp_path: Path) -> None:
    config = configure(tmp_path, **{"epochs": 8, **options})

    fitted = train(config)

    assert len(fitted.checkpoint.states) == max(1, config.folds)
    assert fitted.checkpoint.decode_size == config.decode_size
    assert (fitted.test.probabilities.argmax(axis=1) == fitted.test.targets).mean() > 0.9
    if config.folds:
        assert sorted(fitted.test.positions.tolist()) == list(range(48))


def test_patience_ends_the_training_and_keeps_the_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fitted = train(configure(tmp_path, epochs=50, patience=3, learning_rate=1e-9))

    assert fitted.epochs == fitted.best_epoch + 3 < 50
    assert fitted.notes == (f"stopped after epoch {fitted.epochs}: 3 epochs without a better one",)
    assert fitted.notes[0] in capsys.readouterr().out.splitlines()


def test_an_average_keeps_the_last_epoch(tmp_path: Path) -> None:
    fitted = train(configure(tmp_path, ema=5.0))

    assert fitted.best_epoch == fitted.epochs == 3
    assert fitted.steps == 9


def test_a_network_of_one_size_refuses_growing_images(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="vit_b_16 takes images of one size"):
        train(configure(tmp_path, arch="vit_b_16", image_size=64, progressive=0.5))


def test_choose_device_refuses_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    # The machine that runs the tests may have a GPU.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    assert choose_device("auto").type == "cpu"
    with pytest.raises(UsageError, match="finds no GPU"):
        choose_device("cuda")


def test_choose_device_refuses_more_processes_than_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    # As on a machine with one GPU.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")

    with pytest.raises(UsageError, match="started 2 processes, and PyTorch finds only 1 GPU"):
        choose_device("auto")


@pytest.mark.parametrize(
    ("flags", "arch", "expected"),
    [
        ({"avx2"}, "cnn", torch.float32),
        ({"avx2", "amx_bf16"}, "cnn", torch.bfloat16),
        ({"avx512_bf16"}, "resnet18", torch.bfloat16),
        ({"avx512_bf16"}, "mobilenet_v3_small", torch.float32),
    ],
)
def test_choose_precision_on_a_cpu_asks_for_its_circuits_and_the_convolutions(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], arch: str, expected: torch.dtype
) -> None:
    # No machine has both kinds of CPU.
    monkeypatch.setattr("model.device._read_cpu_flags", lambda: frozenset(flags))
    network = build_network(arch, class_count=2, image_size=64)

    assert choose_precision(CPU, network) is expected
    assert choose_precision(CPU, network, is_exact=True) is torch.float32


@pytest.mark.gpu
@pytest.mark.parametrize("arch", ["cnn", "small_resnet", "resnet18"])
def test_training_runs_on_a_gpu(arch: str, tmp_path: Path) -> None:
    fitted = train(configure(tmp_path, arch=arch, device="cuda", epochs=4, mixup=0.5, augment="trivial"))

    assert fitted.precision == "bfloat16"
    assert np.isfinite(fitted.test.loss)


@pytest.mark.parametrize(
    ("setting", "device", "steps", "is_one_size", "expected"),
    [
        ("auto", "cpu", 10**6, True, False),
        ("auto", "cuda", 100, True, False),
        ("auto", "cuda", 10**6, False, False),
        ("auto", "cuda", 10**6, True, True),
        ("on", "cpu", 1, False, True),
        ("off", "cuda", 10**6, True, False),
    ],
)
def test_a_network_is_compiled_where_the_steps_repay_it(
    setting: str, device: str, steps: int, is_one_size: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A CPU build of PyTorch comes without Triton.
    monkeypatch.setattr("model.device.find_spec", lambda _: object())

    assert choose_compile(setting, torch.device(device), steps=steps, is_one_size=is_one_size) is expected


def test_a_compiler_that_fails_costs_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_images: Tensor) -> Tensor:
        raise TorchDynamoException("no C++ compiler\n  and many lines more")

    # A real compiler takes seconds to fail, and looks for another one first.
    monkeypatch.setattr("torch.compile", lambda *_, **__: fail)

    compiled, plain = (train(configure(tmp_path / how, epochs=1, compile=how)) for how in ("on", "off"))

    told = [line for line in capsys.readouterr().err.splitlines() if "torch.compile failed" in line]
    assert [line.rpartition(": ")[2] for line in told] == ["no C++ compiler"]
    assert np.array_equal(compiled.test.logits, plain.test.logits)


@pytest.mark.slow
def test_a_compiled_training_gives_the_model_of_a_plain_one_but_for_rounding(tmp_path: Path) -> None:
    recipe = {"augment": "none", "freeze_norm": True, "dropout": 0.5, "epochs": 2}
    compiled, plain = (train(configure(tmp_path / how, compile=how, **recipe)).checkpoint for how in ("on", "off"))

    assert max(float((compiled.states[0][k] - plain.states[0][k]).abs().max()) for k in plain.states[0]) < 1e-3


@pytest.mark.gpu
def test_a_step_on_a_gpu_waits_for_nothing(tmp_path: Path) -> None:
    loader = _loader(configure(tmp_path, mixup=0.3, cutmix=0.3), device=choose_device("cuda"))
    trainer = Trainer(
        build_network("small_resnet", class_count=2, image_size=SIZE), loader.config,
        steps=9, class_weights=loader.weigh_classes(), device=loader.data.device, processes=Processes(),
    )  # fmt: skip
    state = TrainingState.begin(part_size=12, device=loader.data.device)
    train_one_epoch(trainer, loader, state, lambda *_: None)  # kernels are chosen
    state.end_epoch()

    torch.cuda.set_sync_debug_mode("error")
    try:
        with pytest.raises(RuntimeError, match="synchronizing"):
            train_one_epoch(trainer, loader, state, lambda *_: None)
    finally:
        torch.cuda.set_sync_debug_mode("default")

    assert state.step == loader.steps_per_epoch  # what waits is the mean loss of the epoch, after the last step
