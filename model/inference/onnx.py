"""An export answering through ONNX Runtime: no PyTorch is imported, so that one picture takes no seconds."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model.data.images import Pixels
from model.errors import CheckpointError, UsageError, name_reason
from model.threads import count_cores

if TYPE_CHECKING:
    import onnxruntime

# Raised whenever an older reader could not use the file.
FORMAT = 1

INPUT, OUTPUT = "images", "probabilities"

# Images that the network sees at once: more are no faster on a CPU, and memory stays flat (ResNet-18, 1 thread, 1 to 32
# images: 25 to 26 images a second, 2026-11).
PART_SIZE = 8

# What stands in the file for its own checksum while that is computed.
NO_CHECKSUM = "0" * 64


class OnnxClassifier:
    """What `Classifier` is, of a file that `python -m model.export` wrote; `decode_size` is the side of its images."""

    def __init__(self, content: bytes, *, name: str, threads: int = 0) -> None:
        """Read an export; raises CheckpointError for one that is damaged, newer, or not ours."""
        self._session = _open(content, name=name, threads=threads or count_cores())
        self.description = _read_description(self._session, content, name=name)
        self.classes: tuple[str, ...] = tuple(self.description["classes"])
        self.decode_size: int = self._session.get_inputs()[0].shape[1]

    def classify(self, pixels: Pixels) -> NDArray[np.float64]:
        """Return the probabilities (N, classes) of images (N, size, size, RGB)."""
        parts = [
            self._session.run([OUTPUT], {INPUT: np.ascontiguousarray(pixels[first : first + PART_SIZE])})[0]
            for first in range(0, len(pixels), PART_SIZE)
        ]
        return np.concatenate([np.empty((0, len(self.classes))), *parts]).astype(np.float64)


def read_export(path: Path) -> bytes:
    """Return the content of an export; raises CheckpointError."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no model in {path}.", hint="Name what the export wrote.") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {name_reason(error)}.") from error


def has_onnx_runtime() -> bool:
    """Say whether ONNX Runtime is installed."""
    return importlib.util.find_spec("onnxruntime") is not None


def refuse_without_onnx_runtime(what: str) -> None:
    """Raise UsageError when ONNX Runtime is not installed."""
    if not has_onnx_runtime():
        raise UsageError(f"{what} needs onnxruntime, which this Python lacks.", hint="pip install onnxruntime")


def compute_checksum(content: bytes) -> str:
    """Return the SHA-256 of an export as it was before its checksum was written into it."""
    found = _find_checksum(content)
    digest = hashlib.sha256()
    digest.update(content if found is None else content[:found])
    if found is not None:
        digest.update(NO_CHECKSUM.encode())
        digest.update(memoryview(content)[found + len(NO_CHECKSUM) :])
    return digest.hexdigest()


def seal(content: bytes) -> bytes:
    """Write the checksum of an export into the place that is kept for it."""
    found = _find_checksum(content)
    if found is None:
        raise ValueError("the export has no room for a checksum")
    return content[:found] + compute_checksum(content).encode() + content[found + len(NO_CHECKSUM) :]


def _find_checksum(content: bytes) -> int | None:
    """Return where the checksum's 64 digits begin: the metadata are the last but for a few bytes."""
    start = content.rfind(b"checksum")
    # Behind the key, Protocol Buffers put the field's number and length: one byte each.
    place = start + len(b"checksum") + 2
    return place if start >= 0 and len(content) >= place + len(NO_CHECKSUM) else None


def _open(content: bytes, *, name: str, threads: int) -> onnxruntime.InferenceSession:
    refuse_without_onnx_runtime(name)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what is wrong is told by us
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    # ONNX Runtime's errors have no class in common: Fail, InvalidProtobuf, InvalidGraph, NotImplemented, RuntimeError.
    except Exception as error:
        raise CheckpointError(
            f"{name} is damaged, or no ONNX model that this onnxruntime ({onnxruntime.__version__}) can run.",
            hint="Export it again: python -m model.export model.pt",
        ) from error


def _read_description(session: onnxruntime.InferenceSession, content: bytes, *, name: str) -> dict[str, Any]:
    metadata = session.get_modelmeta().custom_metadata_map
    if "model.export" not in metadata:
        raise CheckpointError(
            f"{name} was not written by python -m model.export: nobody knows what its images must look like.",
            hint="Export a model.pt: python -m model.export model.pt",
        )
    again = "Export it again: python -m model.export model.pt"
    if metadata.get("checksum") != compute_checksum(content):
        raise CheckpointError(f"{name} is damaged: its checksum is wrong.", hint=again)
    if metadata["model.export"] != str(FORMAT):
        raise CheckpointError(f"{name} was written by another version.", hint=f"Update this installation. {again}")
    return {key: json.loads(value) for key, value in metadata.items() if key != "checksum"}
