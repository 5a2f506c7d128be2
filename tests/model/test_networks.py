from __future__ import annotations

import copy
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from model.config import parse_train_arguments
from model.errors import NetworkError
from model.networks.catalogue import build_empty, build_network, drop_auxiliary, list_archs, load_weights, refuse_unfit
from model.networks.heads import find_head, freeze_body, freeze_norm, set_dropout, unfreeze_body
from model.presets import DELICATE_LEARNING_RATE, STANDARD
from model.train import main

NAMED = [
    ("cnn", 32),
    ("small_resnet", 32),
    ("resnet18", 128),
    ("resnet50", 128),
    ("resnet101", 128),
    ("resnet152", 32),
    ("vgg16", 128),
    ("inception_v3", 75),
    ("efficientnet_b0", 128),
    ("efficientnet_v2_s", 128),
    ("convnext_tiny", 128),
    ("vit_b_16", 128),
    ("mobilenet_v3", 128),
    ("mobilenet_v3_small", 128),
]


@pytest.mark.parametrize(("arch", "size"), NAMED)
def test_network_of_our_classes_learns_and_answers(arch: str, size: int) -> None:
    network = build_empty(arch, class_count=7, image_size=size)
    images = torch.empty(2, 3, size, size, device="meta")

    assert arch in list_archs()
    assert network.train()(images).shape == (2, 7)
    assert network.eval()(images[:1]).shape == (1, 7)
    assert find_head(network).get_parameter("weight").shape[0] == 7


@pytest.mark.parametrize(
    ("arch", "hint"),
    [
        ("resnet19", "Did you mean resnet1"),
        ("fasterrcnn_resnet50_fpn", "small_resnet"),
        ("RESNET18", "small_resnet"),
        ("", "small_resnet"),
    ],
)
def test_build_network_refuses_an_unknown_name(arch: str, hint: str) -> None:
    with pytest.raises(NetworkError, match="There is no architecture") as raised:
        build_network(arch, class_count=2, image_size=64)

    assert repr(arch) in raised.value.message
    assert hint in raised.value.hint


@pytest.mark.parametrize(
    ("arch", "size", "fitting"),
    [("inception_v3", 64, 96), ("vit_b_16", 100, 96), ("alexnet", 32, 64)],
)
def test_refuse_unfit_names_a_size_that_fits(arch: str, size: int, fitting: int) -> None:
    with pytest.raises(NetworkError, match=f"{arch} cannot take images of {size} pixels") as raised:
        refuse_unfit(arch, class_count=2, image_size=size)

    assert f"--image-size {fitting}," in raised.value.hint


def test_refuse_unfit_tells_a_batch_that_is_too_small_from_a_size() -> None:
    refuse_unfit("mobilenet_v3", class_count=2, image_size=32, batch_size=2)
    with pytest.raises(NetworkError, match="cannot learn from one image of 32 pixels at a time") as raised:
        refuse_unfit("mobilenet_v3", class_count=2, image_size=32, batch_size=1)

    assert "--batch-size" in raised.value.hint


def test_inception_has_an_auxiliary_answer_only_while_it_learns() -> None:
    network = build_network("inception_v3", class_count=3, image_size=75, auxiliary=True)
    images = torch.zeros(2, 3, 75, 75)

    with torch.no_grad():
        learning = network.train()(images)
        answering = network.eval()(images)

    assert [logits.shape for logits in learning] == [(2, 3), (2, 3)]
    assert answering.shape == (2, 3)
    plain = build_empty("inception_v3", class_count=3, image_size=75)
    assert drop_auxiliary(network.state_dict()).keys() == plain.state_dict().keys()
    load_weights(network, drop_auxiliary(network.state_dict()))


def test_load_weights_refuses_those_of_another_network() -> None:
    network = build_network("small_resnet", class_count=2, image_size=32)

    with pytest.raises(NetworkError, match="other shapes"):
        load_weights(network, build_network("small_resnet", class_count=3, image_size=32).state_dict())
    with pytest.raises(NetworkError, match=r"stem\.0\.weight is missing"):
        load_weights(network, {name: part for name, part in network.state_dict().items() if name != "stem.0.weight"})


def _learn(network: nn.Module) -> set[str]:
    """Take one step and return the names of what it changed."""
    before = copy.deepcopy(network.state_dict())
    optimizer = torch.optim.SGD([part for part in network.parameters() if part.requires_grad], lr=0.5)
    network.train()(torch.rand(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    return {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}


def test_freeze_body_leaves_the_head_alone_to_learn() -> None:
    network = build_network("cnn", class_count=2, image_size=32)

    freeze_body(network)

    assert _learn(network) == {"classifier.weight", "classifier.bias"}


def test_unfreeze_body_lets_everything_learn_again() -> None:
    network = build_network("cnn", class_count=2, image_size=32)
    freeze_body(network)

    unfreeze_body(network)

    assert _learn(network) == network.state_dict().keys()


def test_freeze_norm_keeps_statistics_through_training_copies_and_phases() -> None:
    network = build_network("cnn", class_count=2, image_size=32)
    freeze_norm(network)
    freeze_body(network)
    unfreeze_body(network)

    changed = _learn(copy.deepcopy(network))

    assert changed == {name for name, _ in network.named_parameters()}
    assert {name.rpartition(".")[2] for name in network.state_dict().keys() - changed} == {
        "running_mean",
        "running_var",
        "num_batches_tracked",
    }


@pytest.mark.parametrize(("arch", "options", "share"), [("cnn", (), 0.3), ("cnn", ("--dropout", "0.4"), 0.4)])
def test_a_network_keeps_its_own_dropout_unless_another_is_asked_for(
    arch: str, options: tuple[str, ...], share: float
) -> None:
    config = parse_train_arguments(["--data", "photos", "--output", "results", "--arch", arch, *options])

    network = build_network(config.arch, class_count=3, image_size=64, dropout=config.dropout)

    assert {module.p for module in network.modules() if isinstance(module, nn.Dropout)} == {share}


@pytest.mark.parametrize(("arch", "shares"), [("small_resnet", {0.4}), ("vgg11", {0.4}), ("resnet18", set())])
def test_set_dropout_changes_what_is_dropped_before_the_last_layers(arch: str, shares: set[float]) -> None:
    network = build_empty(arch, class_count=2, image_size=64)

    set_dropout(network, 0.4)

    assert {module.p for module in network.modules() if isinstance(module, nn.Dropout)} == shares


def test_network_is_refused_before_the_images_are_decoded(
    class_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", str(class_folders), "--output", str(tmp_path / "results"), "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", ["train", *options, "--arch", "inception_v3", "--image-size", "64"])

    with pytest.raises(NetworkError, match="inception_v3 cannot take images of 64 pixels"):
        main()

    assert "decoded" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "rate"),
    [
        ([], STANDARD.learning_rate),
        (["--arch", "resnet18"], STANDARD.learning_rate),
        (["--arch", "vgg16"], DELICATE_LEARNING_RATE),
        (["--arch", "vgg16_bn"], STANDARD.learning_rate),
        (["--arch", "vit_b_16"], DELICATE_LEARNING_RATE),
        (["--arch", "vgg16", "--learning-rate", "0.01"], 0.01),
        (["--arch", "vgg16", "--pretrained", "--freeze"], 0.01),
    ],
)
def test_networks_without_normalisation_learn_more_slowly(options: list[str], rate: float) -> None:
    config = parse_train_arguments(["--data", "photos", "--output", "results", *options])

    assert config.learning_rate == rate
