from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from model.networks.cnn import ConvolutionalNetwork
from model.networks.small_resnet import SmallResNet
from model.report.gradcam import compute_heat


class _CornerNetwork(nn.Module):
    """Answers by the brightness of the upper right corner alone; its map is bright everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8, bias=False), nn.ReLU(), nn.Dropout(0.5))
        nn.init.constant_(self.features[0].weight, 0.01)

    def forward(self, images: Tensor) -> Tensor:
        corner = self.features(images)[:, :, :2, -2:].mean(dim=(1, 2, 3))
        return torch.stack([corner, -corner], dim=1)


def _build_vit() -> nn.Module:
    network = models.VisionTransformer(
        image_size=64, patch_size=16, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=16, num_classes=3
    )
    nn.init.normal_(network.heads.head.weight)  # torchvision begins with zeros, which no place can speak through
    return network


BUILDERS = {
    "cnn": lambda: ConvolutionalNetwork(3),
    "small_resnet": lambda: SmallResNet(3),
    "mobilenet_v3_small": lambda: models.mobilenet_v3_small(num_classes=3),
    "vit": _build_vit,
}


def test_heat_lights_the_corner_that_the_answer_depends_on() -> None:
    heat = compute_heat(_CornerNetwork(), torch.ones(1, 3, 64, 64), [0])

    assert heat is not None
    assert heat.shape == (1, 8, 8)
    assert heat[0, :2, -2:].min() == 1.0
    heat[0, :2, -2:] = 0.0
    assert not heat.any()


def test_heat_is_dark_where_no_place_speaks_for_the_answer() -> None:
    heat = compute_heat(_CornerNetwork(), torch.ones(1, 3, 64, 64), [1])

    assert heat is not None
    assert not heat.any()


@pytest.mark.parametrize("name", BUILDERS)
def test_heat_leaves_a_frozen_network_as_it_was(name: str) -> None:
    torch.manual_seed(0)
    network = BUILDERS[name]()
    network.requires_grad_(False)
    next(network.children()).eval()
    modes = [module.training for module in network.modules()]
    state = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.inference_mode():
        images = torch.randn(2, 3, 64, 64)

    heat = compute_heat(network, images, [2, 0])

    assert heat is not None
    assert len(heat) == 2
    assert min(heat.shape[1:]) >= 4
    assert heat.min() >= 0.0
    assert heat.max() == pytest.approx(1.0)
    assert [module.training for module in network.modules()] == modes
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_heat_is_not_available_without_a_map_of_places() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))

    assert compute_heat(network, torch.ones(1, 3, 8, 8), [0]) is None
