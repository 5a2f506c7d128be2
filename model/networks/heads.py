"""The last layer of any network and all before it: found, frozen, set free, and kept from learning statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from typing import Self  # since Python 3.11

# Where networks keep the dropout before their last layer; dropout deeper inside belongs to the architecture.
_DROPOUT_PARTS = frozenset({"dropout", "classifier"})


def find_head(network: nn.Module) -> nn.Module:
    """Return the layer that gives the logits; a convolution in SqueezeNet, linear in all others."""
    return network.get_submodule(name_head(network))


def name_head(network: nn.Module) -> str:
    """Return the name of that layer: the last that was registered, in all networks of the catalogue."""
    *_, last = (name for name, module in network.named_modules() if isinstance(module, (nn.Linear, nn.Conv2d)))
    return str(last)


def freeze_body(network: nn.Module) -> None:
    """Let the head alone learn: nothing else gets gradients or new batch statistics."""
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    find_head(network).requires_grad_()
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            _become(module, _RestingBatchNorm2d)


def unfreeze_body(network: nn.Module) -> None:
    """Undo `freeze_body`; statistics that `freeze_norm` holds stay held."""
    for parameter in network.parameters():
        parameter.requires_grad_()
    for module in network.modules():
        if type(module) is _RestingBatchNorm2d:
            _become(module, nn.BatchNorm2d)


def freeze_norm(network: nn.Module) -> None:
    """Keep the batch statistics as they are, whenever `train()` is called; scales and offsets still learn."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            _become(module, _FixedBatchNorm2d)


def set_dropout(network: nn.Module, share: float) -> None:
    """Set the share of features that is dropped before the last layers; a network without such a dropout stays so."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Dropout) and name.partition(".")[0] in _DROPOUT_PARTS:
            module.p = share


class _FixedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation by the statistics that it has."""

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002
        return super().train(False)


class _RestingBatchNorm2d(_FixedBatchNorm2d):
    """The same, until the body is unfrozen."""


def _become(module: nn.Module, kind: type[nn.BatchNorm2d]) -> None:
    # The class alone changes: the names, weights and copies of the module stay what they were.
    module.__class__ = kind
    module.train(module.training)
