"""A video's frames by the time they are on the screen: what the classifier sees of a dive, and what becomes a picture.

The frame at second t is the one that a player shows then: the last that starts at or before t. At one frame a second of
a 29.97 Hz recording these are the frames 0, 29, 59, 89 ..., as in the file names of the deep-sea sets.

Pixels are as they are stored: fields of interlaced video woven, pixels that are not square left so, rotation applied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from model.console import count
from model.data.images import Pixels
from model.errors import DataError, UsageError, name_reason
from model.video.decoding import Decoder, LostFrames, Picture

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

_SUFFIXES_OF_CAMERAS = frozenset(
    {".3gp", ".avi", ".dv", ".m4v", ".mkv", ".mov", ".mp4", ".mts", ".m2ts", ".mxf", ".ts"}
)
_OTHER_SUFFIXES = frozenset({".asf", ".flv", ".m2v", ".mpeg", ".mpg", ".ogv", ".vob", ".webm", ".wmv"})
VIDEO_SUFFIXES = _SUFFIXES_OF_CAMERAS | _OTHER_SUFFIXES

# Only containers of video: libavformat also opens pictures, and playlists that name other files and hosts.
_FORMATS = "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,asf,flv,mxf,ogg,dv"

# Those whose header says how long the recording is; others are measured at the end of what is there.
_FORMATS_WITH_LENGTH = ("mov", "matroska", "avi", "asf")

# As many as Pillow takes of a picture; 8K video has 33 million.
MAX_PIXELS = 89_478_485

# What a file may lack at its end before it is called cut off: the last packets may be in the making.
CUT_OFF_SECONDS = 2

# How much of the start and of the end of a file tells it from others.
_FINGERPRINT_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class Frame:
    """`seconds` from the start, `number` among the video's frames from 0, `pixels` (height, width, RGB) upright."""

    seconds: float
    number: int
    pixels: Pixels


def is_video_name(name: str) -> bool:
    """Say whether the suffix is one of a video."""
    return Path(name).suffix.lower() in VIDEO_SUFFIXES


def fingerprint_video(path: Path) -> str:
    """Return what tells a video from others, by its size, its start and its end; raises DataError."""
    try:
        with path.open("rb") as file:
            digest = hashlib.sha256(str(path.stat().st_size).encode())
            digest.update(file.read(_FINGERPRINT_BYTES))
            file.seek(max(0, path.stat().st_size - _FINGERPRINT_BYTES))
            digest.update(file.read())
    except OSError as error:
        raise _unreadable(path, error) from error
    return digest.hexdigest()


