"""Look after the images before training.

python -m model.data check photos
python -m model.data frames dive.mp4 --output photos
python -m model.data shard photos shards
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from model.arguments import ArgumentParser, add_group_from, location, whole
from model.console import count, run, say
from model.errors import ModelError, UsageError
from model.interruption import Interruption

COMMANDS = {
    "check": "say what a folder of images holds, what is broken or there twice, and whether it can be trained on",
    "shard": "pack labelled images into tar shards (WebDataset's layout), in a folder or in S3",
    "frames": "save frames of videos as images, named so that the frames of one video stay one group",
}


def main() -> None:
    """Run a command, or list them; raises ModelError."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in {"-h", "--help"}:
        print("usage: python -m model.data COMMAND ...\n")
        print("\n".join(f"  {command:<8}{purpose}" for command, purpose in COMMANDS.items()))
        print("\npython -m model.data COMMAND --help says more.")
    elif name == "check":
        check(arguments)
    elif name == "shard":
        shard(arguments)
    elif name == "frames":
        from model.video.frames import main as save_frames

        save_frames(arguments)
    else:
        raise UsageError(f"There is no command {name!r}.", hint=f"The commands are {', '.join(COMMANDS)}.")


def check(arguments: Sequence[str]) -> None:
    """Print what a folder holds; raises ModelError (exit code 1) when it cannot be trained on."""
    parser = ArgumentParser(
        prog="python -m model.data check",
        description=f"{COMMANDS['check'].capitalize()}.",
        epilog="Exit code 0: it can be trained on, warnings included; 1: it cannot; 2: no such folder or option.",
    )
    parser.add_argument("folder", type=location, help="folder of the images or shards, or s3://bucket/prefix")
    _add_label_options(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON, with all names")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the JSON to a file, too")
    options = parser.parse_args(arguments)
    with Interruption():
        _check(options.folder, options.targets, options.group_from or "", as_json=options.json, output=options.output)


def shard(arguments: Sequence[str]) -> None:
    """Write the shards of a folder, and say what was written; raises ModelError."""
    parser = ArgumentParser(
        prog="python -m model.data shard",
        description=f"{COMMANDS['shard'].capitalize()}. A training on them is that on the folder, with the same split.",
    )
    parser.add_argument(
        "source", metavar="FOLDER", type=location, help="labelled images: a folder, or s3://bucket/prefix"
    )
    parser.add_argument("out", metavar="OUT", type=location, help="folder for the shards, or s3://bucket/prefix")
    _add_label_options(parser)
    parser.add_argument("--shard-mb", type=whole(1, 5000), default=0, help="megabytes of a shard (default: by the set)")
    options = parser.parse_args(arguments)
    with Interruption():
        from model.data.samples import find_labelled_images
        from model.data.shard_writing import write_shards
        from model.data.shelves import open_shelf
        from model.data.sources import open_source

        source = open_source(options.source)
        found = find_labelled_images(source, options.targets, group_from=options.group_from or "")
        say(
            f"{count(len(found.samples), 'image')} in {count(len(found.classes), 'class')} (labels from {found.source})"
        )
        written = write_shards(source, found, open_shelf(options.out), shard_mb=options.shard_mb)
        there = f", {written.shards - written.sent} of them were there" if written.sent < written.shards else ""
        say(
            f"wrote {count(written.images, 'image')} in {count(written.shards, 'shard')}"
            f" ({written.size / 1e6:,.1f} MB{there}) and index.json to {options.out}"
        )


def _check(
    folder: Path | str, targets: Path | str | None, group_from: str, *, as_json: bool, output: Path | None
) -> None:
    # Our threads share the cores; those of the linear algebra would wait for each other by spinning.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from model.atomic import write_json
    from model.inspection.advice import describe_advice, find_problems, find_warnings
    from model.inspection.copies import find_copies
    from model.inspection.figures import describe_inspection
    from model.inspection.inspection import inspect_folder
    from model.inspection.table import render_inspection

    inspection = inspect_folder(folder, targets, group_from=group_from)
    figures = describe_inspection(inspection, find_copies(inspection))
    problems, warnings = find_problems(inspection), find_warnings(inspection, figures)
    everything = figures | describe_advice(problems, warnings)
    if output:
        write_json(output, everything)
    say(json.dumps(everything, indent=2) if as_json else render_inspection(figures, problems, warnings))
    if problems:
        raise ModelError(f"{folder} cannot be trained on: {problems[0].message}", hint=problems[0].hint)


def _add_label_options(parser: ArgumentParser) -> None:
    parser.add_argument("--targets", type=location, help="table with the labels (found in the folder otherwise)")
    add_group_from(parser)


if __name__ == "__main__":
    sys.exit(run(main))
