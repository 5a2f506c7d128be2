"""A dive's video through a classifier: what is seen when; the files of it are made by `video_results`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from model.console import count, format_duration, list_names, say, warn
from model.data.images import Pixels, shrink
from model.errors import DataError
from model.inference.classifies import Classifies
from model.prediction.contact_sheet import MomentCollector, shrink_to_moment
from model.prediction.segments import Sample, format_timecode
from model.prediction.video_results import MadeFrom, VideoResult, find_video_result, write_video_result
from model.progress import Progress
from model.video.reading import Frame, Video, fingerprint_video

# Frames that the network sees at once; their small pictures are all of the video that is held.
BATCH = 32


def run_videos(
    paths: Sequence[Path],
    classifier: Classifies,
    *,
    classes: Sequence[str],
    model: str,
    every_seconds: float,
    output: Path,
    interesting: Sequence[str] = (),
) -> tuple[VideoResult, ...]:
    """Classify videos one by one; what cannot be read is named and passed over; raises DataError when that is all.

    Videos of several folders keep their folders in `output`, from the one on that holds them all.
    """
    common = Path(os.path.commonpath([path.resolve().parent for path in paths]))
    results, bad = [], []
    for path in paths:
        try:
            result = run_video(
                path,
                classifier,
                classes=classes,
                model=model,
                every_seconds=every_seconds,
                output=output / path.resolve().parent.relative_to(common),
                interesting=interesting,
            )
        except DataError as error:
            if len(paths) == 1:
                raise
            warn(error.message)
            bad.append(path.name)
        else:
            results.append(result)
    if not results:
        raise DataError(f"None of the videos can be read: {list_names(bad)}.")
    if bad:
        warn(f"{count(len(bad), 'video')} of {len(paths):,} cannot be read: {list_names(bad)}.")
    return tuple(results)


def run_video(
    path: Path,
    classifier: Classifies,
    *,
    classes: Sequence[str],
    model: str,
    every_seconds: float,
    output: Path,
    progress: Callable[[int | None, str], Progress] = Progress,
    interesting: Sequence[str] = (),
) -> VideoResult:
    """Classify a frame every so many seconds, write what was found, and tell it; raises DataError and SaveError.

    `classes` are the names of what the classifier answers, `model` is what tells it from others. A video that was done
    with the same model and options is not done again. `interesting` are the classes of the contact sheet; none stands
    for every class but the one that most frames show.
    """
    made_from = MadeFrom(
        video=fingerprint_video(path),
        model=model,
        classes=tuple(classes),
        every_seconds=every_seconds,
        interesting=tuple(interesting),
    )
    result = find_video_result(path, output, made_from)
    if result is None:
        result = _classify_video(path, classifier, made_from, output, progress)
    _tell(result, interesting)
    return result


@dataclass(frozen=True)
class _Seen:
    """A frame, no larger than it has to be: for the network, and for the sheet."""

    seconds: float
    number: int
    pixels: Pixels
    picture: Image.Image


def _classify_video(
    path: Path,
    classifier: Classifies,
    made_from: MadeFrom,
    output: Path,
    progress: Callable[[int | None, str], Progress],
) -> VideoResult:
    samples: list[Sample] = []
    moments = MomentCollector()
    with Video(path) as video, progress(video.estimate_count(made_from.every_seconds), "frame") as bar:
        seen = _shrink(video.read(made_from.every_seconds), classifier.decode_size)
        while batch := list(islice(seen, BATCH)):
            answers = np.asarray(classifier.classify(np.stack([one.pixels for one in batch])))
            for one, shares in zip(batch, answers, strict=True):
                sample = Sample(seconds=one.seconds, number=one.number, shares=shares)
                samples.append(sample)
                moments.add(
                    seconds=one.seconds,
                    timecode=format_timecode(one.seconds),
                    label=made_from.classes[sample.best],
                    probability=float(shares[sample.best]),
                    picture=one.picture,
                )
            bar.advance(len(batch))
    return write_video_result(
        path, output, made_from, samples, moments, end_seconds=video.end_seconds, notes=video.notes
    )


def _shrink(frames: Iterator[Frame], size: int) -> Iterator[_Seen]:
    for frame in frames:
        picture = Image.fromarray(frame.pixels)
        yield _Seen(frame.seconds, frame.number, shrink(picture, size), shrink_to_moment(picture))


def _tell(result: VideoResult, interesting: Sequence[str]) -> None:
    for note in result.notes:
        warn(note)
    length, frames = format_duration(result.duration_seconds), count(result.frames, "frame")
    done = "done before" if result.is_earlier else "classified"
    say(f"{result.video.name} ({length}): {frames} {done}; results in {result.table}")
    for label, seconds in result.seconds_by_class.items():
        if seconds:
            say(f"  {format_duration(seconds):>9}  {label}")
    if result.sheet:
        say(f"  moments of interest: {result.sheet}")
    else:
        what = " or ".join(interesting) if interesting else "another class"
        say(f"  no contact sheet: no frame shows {what}")
