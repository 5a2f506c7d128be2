"""What learns and by which rules: a network, its optimizer and average, and which of its layers learn when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.config import TrainConfig
from model.console import warn
from model.device import choose_compile, choose_precision
from model.networks.heads import freeze_body, freeze_norm, unfreeze_body
from model.training.distributed import Processes
from model.training.ema import WeightAverage
from model.training.exchange import GradientExchange
from model.training.optimizer import build_optimizer, compute_learning_rate
from model.training.profile import Phases
from model.training.randomness import rest_body, share_randomness

# While only the head learns it learns this much faster: between the presets' rates for fine-tuning (2e-4) and for a
# head on a frozen body (1e-2).
HEAD_FACTOR = 10.0
# What the second answer of a network with an auxiliary head counts (Szegedy et al., Inception v3, 2015).
AUXILIARY_WEIGHT = 0.4


class Trainer:
    """One network's training; `begin_step` must come before every step of the weights."""

    def __init__(
        self,
        network: nn.Module,
        config: TrainConfig,
        *,
        steps: int,
        class_weights: Tensor,
        device: torch.device,
        processes: Processes,
    ) -> None:
        self.phase = Phases()
        self.rows = share_randomness(network)
        self.network = network.to(device)
        self.class_weights = class_weights
        self.processes = processes
        self._is_exact = _is_exact(network, config)
        self.precision = choose_precision(device, network, is_exact=self._is_exact)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision is torch.float16)
        if config.freeze_norm:
            freeze_norm(network)
        self.average = WeightAverage(network, config.ema) if config.ema else None
        # What batches are shown to, while learning and while examined.
        self.learning: nn.Module = self.network
        self.examined: nn.Module = self.learnt
        self._compiled: Callable[[Tensor], Any] | None = None
        if choose_compile(config.compile, device, steps=steps, is_one_size=config.progressive == 1.0):
            # As much is drawn for dropout, and the same, as without.
            self._compiled = torch.compile(self.network, options={"fallback_random": True})
        self._config = config
        self._steps = steps
        self._head_steps = steps if config.freeze else round(steps * config.head_share)
        self._enter_phase(0)

    @property
    def learnt(self) -> nn.Module:
        """The network to examine and to keep: the average of the weights, where there is one."""
        return self.network if self.average is None else self.average.network

    def learn_from_features(self, cut: Callable[[nn.Module], nn.Module]) -> None:
        """Show batches of features from now on to the part of the network that `cut` returns."""
        self.learning, self.examined = cut(self.network), cut(self.learnt)
        self._compiled = None  # a head is not worth it

    def begin_step(self, step: int) -> None:
        """Set the learning rate of a step, counted from 0 over all epochs, and which layers learn in it."""
        if step == self._head_steps:
            self.exchange.close()
            self._enter_phase(step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.choose_learning_rate(step)

    def choose_learning_rate(self, step: int) -> float:
        """Return the learning rate of a step; the phase of the head has a rise and a fall of its own."""
        config, head_steps = self._config, self._head_steps
        is_head_first = step < head_steps < self._steps
        return compute_learning_rate(
            step if step < head_steps else step - head_steps,
            highest=config.learning_rate * (HEAD_FACTOR if is_head_first else 1.0),
            steps=head_steps if step < head_steps else self._steps - head_steps,
            schedule=config.schedule,
            warm_up=config.warm_up,
        )

    def answer(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return what a network that learns says about a part of a batch."""
        network = self.learning if self._compiled is None else self._compiled
        answer: Tensor | tuple[Tensor, ...] = network(images)
        return answer

    def give_up_compiling(self, error: BaseException) -> bool:
        """Go on without the compiler where an error is its own; say whether it is."""
        if self._compiled is None:
            return False
        from torch._dynamo.exc import TorchDynamoException

        if not isinstance(error, TorchDynamoException):
            return False
        self._compiled = None
        warn(f"torch.compile failed, and the training goes on without it: {str(error).strip().splitlines()[0]}")
        return True

    def compute_loss(self, answer: Tensor | tuple[Tensor, ...], targets: Tensor) -> Tensor:
        """Return the sum of the losses of logits, or of logits and those of auxiliary heads, against soft targets."""
        logits, *auxiliary = (answer,) if isinstance(answer, Tensor) else answer
        loss = self._compute_cross_entropy(logits, targets)
        for further in auxiliary:
            loss = loss + AUXILIARY_WEIGHT * self._compute_cross_entropy(further, targets)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return all that changes while learning."""
        return {
            "network": self.network.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any], *, steps_done: int) -> None:
        """Take up the training where it was saved, after so many steps."""
        self.exchange.close()
        self._enter_phase(max(0, steps_done - 1))
        self.network.load_state_dict(state["network"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])

    def _enter_phase(self, step: int) -> None:
        is_head_alone = step < self._head_steps
        if is_head_alone:
            freeze_body(self.network)
        else:
            unfreeze_body(self.network)
        rest_body(self.network, rests=is_head_alone)
        self.network.train()
        if self.average is not None:
            self.average.follow(self.network)
        self.exchange = GradientExchange(self.network, self.processes)
        self.optimizer = build_optimizer(
            self.network,
            name=self._config.optimizer,
            weight_decay=self._config.weight_decay,
            is_exact=self._is_exact,
        )

    def _compute_cross_entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(
            logits.float(),
            targets.float(),
            weight=self.class_weights,
            label_smoothing=self._config.label_smoothing,
            reduction="sum",
        )


def _is_exact(network: nn.Module, config: TrainConfig) -> bool:
    """Say whether an image's part of the gradient does not depend on the other images of its batch, nor on chance."""
    rests = config.freeze or config.freeze_norm
    has_statistics = any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    return config.augment == "none" and (rests or not has_statistics)
