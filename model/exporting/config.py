"""What one export is: the command line, read once and then frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.arguments import ArgumentParser, grouping
from model.errors import CheckpointError, UsageError

MODEL = "model.pt"


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """The command line; `data` is "" where none was given, `output` the folder of the model where none was."""

    model: Path
    output: Path
    data: str = ""
    targets: Path | None = None
    group_from: str = ""
    int8: bool = False

    @property
    def file(self) -> Path:
        """The export that answers as model.pt does."""
        return self.output / f"{self.model.stem}.onnx"

    @property
    def int8_file(self) -> Path:
        """The smaller and faster one."""
        return self.output / f"{self.model.stem}.int8.onnx"


def parse_export_arguments(arguments: Sequence[str] | None = None) -> ExportConfig:
    """Read the command line of `python -m model.export`; raises UsageError."""
    parser = ArgumentParser(
        prog="python -m model.export",
        description="Write a model as ONNX: it runs wherever ONNX Runtime does, without PyTorch and without us.",
        epilog="The answers are compared with those of model.pt; the figures are in model.onnx.json.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="model.pt, or the folder of results that holds it")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder to write into (default: the model's)")
    parser.add_argument(
        "--data", default="", metavar="FOLDER", help="the training's images (default: where it found them, if there)"
    )
    parser.add_argument("--targets", type=Path, help="table with the labels, if not found in the data")
    parser.add_argument("--group-from", type=grouping, help="column or pattern of the groups")
    parser.add_argument(
        "--int8",
        action="store_true",
        help="write model.int8.onnx too, calibrated on training images; refused if it loses more than half a point",
    )
    given = parser.parse_args(arguments)
    model = _find_model(given.model)
    output = given.output or model.parent
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output} is a file; the export needs a folder.")
    return ExportConfig(
        model=model,
        output=output,
        data=given.data,
        targets=given.targets,
        group_from=given.group_from or "",
        int8=given.int8,
    )


def _find_model(path: Path) -> Path:
    model = path / MODEL if path.is_dir() else path
    if model.suffix == ".onnx":
        raise UsageError(f"{model} is an export already.", hint=f"Name the {MODEL} that the training wrote.")
    if not model.is_file():
        raise CheckpointError(f"There is no model in {path}.", hint=f"Name the {MODEL} that the training wrote.")
    return model
