"""Classify images with a trained model.

python -m model.predict --model results/model.pt --images new_photos --output predictions.csv
"""

from __future__ import annotations

import sys
from pathlib import Path

from model.arguments import ArgumentParser
from model.config import DEVICES
from model.console import count, list_names, run, say, warn
from model.data.folders import find_images
from model.data.images import decode_images
from model.errors import DataError
from model.interruption import Interruption
from model.threads import let_waiting_threads_sleep

# Images decoded at a time: memory stays flat however many there are.
CHUNK = 512


def main() -> None:
    """Read the command line, classify, and write the table; raises ModelError."""
    parser = ArgumentParser(prog="python -m model.predict", description="Classify images with a trained model.")
    parser.add_argument("--model", type=Path, required=True, help="model.pt of a training")
    parser.add_argument("--images", type=Path, required=True, help="a folder of images, or one image")
    parser.add_argument("--output", type=Path, required=True, help="CSV file to write")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    options = parser.parse_args()
    with Interruption():
        predict(options.model, options.images, options.output, device=options.device)


def predict(model: Path, images: Path, output: Path, *, device: str = "auto") -> None:
    """Write filename, label, probability and p_<class> of every image that can be read; raises ModelError."""
    files = list_images(images)

    # PyTorch takes seconds to import; a folder without images is told before.
    let_waiting_threads_sleep()
    from model.checkpoint import load_checkpoint
    from model.evaluation.results import write_predictions
    from model.prediction.inference import Classifier

    checkpoint = load_checkpoint(model)
    classifier = Classifier(checkpoint, device=device)
    names: list[str] = []
    shares: list[list[float]] = []
    bad: list[str] = []
    for start in range(0, len(files), CHUNK):
        chunk = files[start : start + CHUNK]
        decoded = decode_images([path for _, path in chunk], checkpoint.image_size)
        good = [k for k in range(len(chunk)) if k not in decoded.faults]
        bad += [f"{chunk[k][0]} ({why})" for k, why in decoded.faults.items()]
        names += [chunk[k][0] for k in good]
        shares += classifier.classify(decoded.pixels[good])
        if len(files) > CHUNK:
            say(f"classified {min(start + CHUNK, len(files)):,}/{len(files):,}")
    if bad:
        warn(f"{count(len(bad), 'image')} cannot be read and will be skipped: {list_names(bad)}.")
    if not names:
        raise DataError(f"None of the images in {images} can be read.")
    write_predictions(output, names, shares, checkpoint.classes)
    say(f"{count(len(names), 'image')} classified; results in {output}")


def list_images(images: Path) -> list[tuple[str, Path]]:
    """Return (name relative to the folder, path) of every image; raises DataError when there is none."""
    if images.is_file():
        return [(images.name, images)]
    if not images.is_dir():
        raise DataError(f"{images} does not exist.")
    found = [(path.relative_to(images).as_posix(), path) for path in find_images(images)]
    if not found:
        raise DataError(
            f"There are no images in {images}.", hint="Looked for jpg, jpeg, png, bmp, gif, webp, tif, tiff."
        )
    return found


if __name__ == "__main__":
    sys.exit(run(main))
