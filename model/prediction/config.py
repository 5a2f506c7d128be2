"""What one prediction is: the command line, read once and then frozen."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.arguments import ArgumentParser, number, whole
from model.config import DEVICES
from model.prediction.sorting import UNSURE

TABLE = Path("predictions.csv")
THRESHOLD = 0.8  # of every ten pictures at this probability eight are right, if the model is calibrated
BATCH_SIZE = 64  # 10 MB of pixels at 224 px; Ctrl-C waits for one batch
EVERY_SECONDS = 1.0
ENGINES = ("auto", "torch", "onnx")


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """The command line; `output` and `sort` are None where they were not given."""

    model: Path
    what: tuple[str, ...]
    output: Path | None = None
    sort: Path | None = None
    threshold: float = THRESHOLD
    link: bool = False
    every: float = EVERY_SECONDS
    interesting: tuple[str, ...] = ()
    batch_size: int = BATCH_SIZE
    device: str = "auto"
    engine: str = "auto"


def parse_predict_arguments(arguments: Sequence[str] | None = None) -> PredictConfig:
    """Read the command line of `python -m model.predict`; raises UsageError."""
    parser = ArgumentParser(
        prog="python -m model.predict",
        description="Classify images and videos with a trained model. Interrupted, the same command goes on.",
        epilog="Images that cannot be read are named, counted and listed beside the table (predictions.skipped.csv).",
    )
    parser.add_argument("what", nargs="*", metavar="WHAT", help="folder, glob in quotes, image or video; several")
    parser.add_argument("--model", type=Path, required=True, help="model.pt of a training, or its export (.onnx)")
    parser.add_argument("--images", action="append", default=[], metavar="WHAT", help="the same as WHAT")
    parser.add_argument(
        "--output",
        type=Path,
        help=f"table to write (default: {TABLE}; of a single image the answer is printed); for videos also a folder",
    )
    parser.add_argument("--batch-size", type=whole(1, 65_536), default=BATCH_SIZE, help="images at a time")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="auto",
        help="what runs model.pt; auto: ONNX Runtime on a CPU, if the export lies beside it or pays (default: auto)",
    )
    sorting = parser.add_argument_group("sorting")
    sorting.add_argument(
        "--sort", type=Path, metavar="DIR", help=f"copy each image into DIR/<class>/, or DIR/{UNSURE}/ where it is not"
    )
    sorting.add_argument(
        "--threshold", type=number(0, 1), help=f"probability from which an image is sorted (default: {THRESHOLD})"
    )
    sorting.add_argument(
        "--link", action="store_true", help="link instead of copying: takes no space; an edited link edits the original"
    )
    videos = parser.add_argument_group("videos")
    videos.add_argument(
        "--every", type=number(0, 86_400, above=True), default=EVERY_SECONDS, metavar="SECONDS", help="between frames"
    )
    videos.add_argument(
        "--interesting",
        action="append",
        default=[],
        metavar="CLASS",
        help="whose moments the contact sheet shows; several (default: every class but the most frequent)",
    )
    words = list(sys.argv[1:] if arguments is None else arguments)
    end = words.index("--") if "--" in words else len(words)
    # Intermixed: WHAT may stand before, between and behind the options; a name that begins with - behind --.
    given = parser.parse_intermixed_args(words[:end])
    what = (*given.what, *given.images, *words[end + 1 :])
    if not what:
        parser.error("there is nothing to classify: name a folder, a glob in quotes, an image or a video")
    if given.sort is None and (given.link or given.threshold is not None):
        parser.error(f"{'--link' if given.link else '--threshold'} goes with --sort DIR")
    return PredictConfig(
        model=given.model,
        what=what,
        output=given.output,
        sort=given.sort,
        threshold=THRESHOLD if given.threshold is None else given.threshold,
        link=given.link,
        every=given.every,
        interesting=tuple(given.interesting),
        batch_size=given.batch_size,
        device=given.device,
        engine=given.engine,
    )