class Video:
    """A video file, opened; `broken`, `end_seconds` and `notes` are final once `read` has come to its end.

    `duration_seconds` is how long the file says it is, None where it does not say.
    """

    def __init__(self, path: Path) -> None:
        """Open a file; raises DataError when it is no video, UsageError when PyAV is missing."""
        self.path = path
        self._container, self._stream = _open(path)
        self.duration_seconds = _read_duration(self._container, self._stream)
        self._tells_length = self._container.format.name.startswith(_FORMATS_WITH_LENGTH)
        self._decoder: Decoder | None = None

    def __enter__(self) -> Video:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._container.close()

    @property
    def end_seconds(self) -> float:
        """The end of the last frame seen so far."""
        return float(self._decoder.end) if self._decoder else 0.0

    @property
    def broken(self) -> int:
        """How many packets or frames were passed over because they are damaged."""
        return self._decoder.broken if self._decoder else 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What is wrong with the file, in sentences."""
        found = []
        if self.broken:
            found.append(f"{count(self.broken, 'damaged frame')} of {self.path.name} passed over.")
        told = self.duration_seconds
        if self._tells_length and told is not None and told - self.end_seconds > max(CUT_OFF_SECONDS, 0.02 * told):
            found.append(
                f"{self.path.name} is cut off: {self.end_seconds:.0f} of {told:.0f} seconds are there and were read."
            )
        return tuple(found)

    def estimate_count(self, every_seconds: float) -> int | None:
        """Return about how many frames `read` will give, if the file says how long it is."""
        told = self.duration_seconds
        return None if told is None else max(1, -int(-told // every_seconds))

    def read(self, every_seconds: float) -> Iterator[Frame]:
        """Yield the frame on the screen at every so many seconds, each once; raises DataError when there is none.

        A video is read once. Where frames were lost, the first whole one after them stands in for the time.
        """
        if not every_seconds > 0:
            raise UsageError(f"A frame every {every_seconds:g} seconds cannot be: give a number above 0.")
        every = Fraction(str(every_seconds))
        last = -1
        for may_skip in (True, False):
            try:
                for picture in self._choose(every, may_skip=may_skip):
                    if picture.number > last:
                        last = picture.number
                        yield Frame(seconds=float(picture.seconds), number=last, pixels=_to_pixels(picture.frame))
                break
            except LostFrames:
                self._container.close()
                self._container, self._stream = _open(self.path)
        if last < 0:
            raise DataError(f"{self.path} holds no frame that can be decoded.", hint="Is it damaged? Copy it again.")

    def _choose(self, every: Fraction, *, may_skip: bool) -> Iterator[Picture]:
        self._decoder = decoder = Decoder(self._container, self._stream, may_skip=may_skip)
        shown: Picture | None = None  # the latest frame, while it may still be the one to give
        target = Fraction(0)
        for picture in decoder:
            if shown is None and picture.seconds > target:
                target = picture.seconds  # the video starts late
            if shown is not None and picture.seconds > target:
                # What was between the two is lost: nobody knows what was on the screen.
                chosen = shown if picture.number == shown.number + 1 else picture
                yield chosen
                target = _next_time(every, picture.seconds, is_after=chosen is picture)
            shown = picture
            decoder.wanted = target
        if shown is not None and target >= shown.seconds and target < decoder.end:
            yield shown


def _next_time(every: Fraction, seconds: Fraction, *, is_after: bool) -> Fraction:
    """Return the first multiple at or after a time, or only after it."""
    times = seconds // every + 1 if is_after else -(-seconds // every)
    return times * every


def _open(path: Path) -> tuple[InputContainer, VideoStream]:
    try:
        import av
    except ModuleNotFoundError:
        raise UsageError("Videos need PyAV, which is not installed.", hint="pip install av") from None
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise DataError(f"{path} is not a file.")
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise _unreadable(path, error) from error
    if not head:
        raise DataError(f"{path} is empty.")
    # "file:" makes any name the name of a file, where "http:..." or "concat:..." would be more than that.
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file", "max_pixels": str(MAX_PIXELS)}
    try:
        container = av.open(f"file:{path}", options=options, metadata_errors="replace")
    except av.FFmpegError as error:
        is_unfinished = head[4:8] == b"ftyp"
        what = "has no index: its recording or its copy was broken off" if is_unfinished else "is not a video"
        raise DataError(f"{path} {what}.", hint="Copy it again, or leave it out.") from error
    pictures = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & pictures]
    if not streams or streams[0].codec_context is None:
        container.close()
        what = "holds no video" if not streams else "holds video of a kind that cannot be decoded"
        raise DataError(f"{path} {what}.", hint="Leave it out, or convert it to H.264 in an MP4 file.")
    streams[0].thread_type = "AUTO"
    streams[0].codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return container, streams[0]


def _read_duration(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None and stream.duration > 0:
        return float(stream.duration * stream.time_base)
    if container.duration is None or container.duration <= 0:
        return None
    # Matroska and Flash tell the last time there is, also where the first is not zero.
    is_end = container.format.name.startswith(("matroska", "flv"))
    return (container.duration - (container.start_time or 0) * is_end) / 1e6


def _unreadable(path: Path, error: OSError) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path} does not exist.")
    return DataError(f"{path} cannot be read: {name_reason(error)}.")


def _to_pixels(frame: av.VideoFrame) -> Pixels:
    pixels: Pixels = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    # PyAV tells degrees counter-clockwise, as numpy turns.
    turned: Pixels = np.ascontiguousarray(np.rot90(pixels, k=round(frame.rotation / 90) % 4))
    return turned
