"""What frames to save of which videos: the command line, read once and then frozen."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

from model.arguments import ArgumentParser, number, whole

# A second apart, frames of a dive are nearly the same picture: work for who labels them, no news to the network.
EVERY_SECONDS = 5.0

FORMATS = ("png", "jpg")


@dataclass(frozen=True, kw_only=True)
class FramesConfig:
    """The command line: `frames` a video when it is not 0, else one `every` so many seconds; `size` 0 is as it is."""

    videos: tuple[Path, ...]
    output: Path
    every: float = EVERY_SECONDS
    frames: int = 0
    size: int = 0
    format: str = "png"
    label: str = ""
    has_label_folders: bool = False
    targets: Path | None = None

    def find_label(self, video: Path) -> str:
        """Return the label of a video's frames, "" where a person is to give it."""
        return normalize("NFC", video.resolve().parent.name) if self.has_label_folders else self.label

    @property
    def table(self) -> Path | None:
        """Where labels are written."""
        is_labelled = self.label or self.has_label_folders
        return self.targets or (self.output / "targets.csv" if is_labelled else None)

    def tell_choice(self) -> dict[str, Any]:
        """Return what decides which images a video gives."""
        return {
            "every": 0 if self.frames else self.every,
            "frames": self.frames,
            "size": self.size,
            "format": self.format,
        }


def parse_frames_arguments(arguments: Sequence[str]) -> FramesConfig:
    """Read the command line of `python -m model.data frames`; raises UsageError."""
    parser = ArgumentParser(
        prog="python -m model.data frames",
        description="Save frames of videos as images, named <video>.mp4_<frame>.png: the frame's number, from 0.",
        epilog="Without labels, sort the images into a folder for each class inside DIR: a frame that was sorted or "
        "thrown away does not come back when the command is run again. With labels, they are written to "
        "DIR/targets.csv with the video as group, so that no video is both in the training and in the test.",
    )
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="a video, or a folder of videos")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the images")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument(
        "--every",
        type=number(0, 86_400, above=True),
        default=EVERY_SECONDS,
        metavar="SECONDS",
        help=f"between frames: the one on the screen at each multiple (default: {EVERY_SECONDS:g})",
    )
    choice.add_argument(
        "--frames", type=whole(1, 1_000_000), default=0, metavar="N", help="so many of each video, evenly spread"
    )
    labels = parser.add_mutually_exclusive_group()
    labels.add_argument("--label", type=_label, help="the class of all these frames")
    labels.add_argument(
        "--label-from-folder", action="store_true", help="the class is the name of the folder that holds the video"
    )
    parser.add_argument(
        "--targets",
        type=Path,
        metavar="FILE",
        help="write the rows to this file; without labels, with empty ones to fill in (default: DIR/targets.csv)",
    )
    parser.add_argument(
        "--size", type=whole(16, 16_384), default=0, metavar="PIXELS", help="longer side at most (default: as it is)"
    )
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="default: png, which loses nothing")
    given = parser.parse_args(arguments)
    return FramesConfig(
        videos=tuple(given.videos),
        output=given.output,
        every=given.every,
        frames=given.frames,
        size=given.size,
        format=given.format,
        label=given.label or "",
        has_label_folders=given.label_from_folder,
        targets=given.targets,
    )


def _label(text: str) -> str:
    label = normalize("NFC", text.strip())
    if not label:
        raise argparse.ArgumentTypeError("a label cannot be empty")
    return label
