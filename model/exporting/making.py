"""From a checkpoint to the bytes of its exports, each compared with the model before anybody gets it."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from model.checkpoint import Checkpoint
from model.console import list_names
from model.data.images import Pixels
from model.errors import UsageError
from model.exporting.agreement import Agreement, compare
from model.exporting.description import describe_export, serialize
from model.exporting.gate import pass_gate, read_one_by_one
from model.exporting.graph import build_graph
from model.exporting.pictures import Pictures
from model.exporting.quantization import Recipe, quantize
from model.inference.classifier import Classifier
from model.inference.onnx import OnnxClassifier

if TYPE_CHECKING:
    import onnx

NEEDED = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True, kw_only=True)
class Export:
    """A file that agrees with its model, `content`, and what is written beside it, `told`."""

    content: bytes
    told: dict[str, Any]
    graph: onnx.ModelProto
    classifier: OnnxClassifier
    agreement: Agreement


def list_missing() -> list[str]:
    """Return what an export needs and this Python lacks."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def refuse_missing() -> None:
    """Raise UsageError when an export needs what this Python lacks."""
    missing = list_missing()
    if missing:
        raise UsageError(
            f"An export needs {list_names(missing)}, which this Python lacks.", hint=f"pip install {' '.join(missing)}"
        )


def make_export(checkpoint: Checkpoint, *, source: str, kind: str, batches: Iterable[Pixels]) -> Export:
    """Return a checkpoint as ONNX in float32, compared on batches of pictures of that kind; raises ModelError.

    `source` is the SHA-256 of model.pt.
    """
    graph = build_graph(checkpoint)
    description = describe_export(checkpoint, source=source, precision="float32")
    content = serialize(graph, description)
    classifier = OnnxClassifier(content, name="The export")
    agreement = compare(kind, batches, Classifier(checkpoint, device="cpu"), classifier)
    told = {**description, "agreement": asdict(agreement)}
    return Export(content=content, told=told, graph=graph, classifier=classifier, agreement=agreement)


def make_int8(checkpoint: Checkpoint, export: Export, pictures: Pictures) -> tuple[bytes, dict[str, Any]]:
    """Return the int8 export of the same graph and what to tell of it; raises ModelError when it loses too much."""
    description = describe_export(checkpoint, source=export.told["source"]["sha256"], precision="int8")

    def quantize_by(recipe: Recipe) -> tuple[bytes, OnnxClassifier]:
        # A copy: the quantizer works on what it is given.
        graph = quantize(copy.deepcopy(export.graph), read_one_by_one(pictures), recipe)
        content = serialize(graph, description)
        return content, OnnxClassifier(content, name="The int8 export")

    content, examination = pass_gate(pictures, export.classifier, quantize_by)
    return content, {**description, "int8": examination}
