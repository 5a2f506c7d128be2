"""What a video's decoder gives, in the order and at the time it is shown, and no more of it decoded than is wanted.

Guarantees, whatever the file holds:

1. Frames come in the order they are shown; their times never go back.
2. The last frame at or before `wanted` comes, and every frame after it until `wanted` is moved on. Of what lies
   before, whole runs from one key frame to the next are passed over undecoded.
3. A frame's number is its rank among the times of all packets: it stays right where others are passed over or broken.
4. A packet that cannot be read or decoded is counted and passed over; memory holds one run of packets at most.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# A run of packets from one key frame to the next is held undecoded up to here: ten seconds at 25 Mbit/s, and more
# packets than the longest run that x264 makes (250) or cameras do.
HELD_BYTES = 32 * 2**20
HELD_PACKETS = 1_000

# A file that only fails must end: so many failed reads in a row are its end.
MAX_FAILED_READS = 100

# A step back in time by more than this is a recording put behind another one; by less, it is a rounded time.
RESTART_SECONDS = 1

# What a stream runs at that does not say.
USUAL_RATE = Fraction(25)


@dataclass(frozen=True)
class Picture:
    """A decoded frame that is whole: `seconds` from the start of the video, `number` from 0."""

    seconds: Fraction
    number: int
    frame: av.VideoFrame


class LostFrames(Exception):
    """Decoding from a key frame gave no frame for the time that was wanted: it was none, and nothing may be skipped."""


class Decoder:
    """One pass over the packets of a video stream."""

    def __init__(self, container: InputContainer, stream: VideoStream, *, may_skip: bool) -> None:
        self.wanted = Fraction(0)
        self.broken = 0
        self.end = Fraction(0)
        self._container = container
        self._stream = stream
        self._base = stream.time_base or Fraction(1, 1000)
        self._step = 1 / (stream.guessed_rate or stream.average_rate or USUAL_RATE)
        # AVI has no times of its own: those of a stream whose frames are stored in another order than shown are wrong.
        self._has_times = not (container.format.name == "avi" and stream.codec_context.has_b_frames)
        self._may_skip = may_skip and self._has_times
        self._start = stream.start_time
        # One for each recording, where several were put behind one another and time starts again.
        self._times = [_Times(0)]
        self._last_key: int | None = None
        self._entry: int | None = None  # the key frame that decoding was taken up at
        self._shift = Fraction(0)
        self._last: Picture | None = None

    def __iter__(self) -> Iterator[Picture]:
        """Yield the frames that are whole, in the order they are shown; raises LostFrames."""
        held: list[Packet[VideoStream]] = []
        held_bytes = 0
        for packet in self._read_packets():
            if self._is_entry(packet) and held:
                self._entry = packet.pts
                held.clear()
                held_bytes = 0
                self._stream.codec_context.flush_buffers()
            held.append(packet)
            held_bytes += packet.size
            may_wait = held_bytes <= HELD_BYTES and len(held) <= HELD_PACKETS
            if self._may_skip and may_wait and not self._is_wanted(packet):
                continue
            for waiting in held:
                yield from self._decode(waiting)
            held.clear()
            held_bytes = 0
        if self._entry is not None:
            raise LostFrames

    def _read_packets(self) -> Iterator[Packet[VideoStream]]:
        """Yield the packets, and at the end the empty one that makes the decoder give what it still holds."""
        from av.error import FFmpegError

        failed = 0
        while failed < MAX_FAILED_READS:
            try:
                for packet in self._container.demux(self._stream):
                    if packet.size:
                        failed = 0
                        self._note_time(packet)
                    elif packet.dts is not None:  # a frame left out by the recorder; to the decoder it would be the end
                        continue
                    yield packet
                return
            except IndexError:  # PyAV's, after all packets, where a damaged one had announced another stream
                return
            except FFmpegError:
                failed += 1
                self.broken += 1

    def _note_time(self, packet: Packet[VideoStream]) -> None:
        if packet.pts is None or not self._has_times:
            self._may_skip = False
            return
        if packet.is_discard:  # before the start that an edit list sets: never shown
            return
        if packet.is_keyframe:
            if self._last_key is not None and packet.pts < self._last_key:
                self._may_skip = False
                self._times.append(_Times(self._times[-1].total))
            self._last_key = packet.pts
        self._times[-1].add(packet.pts)
        self.end = max(self.end, self._to_seconds(packet.pts) + (packet.duration or 0) * self._base)

    def _is_entry(self, packet: Packet[VideoStream]) -> bool:
        """Say whether decoding may be taken up here, because all that is wanted comes at or after it."""
        if not self._may_skip or not packet.is_keyframe or packet.pts is None:
            return False
        return self._to_seconds(packet.pts) <= self.wanted

    def _is_wanted(self, packet: Packet[VideoStream]) -> bool:
        return packet.pts is None or self._to_seconds(packet.pts) > self.wanted

    def _decode(self, packet: Packet[VideoStream]) -> Iterator[Picture]:
        from av.error import FFmpegError

        try:
            frames = packet.decode()
        except FFmpegError:
            self.broken += 1
            return
        for frame in frames:
            if self._entry is not None and frame.pts is not None:
                if frame.pts < self._entry:  # it leans on frames before the key frame, which were passed over
                    continue
                if self._to_seconds(frame.pts) > self.wanted:
                    raise LostFrames
                self._entry = None
            if frame.is_corrupt:
                self.broken += 1
                continue
            self._last = Picture(self._time(frame), self._number(frame), frame)
            self.end = max(self.end, self._last.seconds + self._step)
            yield self._last

    def _time(self, frame: av.VideoFrame) -> Fraction:
        if frame.pts is None or not self._has_times:
            return self._last.seconds + self._step if self._last else Fraction(0)
        if self._last is None:
            self._start = min(frame.pts, self._start if self._start is not None else frame.pts)
        seconds = self._to_seconds(frame.pts)
        if self._last is None or seconds > self._last.seconds:
            return seconds
        following = self._last.seconds + self._step
        if self._last.seconds - seconds >= RESTART_SECONDS:
            self._shift += following - seconds
            if len(self._times) > 1:
                self._times.pop(0)
        return following

    def _number(self, frame: av.VideoFrame) -> int:
        following = self._last.number + 1 if self._last else 0
        if frame.pts is None or not self._has_times:
            return following
        return max(following, self._times[0].rank(frame.pts))

    def _to_seconds(self, pts: int) -> Fraction:
        return (pts - (self._start or 0)) * self._base + self._shift


class _Times:
    """The times of a recording's packets, of which only those around the present one are kept."""

    def __init__(self, passed: int) -> None:
        self._passed = passed
        self._border: int | None = None
        self._ahead: list[int] = []

    @property
    def total(self) -> int:
        """How many packets there were up to now."""
        return self._passed + len(self._ahead)

    def add(self, pts: int) -> None:
        """Count a packet."""
        if self._border is not None and pts < self._border:
            self._passed += 1
        else:
            insort(self._ahead, pts)

    def rank(self, pts: int) -> int:
        """Return how many packets are shown before this time."""
        place = bisect_left(self._ahead, pts)
        self._passed += place
        self._border = pts
        del self._ahead[:place]
        return self._passed
