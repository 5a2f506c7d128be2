"""An inspected folder as plain text: what to mend, the classes, and a line for each thing worth a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from model.console import SHOWN_NAMES, count
from model.inspection.advice import Advice

_WIDTH = 100

# How many classes and how many sorts of one thing are shown.
_SHOWN_CLASSES = 40
_SHOWN_KINDS = 4

_MODES = {
    "1": "black and white",
    "L": "grey",
    "I": "grey",
    "I;16": "grey",
    "I;16B": "grey",
    "F": "grey",
    "LA": "grey with transparency",
    "P": "palette",
    "PA": "palette with transparency",
    "RGB": "colour",
    "RGBA": "colour with transparency",
}


def render_inspection(figures: Mapping[str, Any], problems: Sequence[Advice], warnings: Sequence[Advice]) -> str:
    """Return the text for a person."""
    return "\n".join(
        [
            *_head(figures),
            *_list_advice("Training is impossible until this is mended", problems),
            *_list_advice("Worth mending before training", warnings),
            *_tell_classes(figures),
            *_tell_facts(figures),
            "",
            _judge(problems, warnings),
        ]
    )


def _head(figures: Mapping[str, Any]) -> Iterator[str]:
    classes = figures["classes"]
    labels = f" in {count(len(classes), 'class')} (labels from {figures['labels_from']})" if classes else ", no labels"
    yield f"{figures['folder']}: {count(figures['images'], 'image')}{labels}, {_format_bytes(figures['bytes'])}"


def _list_advice(title: str, advice: Sequence[Advice]) -> Iterator[str]:
    if advice:
        yield ""
        yield title
    for each in advice:
        yield from _wrap(each.message, "  * ")
        yield from (f"      {item}" for item in each.items[:SHOWN_NAMES])
        if len(each.items) > SHOWN_NAMES:
            yield f"      and {len(each.items) - SHOWN_NAMES:,} more"
        if each.hint:
            yield from _wrap(each.hint, "    ")


def _wrap(text: str, start: str) -> list[str]:
    """Return lines that fit a terminal; names, paths and patterns stay whole, to be copied."""
    return wrap(
        text, _WIDTH, initial_indent=start, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def _tell_classes(figures: Mapping[str, Any]) -> Iterator[str]:
    classes = figures["classes"]
    if not classes:
        return
    has_groups = bool(figures["groups"]["count"])
    width = min(40, max(len("Class"), *(len(each["label"]) for each in classes)))
    yield ""
    yield f"{'Class':<{width}}  {'images':>9}  {'share':>6}" + (f"  {'groups':>8}" if has_groups else "")
    for each in classes[:_SHOWN_CLASSES]:
        groups = f"  {each['groups']:>8,}" if has_groups else ""
        yield f"{each['label']:<{width}}  {each['count']:>9,}  {each['share']:>6.1%}{groups}"
    if len(classes) > _SHOWN_CLASSES:
        yield f"and {len(classes) - _SHOWN_CLASSES:,} more"


def _tell_facts(figures: Mapping[str, Any]) -> Iterator[str]:
    if not figures["formats"]:
        return
    rows = {
        "Sizes": _tell_sizes(figures["sizes"]),
        "Width by height": _tell_range(figures["aspect_ratios"], ".2f"),
        "Colours": _tell_modes(figures),
        "Formats": _join([(each["format"], each["count"]) for each in figures["formats"]]),
        "Turned by EXIF": f"{figures['turned_by_exif']:,}" if figures["turned_by_exif"] else "",
        "Wrong suffix": f"{figures['wrong_suffix']:,} (read by what they hold)" if figures["wrong_suffix"] else "",
        "Broken": f"{len(figures['broken']):,}" if figures["broken"] else "none",
        "Groups": _tell_groups(figures["groups"]),
        "Copies": _tell_copies(figures["duplicates"]),
    }
    width = max(len(name) for name in rows)
    yield ""
    yield from (f"{name:<{width}}  {text}" for name, text in rows.items() if text)


def _tell_sizes(sizes: Mapping[str, Any]) -> str:
    most = sizes["most_common"][0]
    if sizes["distinct"] == 1:
        return f"all {most['width']} x {most['height']}"
    return (
        f"{count(sizes['distinct'], 'size')}, most often {most['width']} x {most['height']} ({most['count']:,}); "
        f"width {_tell_range(sizes['width'], ',')}; height {_tell_range(sizes['height'], ',')}"
    )


def _tell_range(values: Mapping[str, float], form: str) -> str:
    if values["min"] == values["max"]:
        return f"all {values['min']:{form}}"
    return f"{values['min']:{form}} to {values['max']:{form}} (median {values['median']:{form}})"


def _tell_modes(figures: Mapping[str, Any]) -> str:
    kinds = [
        (f"{_MODES.get(each['mode'], each['mode'])}, {each['bits']} bit{'s' * (each['bits'] != 1)}", each["count"])
        for each in figures["modes"]
    ]
    grey = figures["grey_saved_in_colour"]
    return _join(kinds) + (f"; {grey:,} in colour show grey only" if grey else "")


def _tell_groups(groups: Mapping[str, Any]) -> str:
    if not groups["count"]:
        return ""
    several = len(groups["several_labels"])
    mixed = f"; {several:,} with several classes" if several else ""
    return f"{groups['count']:,}, with {_tell_range(groups['images_in_a_group'], ',')} images each{mixed}"


def _tell_copies(copies: Mapping[str, Any]) -> str:
    """Return how many images are copies, by how alike they are."""
    kinds = (("the same file", "same_file"), ("the same pixels", "same_pixels"), ("nearly the same", "near"))
    told = "; ".join(
        f"{name}: {sum(len(each) for each in copies[key]):,} images in {count(len(copies[key]), 'cluster')}"
        for name, key in kinds
        if copies[key]
    )
    return told or "none"


def _judge(problems: Sequence[Advice], warnings: Sequence[Advice]) -> str:
    if problems:
        return "Verdict: cannot be trained on."
    if warnings:
        return f"Verdict: can be trained on; {count(len(warnings), 'thing')} to look at first."
    return "Verdict: can be trained on."


def _join(kinds: Sequence[tuple[str, int]]) -> str:
    """Return `PNG: 66; JPEG: 64`; the number is left out where there is one kind."""
    if len(kinds) == 1:
        return f"all {kinds[0][0]}"
    shown = [f"{name}: {number:,}" for name, number in kinds[:_SHOWN_KINDS]]
    others = sum(number for _, number in kinds[_SHOWN_KINDS:])
    return "; ".join([*shown, f"others: {others:,}"] if others else shown)


def _format_bytes(size: int) -> str:
    amount = float(size)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:,.1f} GB"
