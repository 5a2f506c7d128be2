"""Write a trained model as ONNX: it runs wherever ONNX Runtime does, without PyTorch and without us.

python -m model.export results/model.pt
python -m model.export results --int8 --data photos --output serving
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.atomic import write_file, write_json
from model.console import count, run, say, warn
from model.digest import digest_file
from model.errors import UsageError
from model.exporting.config import ExportConfig, parse_export_arguments
from model.interruption import Interruption
from model.threads import keep_waiting_threads_short

if TYPE_CHECKING:
    from model.data.images import Pixels
    from model.exporting.agreement import Agreement
    from model.exporting.pictures import Pictures


def main() -> None:
    """Read the command line, export, and tell how far the answers are apart; raises ModelError."""
    config = parse_export_arguments()
    with Interruption():
        export(config)


def export(config: ExportConfig) -> None:
    """Write the exports of a model, when all of them have passed; raises ModelError, and then writes nothing."""
    # PyTorch takes seconds to import; what can be told without it was told before.
    keep_waiting_threads_short()
    from model.checkpoint import load_checkpoint
    from model.exporting.making import make_export, make_int8, refuse_missing
    from model.exporting.pictures import find_pictures

    refuse_missing()
    checkpoint = load_checkpoint(config.model)
    pictures = find_pictures(config, checkpoint)
    if config.int8 and pictures is None:
        raise UsageError("--int8 is calibrated on the training's images.", hint="Name their folder with --data.")
    networks, classes = count(len(checkpoint.states), "network"), count(len(checkpoint.classes), "class")
    say(f"{config.model}: {networks} of {checkpoint.arch}, {classes}, views {checkpoint.tta}")
    kind, batches = _choose_pictures(pictures, checkpoint.decode_size)
    digest = digest_file(config.model)
    made = make_export(checkpoint, source=digest, kind=kind, batches=batches)
    _tell_agreement(made.agreement)
    int8 = make_int8(checkpoint, made, pictures) if config.int8 and pictures else None
    _write(config.file, made.content, made.told)
    if int8 is not None:
        _write(config.int8_file, *int8)
    elif _is_of_another_model(config.int8_file, digest):
        warn(f"{config.int8_file} is not of this {config.model.name}: write it anew with --int8, or remove it.")


def _choose_pictures(pictures: Pictures | None, side: int) -> tuple[str, Iterator[Pixels]]:
    from model.exporting.agreement import COMPARED, draw_pictures

    if pictures is None:
        say(
            "note: the training's images are not here, so made-up ones are compared; --data names a folder of real ones"
        )
        return "made-up pictures", draw_pictures(side)
    step = -(-len(pictures.examining) // COMPARED)
    chosen = pictures.examining[::step]
    kind = "labelled pictures" if pictures.note else "pictures that the training did not learn from"
    return kind, (pixels for pixels, _places in pictures.read(chosen))


def _tell_agreement(agreement: Agreement) -> None:
    say(
        f"agreement with the model on {agreement.pictures:,} {agreement.kind}: {agreement.same_answers:,} answers are"
        f" the same, probabilities differ by {agreement.largest_difference:.6f} at most"
    )
    apart = agreement.pictures - agreement.within_tolerance
    if apart:
        warn(f"On {count(apart, 'picture')} a probability differs by more than {agreement.tolerance}.")


def _is_of_another_model(path: Path, digest: str) -> bool:
    told = path.with_name(f"{path.name}.json")
    if not path.is_file():
        return False
    try:
        return bool(json.loads(told.read_bytes())["source"]["sha256"] != digest)
    except (OSError, ValueError, KeyError, TypeError):  # without its description it is not one that was just written
        return True


def _write(path: Path, content: bytes, told: dict[str, Any]) -> None:
    write_file(path, content)
    file = {"name": path.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    write_json(path.with_name(f"{path.name}.json"), {"file": file, **told})
    say(f"wrote {path} ({len(content) / 1e6:.1f} MB) and {path.name}.json")


if __name__ == "__main__":
    sys.exit(run(main))
