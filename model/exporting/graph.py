"""A checkpoint as one ONNX graph: uint8 pictures in, probabilities out, all that `Classifier` does between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from model.checkpoint import Checkpoint
from model.console import count
from model.errors import NetworkError
from model.exporting.quiet import keep_quiet
from model.inference.onnx import INPUT, OUTPUT
from model.inference.views import list_views

if TYPE_CHECKING:
    import onnx

# The first opset with GELU as one node; it has the antialiased resize too. ONNX Runtime 1.17 (2024-02) is the first
# to run it.
OPSET = 20

# What Protocol Buffers, the format below ONNX, can hold in one file, less the graph itself.
MAX_BYTES = 2**31 - 2**24


class ExportedClassifier(nn.Module):
    """The same answers as `Classifier` gives, from operations that ONNX has; views are looked at as one batch."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self._size, self._tta = checkpoint.image_size, checkpoint.tta
        self._temperature = checkpoint.temperature
        self.networks = nn.ModuleList(checkpoint.build(place) for place in range(len(checkpoint.states)))
        self.register_buffer("mean", torch.tensor(checkpoint.mean))
        self.register_buffer("std", torch.tensor(checkpoint.std))

    def forward(self, images: Tensor) -> Tensor:
        """Return the probabilities (N, classes) of uint8 images (N, side, side, RGB)."""
        views = list_views(images, size=self._size, tta=self._tta)
        # As `normalize_batch`, which goes through a batch in parts: a graph has no number of them.
        pixels = (torch.cat(views).float() - self.get_buffer("mean")) / self.get_buffer("std")
        pictures = pixels.permute(0, 3, 1, 2)
        return torch.stack([self._answer(network(pictures), len(views)) for network in self.networks]).mean(dim=0)

    def _answer(self, logits: Tensor, view_count: int) -> Tensor:
        if view_count > 1:
            # A constant that the views have in common does not change the softmax: the mean needs no division.
            logits = logits.log_softmax(dim=1).reshape(view_count, -1, logits.shape[1]).logsumexp(dim=0)
        return (logits / self._temperature).softmax(dim=1)


def build_graph(checkpoint: Checkpoint) -> onnx.ModelProto:
    """Return a checkpoint's graph, for batches of any size; raises NetworkError for one that ONNX cannot hold."""
    size = sum(tensor.nbytes for state in checkpoint.states for tensor in state.values())
    if size > MAX_BYTES:
        raise NetworkError(
            f"{count(len(checkpoint.states), 'network')} of {checkpoint.arch} are {size / 1e9:.1f} GB;"
            f" an ONNX file holds {MAX_BYTES / 1e9:.1f} GB.",
            hint="Train without --folds or with a smaller --arch, or predict with model.pt.",
        )
    side = checkpoint.decode_size
    # Two images: of one, the exporter would take the number for a constant.
    images = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    with keep_quiet():
        program = torch.onnx.export(
            ExportedClassifier(checkpoint).eval(),
            (images,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            verbose=False,
        )
    if program is None:  # what the signature allows for the exporter of old
        raise AssertionError
    graph: onnx.ModelProto = program.model_proto
    # Where the exporter cannot keep the number of images open, it takes that of the example without a word.
    if not graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise NetworkError(
            f"{checkpoint.arch} cannot be exported: its graph would take two pictures at a time, no more and no fewer.",
            hint="Predict with model.pt, or train another --arch.",
        )
    return graph
