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
    rows = list(test.get("by_class") or _count_classes(test))
    if len(rows) > SHOWN_ROWS:
        rows.sort(key=lambda row: 2.0 if row.get("recall") is None else row["recall"])
    head = ["class", "images", "found", "", "right when named", "F1", "AUC", "average precision"]
    return _draw("Test images by class; the band is the 95% interval", head, [_show_class(row) for row in rows])


def draw_groups(test: Mapping[str, Any]) -> str:
    """Return the accuracy within each group that is large enough, the worst first."""
    rows = [row for row in test.get("by_group") or () if row["count"] >= FEWEST_IMAGES]
    cells = [
        [
            show_label(row["group"]),
            f"{row['count']:,}",
            show_share(row["accuracy"]),
            draw_interval(row["accuracy"], None),
        ]
        for row in rows
    ]
    total = test.get("group_count") or len(rows)
    caption = f"Of {count(total, 'group')}, those of at least {FEWEST_IMAGES} test images, the worst first"
    return _draw(caption, ["group", "images", "right", ""], cells)


def _draw(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    rest = fold_rest(len(rows) - SHOWN_ROWS, draw_table(caption + ", continued", head, rows[SHOWN_ROWS:]))
    return draw_table(caption, head, rows[:SHOWN_ROWS]) + rest


def _show_class(row: Row) -> list[str]:
    interval = row.get("recall_interval")
    share = f"{show_share(row.get('recall'))} <small>{show_interval(interval)}</small>"
    figures = (row.get("f1"), row.get("auc"), row.get("average_precision"))
    return [
        show_label(row["label"]),
        f"{row['count']:,}",
        share,
        draw_interval(row.get("recall"), interval),
        show_share(row.get("precision")),
        *(show_figure(figure) for figure in figures),
    ]


def _count_classes(test: Mapping[str, Any]) -> list[Row]:
    """Return what the confusion matrix alone tells, for the files of format 1."""
    matrix = test["confusion_matrix"]
    rows: list[Row] = []
    for place, label in enumerate(test["labels"]):
        size, named = sum(matrix[place]), sum(row[place] for row in matrix)
        right = matrix[place][place]
        rows.append(
            {
                "label": label,
                "count": size,
                "recall": right / size if size else None,
                "precision": right / named if named else None,
                "f1": 2 * right / (size + named) if size + named else None,
            }
        )
    return rows
