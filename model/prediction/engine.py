"""What answers: PyTorch with model.pt, or ONNX Runtime with an export, which is faster on a CPU and there at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model.atomic import write_file, write_json
from model.console import say, warn
from model.data.images import Pixels, decode_images
from model.digest import digest_file
from model.errors import CheckpointError, ModelError, SaveError, UsageError
from model.inference.classifies import Classifies
from model.inference.onnx import OnnxClassifier, has_onnx_runtime, read_export, refuse_without_onnx_runtime
from model.threads import keep_waiting_threads_short

if TYPE_CHECKING:
    from model.checkpoint import Checkpoint

EXPORT_SUFFIX = ".onnx"

# From so many pictures on, model.pt is exported first: that takes some ten seconds, and then ONNX Runtime saves some
# milliseconds with each picture. An estimate: it depends on the network, and little on a factor of two.
MANY_PICTURES = 2000

# What is compared before an export made on the way is trusted.
COMPARED = 32


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What answers, for which classes; `digest` tells the model from others, whichever engine computes it."""

    classifier: Classifies
    classes: tuple[str, ...]
    digest: str


def open_engine(path: Path, pictures: Sequence[Path], *, engine: str, device: str) -> Engine:
    """Return what answers about `pictures`; raises UsageError and CheckpointError.

    1. An export answers through ONNX Runtime. So does a model.pt on a CPU, when its own export lies beside it, or
       when there are so many pictures that making that export pays; both give the same answers but for rounding.
    2. With an export PyTorch is not imported.
    """
    if path.suffix == EXPORT_SUFFIX:
        return _open_export(path, engine=engine, device=device)
    digest = digest_file(path)
    if engine != "torch" and _may_run_onnx(engine, device):
        beside = _open_beside(path, digest)
        if beside is not None:
            return beside
        if engine == "onnx" or len(pictures) >= MANY_PICTURES:
            made = _make_beside(path, digest, pictures, is_asked_for=engine == "onnx")
            if made is not None:
                return made
    # PyTorch takes seconds to import; what can be told without it was told before.
    keep_waiting_threads_short()
    from model.checkpoint import load_checkpoint
    from model.inference.classifier import Classifier

    checkpoint = load_checkpoint(path)
    return Engine(classifier=Classifier(checkpoint, device=device), classes=checkpoint.classes, digest=digest)


def _open_export(path: Path, *, engine: str, device: str) -> Engine:
    if engine == "torch":
        raise UsageError(f"{path} is an export, which PyTorch does not run.", hint="Give the model.pt it was made of.")
    if device == "cuda":
        raise UsageError(f"{path} is an export, which runs on a CPU here.", hint="Give the model.pt it was made of.")
    content = read_export(path)
    classifier = OnnxClassifier(content, name=str(path))
    digest = hashlib.sha256(content).hexdigest()
    return Engine(classifier=classifier, classes=classifier.classes, digest=digest)


def _may_run_onnx(engine: str, device: str) -> bool:
    if engine == "onnx":
        refuse_without_onnx_runtime("--engine onnx")
        if device == "cuda":
            raise UsageError("--engine onnx runs on a CPU.", hint="Leave out --engine onnx or --device cuda.")
        return True
    return has_onnx_runtime() and device != "cuda" and (device == "cpu" or not _has_gpu())


def _has_gpu() -> bool:
    """Say whether PyTorch can use a GPU; it is not asked where there is no device of any."""
    if not any(Path("/dev").glob("nvidia[0-9]*")) and not any(Path("/dev", name).exists() for name in ("dxg", "kfd")):
        return False
    import torch

    return bool(torch.cuda.is_available())


def _open_beside(path: Path, digest: str) -> Engine | None:
    """Return the export beside a model.pt, if there is one of that very file and in float32."""
    beside = path.with_suffix(EXPORT_SUFFIX)
    if not beside.is_file():
        return None
    try:
        classifier = OnnxClassifier(read_export(beside), name=str(beside))
    except CheckpointError as error:
        warn(f"{error.message} Going on with {path.name}.")
        return None
    told = classifier.description
    if told["source"]["sha256"] != digest or told["inside"]["precision"] != "float32":
        return None
    return Engine(classifier=classifier, classes=classifier.classes, digest=digest)


def _make_beside(path: Path, digest: str, pictures: Sequence[Path], *, is_asked_for: bool) -> Engine | None:
    """Export a model.pt and keep the export beside it; None where that cannot be, unless it was asked for."""
    keep_waiting_threads_short()
    from model.checkpoint import load_checkpoint
    from model.exporting.making import list_missing, make_export, refuse_missing

    if is_asked_for:
        refuse_missing()
    elif list_missing():
        return None
    checkpoint = load_checkpoint(path)
    say(f"exporting {path.name} for ONNX Runtime, once")
    try:
        kind, batch = _choose_pictures(checkpoint, pictures)
        made = make_export(checkpoint, source=digest, kind=kind, batches=[batch])
    except ModelError as error:
        if is_asked_for:
            raise
        warn(f"{error.message} Going on with PyTorch.")
        return None
    beside = path.with_suffix(EXPORT_SUFFIX)
    try:
        write_file(beside, made.content)
        write_json(beside.with_name(f"{beside.name}.json"), made.told)
    except SaveError as error:
        warn(f"{error.message} It is not kept.")
    return Engine(classifier=made.classifier, classes=checkpoint.classes, digest=digest)


def _choose_pictures(checkpoint: Checkpoint, pictures: Sequence[Path]) -> tuple[str, Pixels]:
    from model.exporting.agreement import draw_pictures

    chosen = pictures[:: -(-len(pictures) // COMPARED) or 1]
    decoded = decode_images(chosen, checkpoint.decode_size)
    good = [k for k in range(len(chosen)) if k not in decoded.faults]
    if good:
        return "pictures to classify", decoded.pixels[good]
    return "made-up pictures", next(draw_pictures(checkpoint.decode_size))
