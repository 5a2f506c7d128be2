"""What is taken for what: the whole matrix where it can be read, else its worst part and the commonest confusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model.report.markup import draw_table, fold, show_label

# More columns than this are not read by anybody on a phone or on paper.
READABLE_CLASSES = 12
# The classes whose rows are shown where there are more.
WORST_CLASSES = 8
# Two of 50 x 50 cells are 0.3 MB: a page of 2 MB has room for no more beside its pictures; metrics.json has any size.
LARGEST_MATRIX = 50
SHOWN_CONFUSIONS = 12

Matrix = Sequence[Sequence[int]]


def draw_confusion(part: Mapping[str, Any], name: str) -> str:
    """Return the confusion matrix of a part as tables."""
    labels, matrix = part["labels"], part["confusion_matrix"]
    if len(labels) <= READABLE_CLASSES:
        return _draw_matrix(labels, matrix, f"{name}: number of images, and share of the row")
    worst = sorted(_find_worst(matrix)[:WORST_CLASSES])
    merged_labels = [*(labels[place] for place in worst), f"the other {len(labels) - len(worst)}"]
    whole = (
        _draw_matrix(labels, matrix, f"{name}, every class: number of images", has_shares=False)
        if len(labels) <= LARGEST_MATRIX
        else ""
    )
    return (
        _draw_pairs(labels, matrix)
        + _draw_matrix(
            merged_labels,
            _merge(matrix, worst),
            f"{name}: the {len(worst)} classes that are recognised worst, all others as one",
        )
        + fold(f"All {len(labels)} classes", whole)
    )


def _find_worst(matrix: Matrix) -> list[int]:
    """Return the places of the classes that occur, those with the lowest recall first."""
    recalls = [(row[place] / sum(row), place) for place, row in enumerate(matrix) if sum(row)]
    return [place for _, place in sorted(recalls)]


def _merge(matrix: Matrix, kept: Sequence[int]) -> list[list[int]]:
    """Return the matrix of the kept classes with all others as one: a mistake among the others is no mistake there."""
    others = [place for place in range(len(matrix)) if place not in set(kept)]
    groups = [*([place] for place in kept), others]
    return [
        [sum(matrix[true][predicted] for true in down for predicted in across) for across in groups] for down in groups
    ]


def _draw_pairs(labels: Sequence[str], matrix: Matrix) -> str:
    pairs = [
        (number, true, predicted)
        for true, row in enumerate(matrix)
        for predicted, number in enumerate(row)
        if number and true != predicted
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    rows = [
        [show_label(labels[true]), show_label(labels[predicted]), f"{number:,} of {sum(matrix[true]):,}"]
        for number, true, predicted in pairs[:SHOWN_CONFUSIONS]
    ]
    return draw_table("The commonest confusions", ["is", "is taken for", "images"], rows, style="names") if rows else ""


def _draw_matrix(labels: Sequence[str], matrix: Matrix, caption: str, *, has_shares: bool = True) -> str:
    rows = []
    for true, (label, row) in enumerate(zip(labels, matrix, strict=True)):
        total = sum(row)
        cells = [
            _draw_cell(number, total, is_right=predicted == true, has_share=has_shares)
            for predicted, number in enumerate(row)
        ]
        rows.append(f'<tr><th scope="row">{show_label(label)}</th>{"".join(cells)}</tr>')
    heads = "".join(f'<th scope="col">{show_label(label)}</th>' for label in labels)
    style = "confusion" if has_shares else "confusion dense"
    return (
        f'<div class="scroll"><table class="{style}"><caption><span>{caption}</span></caption>'
        f'<thead><tr><td class="corner">true ↓ · answered →</td>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _draw_cell(number: int, total: int, *, is_right: bool, has_share: bool) -> str:
    if not number and not is_right:
        return "<td>0</td>"
    share = number / total if total else 0.0
    small = f"<small>{share:.0%}</small>" if has_share and number else ""
    kind = "right" if is_right else "wrong"
    return f'<td class="{kind}" style="--share:{share:.2f}"><b>{number:,}</b>{small}</td>'
