"""What a video's frames said, as files: a row for each frame, the segments they make, a sheet of the best moments.

Of dive.mp4 come, in the output folder:

    dive.mp4.csv            seconds, timecode, frame, label, probability, p_<class>...
    dive.mp4.segments.csv   start, end, start_timecode, end_timecode, seconds, label, probability, frames
    dive.mp4.contact.jpg    the moments of the interesting classes, where there are any
    dive.mp4.json           what it was made from, in figures; written last, it says that the video is done
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model.atomic import save_error, write_file, write_json
from model.console import count
from model.prediction.contact_sheet import MomentCollector, draw_contact_sheet
from model.prediction.segments import Sample, Segment, find_segments, format_timecode
from model.prediction.table import make_header, make_row, write_rows

# Of the files' form: with another one, a video that was done is done again.
FORMAT = 1

_SEGMENT_HEADER = ["start", "end", "start_timecode", "end_timecode", "seconds", "label", "probability", "frames"]


@dataclass(frozen=True, kw_only=True)
class MadeFrom:
    """All that the files of a video follow from: the video and the model by their fingerprints, and the options."""

    video: str
    model: str
    classes: tuple[str, ...]
    every_seconds: float
    interesting: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class VideoResult:
    """What was found in a video, and where it is written; `sheet` is None where no class of interest was seen."""

    video: Path
    table: Path
    segments: Path
    sheet: Path | None
    frames: int
    duration_seconds: float
    seconds_by_class: dict[str, float]
    notes: tuple[str, ...]
    is_earlier: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """What there is to look at."""
        return (self.table, self.segments, *([self.sheet] if self.sheet else []))


def write_video_result(
    video: Path,
    folder: Path,
    made_from: MadeFrom,
    samples: Sequence[Sample],
    moments: MomentCollector,
    *,
    end_seconds: float,
    notes: tuple[str, ...],
) -> VideoResult:
    """Write the files of a video, each whole or not at all; raises SaveError."""
    classes = made_from.classes
    segments = find_segments(samples, classes, end=end_seconds)
    chosen = moments.choose(made_from.interesting or _leave_out_most_frequent(samples, classes))
    facts = {
        "frames": len(samples),
        "duration_seconds": round(segments[-1].end, 3),
        "seconds_by_class": _add_up(segments, classes),
        "has_sheet": bool(chosen),
        "notes": list(notes),
    }
    result = _name_files(video, folder, facts)
    record, sheet = _name_record(video, folder), _name_sheet(video, folder)
    _remove(record)
    write_rows(
        result.table,
        ["seconds", "timecode", "frame", *make_header(classes)[1:]],
        (_make_sample_row(sample, classes) for sample in samples),
    )
    write_rows(result.segments, _SEGMENT_HEADER, map(_make_segment_row, segments))
    if chosen:
        shown = ", ".join(sorted({moment.label for moment in chosen}))
        write_file(sheet, draw_contact_sheet(f"{video.name}: {count(len(chosen), 'moment')} of {shown}", chosen))
    else:
        _remove(sheet)  # of an earlier run, with another model or other classes
    write_json(record, {"video": video.name, "made_from": _tell_origin(made_from), **facts})
    return result


def find_video_result(video: Path, folder: Path, made_from: MadeFrom) -> VideoResult | None:
    """Return the result of an earlier run, if it was made from the same and all its files are there."""
    try:
        told = json.loads(_name_record(video, folder).read_text("utf-8"))
        if told["made_from"] != _tell_origin(made_from):
            return None
        result = _name_files(video, folder, told, is_earlier=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # there was no such run, or the file is not ours
    return result if all(file.is_file() for file in result.files) else None


def _tell_origin(made_from: MadeFrom) -> dict[str, Any]:
    told = {"format": FORMAT, **asdict(made_from)}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in told.items()}


def _name_files(video: Path, folder: Path, facts: dict[str, Any], *, is_earlier: bool = False) -> VideoResult:
    return VideoResult(
        video=video,
        table=folder / f"{video.name}.csv",
        segments=folder / f"{video.name}.segments.csv",
        sheet=_name_sheet(video, folder) if facts["has_sheet"] else None,
        frames=facts["frames"],
        duration_seconds=facts["duration_seconds"],
        seconds_by_class=facts["seconds_by_class"],
        notes=tuple(facts["notes"]),
        is_earlier=is_earlier,
    )


def _name_record(video: Path, folder: Path) -> Path:
    return folder / f"{video.name}.json"


def _name_sheet(video: Path, folder: Path) -> Path:
    return folder / f"{video.name}.contact.jpg"


def _leave_out_most_frequent(samples: Sequence[Sample], classes: Sequence[str]) -> list[str]:
    ((most_frequent, _number),) = Counter(sample.best for sample in samples).most_common(1)
    return [label for label in classes if label != classes[most_frequent]]


def _add_up(segments: Sequence[Segment], classes: Sequence[str]) -> dict[str, float]:
    """Return the seconds of each class, most first."""
    seconds = dict.fromkeys(classes, 0.0)
    for segment in segments:
        seconds[segment.label] += segment.end - segment.start
    return {label: round(seconds[label], 3) for label in sorted(seconds, key=seconds.__getitem__, reverse=True)}


def _make_sample_row(sample: Sample, classes: Sequence[str]) -> list[str]:
    row = make_row("", sample.shares.tolist(), classes)[1:]
    return [f"{sample.seconds:.3f}", format_timecode(sample.seconds), str(sample.number), *row]


def _make_segment_row(segment: Segment) -> list[str]:
    return [
        f"{segment.start:.3f}",
        f"{segment.end:.3f}",
        format_timecode(segment.start),
        format_timecode(segment.end),
        f"{segment.end - segment.start:.3f}",
        segment.label,
        f"{segment.probability:.6f}",
        str(segment.frames),
    ]


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise save_error(path, error) from error
