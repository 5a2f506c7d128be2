"""What is wrong with the data, as far as the training saw it, and what else it had to say."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from model.console import count
from model.report.markup import draw_table, fold, fold_rest, show_label

SHOWN_FILES = 10

# The rarest class with a tenth of the commonest one's images is learnt badly unless something is done about it.
IMBALANCE = 10.0


def draw_findings(metrics: Mapping[str, Any]) -> str:
    """Return a list of what was found; one line where there is nothing."""
    notes = [escape(note) for note in metrics["notes"]]
    found = [*notes, *_find_imbalance(metrics), *_find_left_out(metrics)]
    listed = f"<ul>{''.join(f'<li>{line}</li>' for line in found)}</ul>" if found else ""
    pairs = _draw_pairs(metrics)
    skipped = _draw_skipped(metrics)
    return listed + pairs + skipped or "<p>Nothing that was looked for: every file could be read and was used once.</p>"


def _find_imbalance(metrics: Mapping[str, Any]) -> list[str]:
    sizes = metrics["images"]["by_class"]
    rare, common = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    if sizes[common] < IMBALANCE * sizes[rare]:
        return []
    return [
        f"“{show_label(common)}” has {count(sizes[common], 'image')}, “{show_label(rare)}” {sizes[rare]:,}: rare "
        "classes are missed more often. More images of them help most, then <code>--balance sampler</code>."
    ]


def _find_left_out(metrics: Mapping[str, Any]) -> list[str]:
    kinds = {
        "skipped": "could not be used and {were} skipped",
        "unlabelled": "{have} no label and {were} not used",
        "duplicates": "{were} named twice, or {are} the same file twice, and {were} used once",
    }
    told = []
    for key, words in kinds.items():
        number = metrics["images"][key]
        one = {"were": "was", "have": "has", "are": "is"}
        many = {"were": "were", "have": "have", "are": "are"}
        if number:
            told.append(f"{count(number, 'image')} {words.format(**(one if number == 1 else many))}.")
    return told


def _draw_pairs(metrics: Mapping[str, Any]) -> str:
    pairs = metrics["leaks"]["near_duplicates"]
    rows = [[escape(pair["first"]), escape(pair["second"]), escape(" and ".join(pair["parts"]))] for pair in pairs]
    if not rows:
        return ""
    caption = f"Nearly the same picture in two parts: {count(metrics['leaks']['near_duplicate_count'], 'pair')}"
    head = ["picture", "its twin", "parts"]
    rest = fold_rest(len(rows) - SHOWN_FILES, draw_table(caption, head, rows[SHOWN_FILES:], style="names"))
    return draw_table(caption, head, rows[:SHOWN_FILES], style="names") + rest


def _draw_skipped(metrics: Mapping[str, Any]) -> str:
    skipped = metrics["skipped"]
    shown = "".join(f"<li>{escape(file['filename'])} {escape(file['reason'])}</li>" for file in skipped[:100])
    more = f"<li>and {len(skipped) - 100:,} more</li>" if len(skipped) > 100 else ""
    return fold(f"Skipped: {count(len(skipped), 'file')}", f"<ul>{shown}{more}</ul>") if skipped else ""
