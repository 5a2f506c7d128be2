"""Which images belong together, read from their names: the frames of a dive, the X-rays of a patient."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from model.errors import DataError

# The label, the patient and the number of the image, as in BACTERIA-1004423-0001.jpeg.
LABELLED_NAME = re.compile(r"([A-Z][A-Z_]*)-(\d+)-\d+\.\w+$")

# What names look like that tell of groups: what they are, how to find them, and the pattern to type for them.
_KNOWN_FORMS = (
    ("frames of videos", re.compile(r"(.*)\.(mp4|mov|avi|mkv|m4v|mpe?g|webm|wmv|mts)_\d+", re.IGNORECASE), ""),
    ("label, patient and number", LABELLED_NAME, r"[A-Z]+-(\d+)-\d+"),
    ("patients with several images", re.compile(r"(person\d+)_|(?:NORMAL\d*-)?(IM-\d+)-\d+"), r"(person\d+|IM-\d+)"),
    ("tiles of larger pictures", re.compile(r"(.+)_r\d+c\d+\.\w+$"), r"(.+)_r\d+c\d+"),
)

# dog/dive7/0001.png, but not train/dog/0001.png.
_INNER_FOLDER = re.compile(
    r"(?!(?:images?|train|training|val|valid|validation|test|testing)/)[^/]+/.+/[^/]+$", re.IGNORECASE
)

# Fewer folders are no groups: training, validation and test need one each.
_MIN_INNER_FOLDERS = 3

# A suggestion is made when at least this share of the names has the form.
_SUGGESTED_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """What the names look like, and the --group-from that makes groups of them; `example` is one of the names."""

    form: str
    pattern: str
    example: str


def parse_groups(names: Sequence[str], pattern: str) -> list[str]:
    """Return the group of each name, "" where the pattern is not found in it; raises DataError when it is in none.

    The pattern is searched for in the file's name alone, so that frames of one dive sorted into class folders stay one
    group; a pattern with a slash is searched for in the whole name within the data folder. What several brackets match
    is joined by slashes.
    """
    expression = re.compile(pattern)
    groups = [_parse_group(name, expression) for name in names]
    if names and not any(groups):
        suggestion = suggest_groups(names)
        form = f" These look like {suggestion.form}: --group-from '{suggestion.pattern}'." if suggestion else ""
        raise DataError(
            f"--group-from '{pattern}' matches none of {len(names):,} names, such as {names[0]!r}.",
            hint="Write a pattern whose brackets match the part of the name that a group shares." + form,
        )
    return groups


def suggest_groups(names: Sequence[str]) -> Suggestion | None:
    """Return the pattern for names that look like frames of videos or images of patients; None for other names."""
    files = [_take_file_name(name) for name in names]
    found = [(form, pattern, _find(expression, files)) for form, expression, pattern in _KNOWN_FORMS]
    # The form that most names have: IM-0115-0001 of a healthy patient could be a label, too; person1_virus_6 could not.
    form, pattern, matches = max(found, key=lambda each: len(each[2]))
    if len(matches) >= max(2, _SUGGESTED_SHARE * len(files)):
        typed = pattern or _write_video_pattern(match[2] for match in matches)
        return _suggest(form, typed, [match.string for match in matches], least=1)
    matches = _find(_INNER_FOLDER, [_take_whole_name(name) for name in names])
    if len(matches) < max(2, _SUGGESTED_SHARE * len(files)):
        return None
    found_names = [match.string for match in matches]
    return _suggest("folders inside those of the classes", "/(.+)/", found_names, least=_MIN_INNER_FOLDERS)


def _find(expression: re.Pattern[str], names: Sequence[str]) -> list[re.Match[str]]:
    return [match for match in map(expression.match, names) if match]


def _suggest(form: str, pattern: str, names: Sequence[str], *, least: int) -> Suggestion | None:
    """Return the suggestion, where it makes so many groups or more, and one of several images at least."""
    sizes = Counter(_parse_group(name, re.compile(pattern)) for name in names)
    is_worth_it = len(sizes) >= least and max(sizes.values()) > 1
    return Suggestion(form=form, pattern=pattern, example=names[0]) if is_worth_it else None


def _parse_group(name: str, expression: re.Pattern[str]) -> str:
    seen = _take_whole_name(name) if "/" in expression.pattern else _take_file_name(name)
    match = expression.search(seen)
    return "/".join(part or "" for part in match.groups()).strip("/ ") if match else ""


def _take_whole_name(name: str) -> str:
    return normalize("NFC", name.replace("\\", "/"))


def _take_file_name(name: str) -> str:
    return normalize("NFC", name.replace("\\", "/").rstrip("/").rpartition("/")[2])


def _write_video_pattern(suffixes: Iterable[str]) -> str:
    known = sorted(set(suffixes))
    return rf"(.*)\.{known[0]}_\d+" if len(known) == 1 else rf"(.*)\.(?:{'|'.join(known)})_\d+"
