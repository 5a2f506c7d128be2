"""Small videos that PyAV writes; each frame shows its own number as six bright or dark bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from model.video.reading import Frame, Video

Pixels = NDArray[np.uint8]

BARS = 6


def write_video(
    path: Path,
    frames: int = 40,
    *,
    rate: int | Fraction = 10,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    size: tuple[int, int] = (48, 32),
    pix_fmt: str = "yuv420p",
    ticks: Sequence[int] | None = None,
    start: int = 0,
    draw: Callable[[int, tuple[int, int]], Pixels] | None = None,
) -> Path:
    """Write a video; `ticks` are the frames' times in hundredths of a second, where the rate is not steady."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=100 if ticks else rate, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.thread_count = 1
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray((draw or draw_number)(number, size), "rgb24")
            frame.pts = start + (ticks[number] if ticks else number)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def draw_number(number: int, size: tuple[int, int]) -> Pixels:
    """Return a dark picture with a bright bar for each bit of the number that is set."""
    width, height = size
    pixels = np.full((height, width, 3), 20, dtype=np.uint8)
    for bar in range(BARS):
        if number >> bar & 1:
            pixels[:, bar * width // BARS : (bar + 1) * width // BARS] = 220
    return pixels


def read_number(pixels: Pixels) -> int:
    """Return the number that a frame shows."""
    width = pixels.shape[1]
    middles = [(2 * bar + 1) * width // (2 * BARS) for bar in range(BARS)]
    return sum(1 << bar for bar, x in enumerate(middles) if pixels[:, x - 1 : x + 2].mean() > 120)


def turn_video(path: Path, quarters: int) -> None:
    """Write into an MP4 that it is to be shown turned clockwise by so many quarters, as phones do."""
    content = bytearray(path.read_bytes())
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarters]
    matrix = [cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30]
    start = content.index(b"tkhd") + 44
    content[start : start + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
    path.write_bytes(content)


def read_frames(path: Path, every_seconds: float) -> Iterator[Frame]:
    """Yield the frames of a video, and close it."""
    with Video(path) as video:
        yield from video.read(every_seconds)
