"""One row for each class and for each group, with intervals as little bars; of many, the worst, the rest folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model.console import count
from model.report.markup import draw_interval, draw_table, fold_rest, show_figure, show_interval, show_label, show_share

# As many rows as a phone shows on two screens.
SHOWN_ROWS = 15

# One or two images of a group say nothing about it.
FEWEST_IMAGES = 3

Row = Mapping[str, Any]


def draw_classes(test: Mapping[str, Any]) -> str:
    """Return what each class reaches; of more than SHOWN_ROWS classes the worst recognised first."""
    rows = list(test["by_class"])
    if len(rows) > SHOWN_ROWS:
        rows.sort(key=lambda row: 2.0 if row["recall"] is None else row["recall"])
    head = ["class", "images", "found", "", "right when named", "F1", "AUC", "average precision"]
    return _draw("Test images by class; the band is the 95% interval", head, [_show_class(row) for row in rows])


def draw_groups(test: Mapping[str, Any]) -> str:
    """Return the accuracy within each group that is large enough, the worst first."""
    rows = [row for row in test["by_group"] if row["count"] >= FEWEST_IMAGES]
    cells = [
        [
            show_label(row["group"]),
            f"{row['count']:,}",
            show_share(row["accuracy"]),
            draw_interval(row["accuracy"], None),
        ]
        for row in rows
    ]
    groups = count(test["group_count"], "group")
    caption = f"Of {groups}, those of at least {FEWEST_IMAGES} test images, the worst first"
    return _draw(caption, ["group", "images", "right", ""], cells)


def _draw(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    rest = fold_rest(len(rows) - SHOWN_ROWS, draw_table(caption + ", continued", head, rows[SHOWN_ROWS:]))
    return draw_table(caption, head, rows[:SHOWN_ROWS]) + rest


def _show_class(row: Row) -> list[str]:
    interval = row["recall_interval"]
    share = f"{show_share(row['recall'])} <small>{show_interval(interval)}</small>"
    return [
        show_label(row["label"]),
        f"{row['count']:,}",
        share,
        draw_interval(row["recall"], interval),
        show_share(row["precision"]),
        *(show_figure(row[key]) for key in ("f1", "auc", "average_precision")),
    ]
