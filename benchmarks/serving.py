"""Answers per second of one core: ResNet-18 as ONNX, in float32 and in int8, and in PyTorch as it comes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmarks.measures import Arms, NotHere, Setting, rate, row
from benchmarks.stepping import draw_pixels

if TYPE_CHECKING:
    import onnx

    from model.checkpoint import Checkpoint

BATCH = 8
SIDE = 224
CLASSES = ("reef", "sand")
# Pictures that int8's ranges are measured on: the speed does not depend on them.
CALIBRATING = 8


@row("onnx-fp32", "ONNX in float32 of ResNet-18, per core", at_least=1.7, cores=1, quick=True)
def in_float32(setting: Setting) -> Iterator[Arms]:
    checkpoint = make_checkpoint()
    yield compare(setting, checkpoint, make_graph(checkpoint), precision="float32")


@row("onnx-int8", "ONNX in int8 of ResNet-18, per core", at_least=5.0, cores=1, quick=True)
def in_int8(setting: Setting) -> Iterator[Arms]:
    checkpoint = make_checkpoint()
    yield compare(setting, checkpoint, quantize_graph(make_graph(checkpoint)), precision="int8")


def compare(setting: Setting, checkpoint: Checkpoint, graph: onnx.ModelProto, *, precision: str) -> Arms:
    """Return our arm, from uint8 pictures to probabilities, and eager PyTorch's, from normalised ones to logits."""
    import torch
    from torchvision.models import resnet18

    from model.exporting.description import describe_export, serialize
    from model.inference.onnx import OnnxClassifier

    content = serialize(graph, describe_export(checkpoint, source="", precision=precision))
    classifier = OnnxClassifier(content, name="the export", threads=1)
    pixels, images = draw_pixels(BATCH, SIDE), torch.randn(BATCH, 3, SIDE, SIDE)
    network = resnet18(num_classes=len(CLASSES)).eval()
    ours, eager = setting.choose(16, 4), setting.choose(4, 1)

    def answer_ours() -> None:
        for _ in range(ours):
            classifier.classify(pixels)

    @torch.inference_mode()
    def answer_eagerly() -> None:
        for _ in range(eager):
            network(images)

    return Arms(
        "images/s",
        {
            f"deployer, {precision}": rate(ours * BATCH, answer_ours, time.process_time),
            "PyTorch, eager": rate(eager * BATCH, answer_eagerly, time.process_time),
        },
    )


def make_checkpoint() -> Checkpoint:
    """Return ResNet-18 with weights that know nothing: no speed depends on them."""
    from torchvision.models import resnet18

    from model.checkpoint import Checkpoint

    return Checkpoint(
        arch="resnet18",
        classes=CLASSES,
        image_size=SIDE,
        mean=(128.0,) * 3,
        std=(64.0,) * 3,
        states=(resnet18(num_classes=len(CLASSES)).state_dict(),),
    )


def make_graph(checkpoint: Checkpoint) -> onnx.ModelProto:
    """Return a checkpoint's graph, as the export makes it."""
    from model.exporting.making import list_missing

    missing = list_missing()
    if missing:
        raise NotHere(f"{', '.join(missing)} not installed")
    from model.exporting.graph import build_graph

    return build_graph(checkpoint)


def quantize_graph(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph in int8, by the recipe that the export tries first."""
    from model.exporting.quantization import RECIPES, quantize

    return quantize(graph, iter(draw_pixels(CALIBRATING, SIDE)), RECIPES[0])
