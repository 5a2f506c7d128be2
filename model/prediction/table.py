"""predictions.csv: rows are kept in a part file while they are made, and the table appears when it is whole."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from model.atomic import replacing, save_error
from model.claim import remove_leftovers, try_lock
from model.console import say
from model.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model says about one image: `shares` is a probability per class; empty where `fault` says why not."""

    name: str
    shares: tuple[float, ...] = ()
    fault: str = ""

    @property
    def best(self) -> int:
        """The position of the most probable class."""
        return max(range(len(self.shares)), key=self.shares.__getitem__)


class PartialTable:
    """The answers of a table that is not finished, one JSON line each, beside the table that they will become.

    1. An answer that was appended is kept, through Ctrl-C, kill -9 and a power cut.
    2. Opened again for the same images and the same model, it goes on behind the last whole line: `done` says where.
    3. For other images, or another model, it starts anew, and says so.
    4. Two programs never write into one.
    """

    def __init__(self, table: Path, *, images: Sequence[str], fingerprint: str) -> None:
        """Open the part file of a table; raises UsageError, and SaveError when nothing can be written there."""
        self._path = table.with_name(f"{table.name}.part")
        self._header = f"{_START}{fingerprint}\n".encode()
        self.done = 0
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what a full disk refuses must not be tried again when the file is closed.
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            raise save_error(table, error) from error
        try:
            self._lock(table)
            remove_leftovers(table.parent, of={table.name, name_skipped(table).name})
            self._go_on(images)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> PartialTable:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def append(self, answers: Sequence[Answer]) -> None:
        """Put answers on the disk; raises SaveError."""
        lines = (json.dumps([answer.name, answer.fault or answer.shares]) for answer in answers)
        self._write("".join(f"{line}\n" for line in lines).encode())
        self.done += len(answers)

    def answers(self) -> Iterator[Answer]:
        """Yield every answer, in the order of the images."""
        with self._path.open("rb") as file:
            file.seek(len(self._header))
            for line in file:
                name, content = json.loads(line)
                yield _read_answer(name, content)

    def remove(self) -> None:
        """Delete the part file: the table is whole."""
        self._path.unlink(missing_ok=True)

    def _lock(self, table: Path) -> None:
        if not try_lock(self._file.fileno()):
            raise UsageError(
                f"Another program is writing {table} at this moment.", hint="Wait for it, or choose another --output."
            )

    def _go_on(self, images: Sequence[str]) -> None:
        with self._path.open("rb") as file:
            header = file.readline(len(self._header))
            size = len(header) + self._count_answers(file, images) if header == self._header else 0
        if not header.startswith(_START.encode()) and not _START.encode().startswith(header):
            raise UsageError(
                f"{self._path} is in the way: it is no half-finished table.",
                hint="Move it away, or choose another --output.",
            )
        self._cut(size)
        if self.done:
            say(f"going on after {self.done:,} of {len(images):,} images, which are in {self._path}")
        elif not size:
            if len(header) == len(self._header):
                say(f"{self._path} is of another model or of other images: starting anew")
            self._write(self._header)

    def _count_answers(self, lines: Iterable[bytes], images: Sequence[str]) -> int:
        """Count the lines that answer for the next image, up to one that was cut off; return how long they are."""
        size = 0
        for line, name in zip(lines, images, strict=False):
            if not _answers_for(name, line):
                break
            size += len(line)
            self.done += 1
        return size

    def _cut(self, size: int) -> None:
        try:
            self._file.truncate(size)
        except OSError as error:
            raise save_error(self._path, error) from error

    def _write(self, content: bytes) -> None:
        try:
            while content:
                content = content[self._file.write(content) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise save_error(self._path, error) from error


def write_table(path: Path, answers: Iterable[Answer], classes: Sequence[str]) -> None:
    """Write filename, label, probability and one p_<class> column each, of every image that could be read.

    Raises SaveError, and then leaves the table that was there before.
    """
    rows = (make_row(answer.name, answer.shares, classes) for answer in answers if not answer.fault)
    write_rows(path, make_header(classes), rows)


def write_skipped(path: Path, answers: Iterable[Answer]) -> None:
    """Write filename and reason of every image that could not be read; raises SaveError."""
    write_rows(path, ["filename", "reason"], ([answer.name, answer.fault] for answer in answers if answer.fault))


def name_skipped(table: Path) -> Path:
    """Return where the images that a table lacks are listed: predictions.skipped.csv."""
    return table.with_name(f"{table.stem}.skipped.csv")


def make_header(classes: Sequence[str]) -> list[str]:
    """Return the names of the columns."""
    return ["filename", "label", "probability", *(f"p_{name}" for name in classes)]


def make_row(name: str, shares: Sequence[float], classes: Sequence[str]) -> list[str]:
    """Return one row: six digits tell apart what a network can tell apart."""
    best = max(range(len(classes)), key=shares.__getitem__)
    digits = [f"{share:.6f}" for share in shares]
    return [name, classes[best], digits[best], *digits]


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV, row by row, whole or not at all; raises SaveError."""
    with replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        text.detach()


def _read_answer(name: str, content: str | list[float]) -> Answer:
    return Answer(name=name, fault=content) if isinstance(content, str) else Answer(name=name, shares=tuple(content))


def _answers_for(name: str, line: bytes) -> bool:
    try:
        found, content = json.loads(line)
    except (ValueError, TypeError):
        return False
    return line.endswith(b"\n") and found == name and bool(content)


# What a part file begins with; the number is raised whenever an older reader would misread its lines.
_START = "model.predict 1 "
