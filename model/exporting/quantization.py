"""int8: weights and activations in eight bits, by ranges measured on training pictures (static, QDQ, per channel)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.data.images import Pixels
from model.exporting.quiet import keep_quiet
from model.inference.onnx import INPUT

if TYPE_CHECKING:
    import onnx

# Operations with weights: what lies between the first and the last of them is the network. Resizing and normalising
# before it, and the softmax behind it, stay in float32: they cost nothing, and eight bits would.
WEIGHTED = frozenset({"Conv", "Gemm", "MatMul"})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A way to quantize; `words` is how it is told."""

    words: str
    options: tuple[tuple[str, object], ...] = ()
    keeps_ends: bool = False  # the first and the last layer stay float32


# Tried in turn until one passes the gate. Unsigned activations with signed weights: the other way is three times slower
# on CPUs of x86 (Zen 4, VNNI: 22 against 8 images a second, 2026-11).
RECIPES = (
    Recipe(words="ranges from the lowest to the highest value"),
    Recipe(words="ranges averaged over the pictures", options=(("CalibMovingAverage", True),)),
    Recipe(words="first and last layer in float32", keeps_ends=True),
)


def quantize(graph: onnx.ModelProto, pictures: Iterator[Pixels], recipe: Recipe) -> onnx.ModelProto:
    """Return the same graph with int8 between its first and last layer, calibrated on `pictures`, one by one."""
    import onnx
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        """Hands out the pictures as the graph takes them."""

        def get_next(self) -> dict[str, Any] | None:
            pixels = next(pictures, None)
            return None if pixels is None else {INPUT: pixels[None]}

    with tempfile.TemporaryDirectory(prefix="model-export-") as folder, keep_quiet():
        target = Path(folder) / "int8.onnx"
        quantization.quantize_static(
            graph,
            str(target),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            nodes_to_exclude=_name_outside(graph, keeps_ends=recipe.keeps_ends),
            calibrate_method=quantization.CalibrationMethod.MinMax,
            extra_options=dict(recipe.options),
        )
        return onnx.load(str(target))


def _name_outside(graph: onnx.ModelProto, *, keeps_ends: bool) -> list[str]:
    """Return the names of the nodes that stay as they are."""
    nodes = graph.graph.node
    weighted = [node.name for node in nodes if node.op_type in WEIGHTED]
    # The nodes are sorted: what a node needs comes before it.
    behind: set[str] = set()
    reached = {name for node in nodes if node.op_type in WEIGHTED for name in node.output}
    for node in nodes:
        if node.op_type in WEIGHTED or reached.intersection(node.input):
            behind.add(node.name)
            reached.update(node.output)
    before: set[str] = set()
    needed: set[str] = set()
    for node in reversed(nodes):
        if node.op_type in WEIGHTED or needed.intersection(node.output):
            before.add(node.name)
            needed.update(node.input)
    ends = {weighted[0], weighted[-1]} if keeps_ends else set()
    return [node.name for node in nodes if node.name not in behind & before or node.name in ends]
