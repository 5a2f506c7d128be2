"""The interesting moments of a video on one page: the surest picture of each, with its time, in order of time."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from PIL import Image, ImageDraw, ImageFont

# As many as a person takes in at a glance, and a page holds.
MOST_MOMENTS = 24

# How many of one class are kept while the video runs; beyond that the least of them go. 20 KB each.
KEPT_MOMENTS = 8 * MOST_MOMENTS

# An encounter that goes on shows once a minute: a whole dive may be of one class.
LONGEST_RUN_SECONDS = 60.0

PICTURE_WIDTH, PICTURE_HEIGHT = 320, 240

_COLUMNS = 4
_GAP = 12
_TITLE_HEIGHT = 48
_CAPTION_HEIGHT = 56
_TITLE_SIZE, _TEXT_SIZE = 22, 16
_PAPER, _INK, _GREY = "white", "black", "#555555"
_QUALITY = 85


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A frame at its time, `timecode` as told, with the class that it shows; `picture` is a small JPEG."""

    seconds: float
    timecode: str
    label: str
    probability: float
    picture: bytes


@dataclass
class MomentCollector:
    """Keeps the surest moment of every run of equal labels, in memory that does not grow with the video.

    A run of more than LONGEST_RUN_SECONDS counts as several.
    """

    _runs: dict[str, list[Moment]] = field(default_factory=dict)
    _label: str | None = None
    _run_start: float = 0.0

    def add(self, *, seconds: float, timecode: str, label: str, probability: float, picture: Image.Image) -> None:
        """Take the next frame; `picture` may have any size up to that of a moment."""
        runs = self._runs.setdefault(label, [])
        is_same_run = label == self._label and seconds - self._run_start < LONGEST_RUN_SECONDS
        if not is_same_run:
            self._label, self._run_start = label, seconds
        if is_same_run and probability <= runs[-1].probability:
            return
        moment = Moment(
            seconds=seconds,
            timecode=timecode,
            label=label,
            probability=probability,
            picture=_save_jpeg(picture),
        )
        if is_same_run:
            runs[-1] = moment
            return
        if len(runs) >= KEPT_MOMENTS:
            runs[:] = choose_moments(runs, KEPT_MOMENTS // 2)
        runs.append(moment)

    def choose(self, labels: Collection[str]) -> tuple[Moment, ...]:
        """Return the moments to show of these classes, in order of time."""
        moments = [moment for label in labels for moment in self._runs.get(label, [])]
        return choose_moments(moments, MOST_MOMENTS)


def choose_moments(moments: Sequence[Moment], most: int) -> tuple[Moment, ...]:
    """Return at most so many, in order of time: the surest of each of `most` equal spans of time, then the surest left.

    Alone by probability, one long encounter would fill the page.
    """
    if len(moments) <= most:
        return tuple(sorted(moments, key=lambda moment: moment.seconds))
    by_probability = sorted(moments, key=lambda moment: (-moment.probability, moment.seconds))
    first = min(moment.seconds for moment in moments)
    length = (max(moment.seconds for moment in moments) - first) / most
    surest: dict[int, Moment] = {}
    for moment in by_probability:
        surest.setdefault(min(most - 1, int((moment.seconds - first) // length)), moment)
    chosen = set(surest.values())
    for moment in by_probability:
        if len(chosen) == most:
            break
        chosen.add(moment)
    return tuple(sorted(chosen, key=lambda moment: moment.seconds))


def shrink_to_moment(picture: Image.Image) -> Image.Image:
    """Return a picture small enough for the sheet, its aspect ratio kept; it is changed in place."""
    picture.thumbnail((PICTURE_WIDTH, PICTURE_HEIGHT), Image.Resampling.BILINEAR)
    return picture


def draw_contact_sheet(title: str, moments: Sequence[Moment]) -> bytes:
    """Return the sheet as JPEG; there must be a moment."""
    pictures = [Image.open(io.BytesIO(moment.picture), formats=("JPEG",)) for moment in moments]
    width, height = (max(size) for size in zip(*(picture.size for picture in pictures), strict=True))
    width = max(width, PICTURE_WIDTH // 2)  # room for the words beneath a narrow picture
    columns = min(_COLUMNS, len(moments))
    rows = -(-len(moments) // columns)
    cell_width, cell_height = width + _GAP, height + _CAPTION_HEIGHT
    title_font, font = ImageFont.load_default(_TITLE_SIZE), ImageFont.load_default(_TEXT_SIZE)
    sheet_width = max(columns * cell_width + _GAP, round(title_font.getlength(title)) + 2 * _GAP)
    sheet = Image.new("RGB", (sheet_width, _TITLE_HEIGHT + rows * cell_height + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), title, fill=_INK, font=title_font)
    for place, (moment, picture) in enumerate(zip(moments, pictures, strict=True)):
        left = _GAP + place % columns * cell_width
        top = _TITLE_HEIGHT + place // columns * cell_height
        sheet.paste(picture, (left, top))
        draw.text((left, top + picture.height + 3), moment.timecode, fill=_INK, font=font)
        words = _fit(moment.label, f" {moment.probability:.2f}", width, font)
        draw.text((left, top + picture.height + 22), words, fill=_GREY, font=font)
    return _save_jpeg(sheet)


def _fit(label: str, after: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Return a label and what follows it, the label cut so that both fit."""
    if font.getlength(label + after) <= width:
        return label + after
    while label and font.getlength(f"{label}…{after}") > width:
        label = label[:-1]
    return f"{label}…{after}"


def _save_jpeg(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=_QUALITY)
    return content.getvalue()
