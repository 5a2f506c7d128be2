"""model_card.md: what somebody must know before using the model, from metrics.json alone (Mitchell et al., 2019)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from model.console import count, format_duration
from model.report.facts import tell_cost, tell_parts, tell_start
from model.report.markup import FIGURES, show_figure, show_value

# Rows of a table that a person still reads; metrics.json has the rest.
SHOWN_ROWS = 50

# With fewer test images of a class its figures are anecdotes.
FEW_IMAGES = 20

# More letters of a name than this push the figures off the page.
SHOWN_LETTERS = 60

# Settings that say where things were on one machine, and nothing about the model.
PLACES = frozenset({"data", "output", "targets", "weights", "start_from", "device", "cache", "cache_gb", "profile"})


def build_card(metrics: Mapping[str, Any]) -> str:
    """Return the card as Markdown; whatever a class or a group is called stays text."""
    sections = {
        "What it is": _describe_model(metrics),
        "Intended use": _describe_use(metrics),
        "Data": _describe_data(metrics),
        "How good it is": _describe_figures(metrics),
        "By class (test part)": _tabulate_classes(metrics["test"]),
        "By group (test part), the worst first": _tabulate_groups(metrics["test"]),
        "Limits": _list(_find_limits(metrics)),
        "How to use it": _describe_commands(),
        "How it was trained": _describe_training(metrics),
        "Licence": "Not stated. Whoever passes this model on decides, and has to look at the licence of the images"
        " (and of pretrained weights, where it started from some) first.",
    }
    body = "\n".join(f"## {title}\n\n{text}\n" for title, text in sections.items() if text)
    return f"# Model card: {_name_classes(metrics['classes'])}\n\n{body}"


def escape(text: object) -> str:
    """Return one line of text that Markdown, and a table in it, leave as it is; long names lose their middle."""
    line = " ".join(str(text).split())
    if len(line) > SHOWN_LETTERS:
        line = f"{line[: SHOWN_LETTERS // 2]}…{line[-SHOWN_LETTERS // 2 :]}"
    return _escape(line)


def _name_classes(classes: Sequence[str]) -> str:
    shown = ", ".join(escape(label) for label in classes[:3])
    return shown if len(classes) <= 3 else f"{shown} and {len(classes) - 3:,} more"


def _describe_model(metrics: Mapping[str, Any]) -> str:
    recipe = metrics["recipe"]
    folds = f"{recipe['folds']} networks whose probabilities are averaged, each" if recipe["folds"] else "A network"
    views = {"none": "", "flip": " The image and its mirror image are judged.", "crops": " Four views are judged."}
    size = metrics["image_size"]
    return (
        f"An image classifier that says which of {count(len(metrics['classes']), 'class')} a picture shows, with a"
        f" probability for each. {folds} of the kind {escape(metrics['arch'])}, {escape(tell_start(recipe))}."
        f" It sees the whole picture, squeezed to {size} × {size} pixels.{views.get(recipe['tta'], '')}\n\n"
        f"Classes: {', '.join(escape(label) for label in metrics['classes'])}."
    )


def _describe_use(metrics: Mapping[str, Any]) -> str:
    return (
        "To sort or search many pictures of the same source and kind as those it was trained on, with a person looking"
        " at what matters and at what it is unsure of. Not for pictures of other cameras, places or patients until it"
        " was tested on some of them; not for anything that must never be missed; not for a diagnosis. A picture that"
        f" shows none of the {len(metrics['classes'])} classes is given one all the same."
    )


def _describe_data(metrics: Mapping[str, Any]) -> str:
    images, leaks = metrics["images"], metrics["leaks"]
    groups = (
        f"The images come in {images['groups']:,} groups, each kept whole in one part."
        if images["groups"] and not leaks["leaked_groups"]
        else f"**{leaks['leaked_groups']:,} of {leaks['groups']:,} groups are in more than one part.**"
        if leaks["leaked_groups"]
        else "No groups (dives, patients) were told: images that belong together may be in several parts."
    )
    by_class = [f"| {escape(label)} | {number:,} |" for label, number in images["by_class"].items()]
    lines = [
        f"{count(images['used'], 'image')}, labels from {escape(metrics['source'])}: {tell_parts(metrics)}. {groups}",
        f"Left out: {images['skipped']:,} that could not be used, {images['unlabelled']:,} without a label,"
        f" {images['duplicates']:,} named twice. Nearly the same picture in two parts:"
        f" {count(leaks['near_duplicate_count'], 'pair')}.",
        _tabulate(("class", "images"), by_class),
    ]
    return "\n\n".join(lines)


def _describe_figures(metrics: Mapping[str, Any]) -> str:
    parts = [metrics["test"], metrics["validation"]]
    rows = []
    for key, name in FIGURES.items():
        cells = [f"{_show(part[key])}{_show_interval(part.get(f'{key}_interval'))}" for part in parts]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    errors = [part["calibration"]["after"] for part in parts]
    cells = [f"{_show(error['ece'])}{_show_interval(error['interval'])}" if error else "–" for error in errors]
    rows.append(f"| expected calibration error | {' | '.join(cells)} |")
    rows.append(f"| images | {' | '.join(format(part['count'], ',') for part in parts)} |")
    noise = errors[0]["noise_floor"] if errors[0] else None
    floors = _name_floors(metrics["floors"])
    return "\n\n".join(
        [
            _tabulate(("", "test", "validation"), rows),
            f"In brackets: 95 % intervals. {metrics['test']['interval_method']}. Temperature"
            f" {_show(metrics['test']['calibration']['temperature'])}; perfect probabilities would show a calibration"
            f" error of {_show(noise)} on so few images by chance.",
            f"Without any network, on the same test images: {floors}.",
        ]
    )


def _name_floors(floors: Mapping[str, Any]) -> str:
    majority, neighbours = floors["majority"], floors["nearest_neighbour"]
    named = []
    if majority:
        named.append(f"always answering {escape(majority['label'])} is right in {_show(majority['accuracy'])}")
    if neighbours:
        named.append(
            f"copying the {neighbours['neighbours']} most similar training images in {_show(neighbours['accuracy'])}"
        )
    return ", ".join(named) or "not measured"


def _tabulate_classes(test: Mapping[str, Any]) -> str:
    rows = [
        f"| {escape(row['label'])} | {row['count']:,} | {_show(row['recall'])}{_show_interval(row['recall_interval'])}"
        f" | {_show(row['precision'])} | {_show(row['f1'])} | {_show(row['auc'])} |"
        for row in test["by_class"]
    ]
    return _tabulate(("class", "images", "recall", "precision", "F1", "AUC"), rows)


def _tabulate_groups(test: Mapping[str, Any]) -> str:
    rows = [f"| {escape(row['group'])} | {row['count']:,} | {_show(row['accuracy'])} |" for row in test["by_group"]]
    return _tabulate(("group", "images", "accuracy"), rows) if rows else ""


def _find_limits(metrics: Mapping[str, Any]) -> Iterable[str]:
    test, leaks = metrics["test"], metrics["leaks"]
    low, high = test["accuracy_interval"]
    yield (
        f"Tested on {count(test['count'], 'image')}"
        + (f" of {count(test['group_count'], 'group')}" if test["group_count"] else "")
        + f": on other images of this kind the accuracy may be anywhere between {_show(low)} and {_show(high)}."
    )
    if leaks["leaked_groups"]:
        yield (
            f"{count(leaks['leaked_images'], 'image')} belong to groups that are in more than one part: the figures are"
            " better than they will be on new groups."
        )
    if leaks["near_duplicate_count"]:
        yield (
            f"Different parts hold nearly the same picture ({count(leaks['near_duplicate_count'], 'pair')}): some"
            " answers may be remembered, not found."
        )
    few = [row["label"] for row in test["by_class"] if row["count"] < FEW_IMAGES]
    if few:
        yield f"Fewer than {FEW_IMAGES} test images, so that the figures say little: {_name_classes(few)}."
    floors = [floor["accuracy"] for floor in metrics["floors"].values() if floor]
    if floors and max(floors) >= low:
        yield "It is not shown to be better than what needs no network (see above)."
    for note in metrics["notes"]:
        yield _escape(" ".join(note.split()))


def _describe_commands() -> str:
    return (
        "```\n"
        "python -m model.predict --model model.pt FOLDER --output predictions.csv\n"
        "python -m model.predict --model model.pt FOLDER --sort sorted --threshold 0.9\n"
        "python -m model.predict --model model.pt dive.mp4 --every 2\n"
        "```\n\n"
        "or `deployer predict FOLDER --model model.pt`. In Python, with images as uint8 (N, side, side, RGB):\n\n"
        "```python\n"
        "from pathlib import Path\n\n"
        "from model.checkpoint import load_checkpoint\n"
        "from model.inference.classifier import Classifier\n\n"
        'classifier = Classifier(load_checkpoint(Path("model.pt")), device="cpu")\n'
        "probabilities = classifier.classify(pixels)  # side: classifier.decode_size\n"
        "```\n\n"
        "`model.pt` holds weights and figures, no code; reading it runs none."
    )


def _describe_training(metrics: Mapping[str, Any]) -> str:
    cost = f", {tell_cost(metrics)}" if metrics["cost"] else ""
    recipe = {name: value for name, value in metrics["recipe"].items() if name not in PLACES}
    rows = [f"| {name.replace('_', ' ')} | {escape(show_value(value))} |" for name, value in recipe.items()]
    return (
        f"{count(metrics['steps'], 'step')} in {count(metrics['epochs'], 'epoch')}, of which epoch"
        f" {metrics['best_epoch']} was kept, on {escape(metrics['device'])} in {escape(metrics['precision'])}"
        f" with torch {escape(metrics['torch'])}: {format_duration(metrics['seconds'])} in all{cost}.\n\n"
        + _tabulate(("setting", "value"), rows, shown=len(rows))
    )


def _tabulate(heads: Sequence[str], rows: Sequence[str], *, shown: int = SHOWN_ROWS) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *rows[:shown]]
    more = f"\n\nand {len(rows) - shown:,} more in metrics.json" if len(rows) > shown else ""
    return "\n".join(lines) + more


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _show(value: float | None) -> str:
    return show_figure(value, digits=3)


def _show_interval(interval: Sequence[float] | None) -> str:
    return f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""


def _escape(line: str) -> str:
    return re.sub(r"([\\`*_\[\]<>#|~&$])", r"\\\1", line)
