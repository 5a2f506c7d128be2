"""Frames of videos as images for a labelled set, named after video and frame: dive.mp4_1378.png.

python -m model.data frames dives/*.mp4 --output photos --every 5

Without labels the images are for a person to look at, and to sort into a folder for each class inside the output
folder. A frame that was sorted, or thrown away, does not come back when the command is run again.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from model.atomic import write_file
from model.console import count, list_names, say, warn
from model.data.folders import find_files, find_images
from model.errors import DataError, UsageError
from model.interruption import Interruption
from model.progress import Progress
from model.video.frames_config import FramesConfig, parse_frames_arguments
from model.video.frames_record import RECORD, FramesRecord
from model.video.reading import VIDEO_SUFFIXES, Frame, Video, fingerprint_video, is_video_name
from model.video.target_rows import add_targets, refuse_targets

# 1080p: 0.24 s and 321 kB, against 0.42 s and 295 kB at Pillow's default (2026-11).
_PNG_LEVEL = 4
_JPEG_QUALITY = 95

# Two pictures whose values differ by less on average are the same, saved as JPEG or decoded by another release.
_SAME_PICTURE = 4.0


def main(arguments: Sequence[str]) -> None:
    """Read the command line of `python -m model.data frames` and save the frames; raises ModelError."""
    config = parse_frames_arguments(arguments)
    with Interruption():
        save_frames(config)


def save_frames(config: FramesConfig) -> None:
    """Save the frames of all videos, and their labels where they are known; raises ModelError.

    Files that are there are never written over: the same picture is left, another one is refused.
    """
    videos = _find_videos(config.videos)
    if config.table:
        refuse_targets(config.table, config.output)
    record = FramesRecord(config.output / RECORD)
    prints = {video: fingerprint_video(video) for video in videos}
    for video in videos:
        record.refuse_other(video, prints[video])
    present = {path.name: path for path in find_images(config.output)}
    bad = []
    for video in videos:
        try:
            _save_video(video, prints[video], record, present, config)
        except DataError as error:  # of the video; what is wrong with the output ends it all
            if len(videos) == 1:
                raise
            warn(error.message)
            bad.append(video.name)
    if len(bad) == len(videos):
        raise DataError(f"None of the videos can be read: {list_names(bad)}.")
    if bad:
        warn(f"{count(len(bad), 'video')} of {len(videos):,} cannot be read: {list_names(bad)}.")
    _tell_next_step(videos, config)


def _save_video(
    video: Path, fingerprint: str, record: FramesRecord, present: dict[str, Path], config: FramesConfig
) -> None:
    choice = config.tell_choice()
    names = record.find(video, choice)
    if names is None:
        thrown_away = record.list_names(video) - present.keys()
        names = _save_frames(video, present, thrown_away, config)
        _add_rows(video, names, present, config)
        record.add(video, fingerprint, choice, names)
    else:
        say(f"{video.name}: {count(len(names), 'frame')} saved before")
        _add_rows(video, names, present, config)


def _save_frames(
    video: Path, present: dict[str, Path], thrown_away: Collection[str], config: FramesConfig
) -> list[str]:
    """Save what is not there yet and return the names of all; `present` gets what is new."""
    names: list[str] = []
    saved = 0
    with Video(video) as opened:
        every = _find_interval(opened, config)
        total = config.frames or opened.estimate_count(every)
        with Progress(total, "frame") as bar:
            for frame in opened.read(every):
                if config.frames and len(names) == config.frames:
                    continue  # one more by rounding; what is wrong with the file is known at its end only
                name = f"{video.name}_{frame.number}.{config.format}"
                names.append(name)
                if name in present:
                    _refuse_other_picture(present[name], _make_picture(frame, config.size))
                elif name not in thrown_away:
                    present[name] = config.output / name
                    write_file(present[name], _save_picture(_make_picture(frame, config.size), config.format))
                    saved += 1
                bar.advance()
        for note in opened.notes:
            warn(note)
    before = f", {len(names) - saved:,} were there or thrown away" if saved < len(names) else ""
    say(f"{video.name}: {count(saved, 'frame')} saved{before}")
    return names


def _find_interval(video: Video, config: FramesConfig) -> float:
    if not config.frames:
        return config.every
    if video.duration_seconds is None:
        raise DataError(f"{video.path} does not say how long it is.", hint="Use --every SECONDS instead of --frames.")
    return video.duration_seconds / config.frames


def _make_picture(frame: Frame, size: int) -> Image.Image:
    picture = Image.fromarray(frame.pixels)
    if size:
        picture.thumbnail((size, size), Image.Resampling.LANCZOS)
    return picture


def _save_picture(picture: Image.Image, suffix: str) -> bytes:
    content = io.BytesIO()
    if suffix == "png":
        picture.save(content, "PNG", compress_level=_PNG_LEVEL)
    else:
        picture.save(content, "JPEG", quality=_JPEG_QUALITY)
    return content.getvalue()


def _refuse_other_picture(path: Path, picture: Image.Image) -> None:
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as known:
            is_same = known.size == picture.size and _differ(known.convert("RGB"), picture) < _SAME_PICTURE
    except (OSError, SyntaxError, ValueError):  # what Pillow raises where it is damaged
        is_same = False
    if not is_same:
        raise UsageError(
            f"{path} is there, and shows something else than this video.",
            hint="Choose another --output folder, or move it away.",
        )


def _differ(first: Image.Image, second: Image.Image) -> float:
    values = np.asarray(first, dtype=np.int16) - np.asarray(second, dtype=np.int16)
    return float(np.abs(values).mean())


def _add_rows(video: Path, names: Sequence[str], present: dict[str, Path], config: FramesConfig) -> None:
    if config.table:
        images = [present[name] for name in names if name in present]
        added = add_targets(config.table, images, label=config.find_label(video), group=video.stem)
        say(f"  {count(added, 'row')} added to {config.table}")


def _tell_next_step(videos: Sequence[Path], config: FramesConfig) -> None:
    suffixes = sorted({re.escape(video.suffix[1:]) for video in videos})
    suffix = suffixes[0] if len(suffixes) == 1 else f"(?:{'|'.join(suffixes)})"
    look = f"python -m model.data check {config.output}"
    if config.table and not (config.label or config.has_label_folders):
        say(f"Fill in the labels in {config.table}; then: {look}")
    elif config.table:
        say(f"Then: {look}")
    elif (config.output / "targets.csv").exists():
        warn(f"{config.output / 'targets.csv'} does not list these images: give their --label, or add their rows.")
    else:
        say(f"Sort the images into a folder for each class inside {config.output}; then: {look}")
        say(f"A video's frames stay together with --group-from '(.*)\\.{suffix}_\\d+'")


def _find_videos(paths: Sequence[Path]) -> list[Path]:
    """Return the videos that files and folders name, each once; raises DataError when two would give the same names."""
    videos: dict[Path, Path] = {}
    for path in paths:
        found = list(find_files(path, is_video_name)) if path.is_dir() else [path]
        videos.update({video.resolve(): video for video in found})
    if not videos:
        suffixes = ", ".join(sorted(suffix[1:] for suffix in VIDEO_SUFFIXES))
        raise DataError(
            f"There are no videos in {list_names([str(path) for path in paths])}.", hint=f"Looked for {suffixes}."
        )
    by_name: dict[str, Path] = {}
    for video in videos.values():
        other = by_name.setdefault(video.name.casefold(), video)
        if other is not video:
            raise DataError(
                f"{other} and {video} would give images of the same names.",
                hint="Rename one of them, or give each its own --output folder.",
            )
    return list(videos.values())
