"""The cases worth a look as figures: the picture, and beside it the same picture with what the model looked at."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from model.report.markup import show_label

if TYPE_CHECKING:
    from model.report.pictures import Case


def draw_gallery(cases: Sequence[Case]) -> str:
    """Return the cases as figures, one beside the other where the page is wide enough."""
    return f'<div class="gallery">{"".join(_draw_case(case) for case in cases)}</div>' if cases else ""


def _draw_case(case: Case) -> str:
    name, label, predicted = escape(case.name), show_label(case.label), show_label(case.predicted)
    heat = (
        f'<img alt="the same picture; yellow is what spoke for {escape(case.predicted)}" src="{_embed(case.heat)}">'
        if case.heat
        else '<span class="missing">no place in the picture stands out</span>'
    )
    if case.label == case.predicted:
        told = f"<b>{predicted}</b>, rightly, but only <b>{case.probability:.0%}</b> sure"
    else:
        told = f"is <b>{label}</b>; taken for <b>{predicted}</b>, <b>{case.probability:.0%}</b> sure"
    return (
        f'<figure><div class="pair"><img alt="{name}" src="{_embed(case.picture)}">{heat}</div>'
        f'<figcaption><p>{told}</p><p class="name">{name}</p></figcaption></figure>'
    )


def _embed(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
