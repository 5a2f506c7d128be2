"""A page and its small pieces: tables with a caption, labels that may break, shares, and intervals as little bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from model.console import format_setting

TEMPLATES = Path(__file__).parent / "templates"

# What the figures of a part are called, by their keys in metrics.json.
FIGURES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "auc": "AUC",
    "nll": "log loss",
}

# Longer names than this push everything else off a phone; the whole name is in the `title`.
MAX_LABEL_CHARACTERS = 48


def fill_page(*, title: str, content: str) -> str:
    """Return a whole page with our style; `title` is text, `content` markup."""
    template = Template((TEMPLATES / "page.html").read_text(encoding="utf-8"))
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    return template.substitute(title=escape(title), style=style, content=content)


def draw_table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, style: str = "numbers") -> str:
    """Return a table in a frame that scrolls; the cells are markup already, the first of each row is its heading."""
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = [f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows]
    return (
        f'<div class="scroll"><table class="{style}"><caption><span>{caption}</span></caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def fold_rest(number: int, content: str) -> str:
    """Return the rest of a list, folded on the screen; on paper, where nobody can unfold it, it is all there."""
    return f'<details class="rest"><summary>{number:,} more</summary>{content}</details>' if number > 0 else ""


def fold(summary: str, content: str) -> str:
    """Return content that opens on a click."""
    return f"<details><summary>{summary}</summary>{content}</details>" if content else ""


def draw_section(title: str, introduction: str, *content: str) -> str:
    """Return a section, or nothing where it has no content."""
    body = "".join(content)
    return f"<section><h2>{title}</h2><p>{introduction}</p>{body}</section>" if body else ""


def show_label(label: str) -> str:
    """Return a label that may be broken where a person would, after underscores and hyphens; a long one is cut."""
    if len(label) > MAX_LABEL_CHARACTERS:
        cut = escape(label[: MAX_LABEL_CHARACTERS - 1])
        return f'<span title="{escape(label)}">{_break(cut)}…</span>'
    return _break(escape(label))


def show_share(share: float | None) -> str:
    """Return `81%`, or a dash for what is not known."""
    return "–" if share is None else f"{share:.0%}"


def show_figure(figure: float | None, digits: int = 2) -> str:
    """Return `0.81`, or a dash for what is not known."""
    return "–" if figure is None else f"{figure:.{digits}f}"


def show_value(value: object) -> str:
    """Return a setting as a person reads it, or a dash for what was not given."""
    return "–" if value in (None, "") else format_setting(value)


def show_interval(interval: Sequence[float] | None) -> str:
    """Return `76–86%`, or nothing."""
    return f"{100 * interval[0]:.0f}–{interval[1]:.0%}" if interval else ""


def draw_interval(share: float | None, interval: Sequence[float] | None) -> str:
    """Return a little bar from 0 to 100%: the interval as a band, the share as a stroke."""
    if share is None:
        return ""
    band = (
        f'<rect class="band" x="{100 * interval[0]:.1f}" width="{100 * (interval[1] - interval[0]):.1f}" y="3" '
        'height="6"/>'
        if interval
        else ""
    )
    return (
        '<svg class="interval" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rail" width="100" y="5.5" height="1"/>{band}'
        f'<rect class="stroke" x="{100 * share - 1:.1f}" width="2" y="1" height="10"/></svg>'
    )


def list_facts(facts: Mapping[str, str]) -> str:
    """Return names and what they are, as a list; what is empty is left out. The values are markup already."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{text}</dd>" for name, text in facts.items() if text) + "</dl>"


def get(value: Mapping[str, Any] | None, *keys: str) -> Any:
    """Return what lies under keys one inside the other, None where one is missing, as in the files of old versions."""
    for key in keys:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _break(markup: str) -> str:
    return markup.replace("_", "_<wbr>").replace("-", "-<wbr>")
