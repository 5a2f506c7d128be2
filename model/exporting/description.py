"""What an export says of itself, inside the file and beside it: classes, preprocessing, and what it was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from model.checkpoint import Checkpoint
from model.inference.onnx import FORMAT, INPUT, NO_CHECKSUM, OUTPUT, seal

if TYPE_CHECKING:
    import onnx


def describe_export(checkpoint: Checkpoint, *, source: str, precision: str) -> dict[str, Any]:
    """Return what a program needs to know that has the export alone; `source` is the SHA-256 of model.pt."""
    side = checkpoint.decode_size
    return {
        "model.export": FORMAT,
        "classes": list(checkpoint.classes),
        "input": {
            "name": INPUT,
            "type": "uint8",
            "shape": ["batch", side, side, 3],
            "colours": "RGB",
            "range": [0, 255],
            "upright": "turned as EXIF says",
            "resize": f"the whole picture to {side} x {side}, aspect ratio given up, bilinear with antialiasing",
        },
        "output": {"name": OUTPUT, "type": "float32", "shape": ["batch", len(checkpoint.classes)]},
        "inside": {
            "arch": checkpoint.arch,
            "networks": len(checkpoint.states),
            "precision": precision,
            "image_size": checkpoint.image_size,
            "mean": list(checkpoint.mean),
            "std": list(checkpoint.std),
            "views": checkpoint.tta,
            "temperature": checkpoint.temperature,
        },
        "source": {"sha256": source, "torch": checkpoint.torch_version},
    }


def serialize(graph: onnx.ModelProto, description: Mapping[str, Any]) -> bytes:
    """Return the file: the graph with its description, and a checksum of both."""
    graph.producer_name = "model.export"
    del graph.metadata_props[:]
    for name, value in description.items():
        graph.metadata_props.add(key=name, value=json.dumps(value))
    # The last: nothing behind it may hold the word.
    graph.metadata_props.add(key="checksum", value=NO_CHECKSUM)
    return seal(bytes(graph.SerializeToString()))
