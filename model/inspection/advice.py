"""What is wrong with a folder of images, and what to do about it before training; the worst first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from model.console import count
from model.data.dataset import MAX_ALIKE, MAX_DARK
from model.data.samples import LabelledImages, check_labelled_images
from model.data.split import split_samples, suggest_folds
from model.errors import DataError
from model.inspection.copies import NEARLY
from model.inspection.figures import are_grey
from model.inspection.inspection import Inspection

# A class this many times as large as another drowns it; --balance helps from here on.
MAX_IMBALANCE = 5

# With fewer images of a class the test part has three or less, and its figure says nothing.
MIN_CLASS = 20

# A class needs a few groups in each part, or one odd dive decides the figure.
MIN_GROUPS = 10


# Smaller images are blown up to the size that networks need.
MIN_SIDE = 32

# By how much something that is not in the picture may tell the class better than always naming the largest.
MAX_SHORTCUT = 0.15

# Fewer bits are those of a palette or of a drawing.
_BITS_OF_A_PHOTOGRAPH = 8

# Fewer images with the same size or format say nothing about their class.
_MIN_SHORTCUT_IMAGES = 5


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One thing to mend: a key for programs, what is wrong with which images (`items`, all), and what to do."""

    key: str
    message: str
    hint: str = ""
    items: tuple[str, ...] = ()


def find_problems(inspection: Inspection) -> tuple[Advice, ...]:
    """Return what makes training impossible: what `model.train` itself would refuse, by the same checks."""
    problems = [Advice(key="labels", message=error.message, hint=error.hint) for error in inspection.refusals]
    if not inspection.source:
        if not inspection.samples and not problems:
            problems.append(Advice(key="images", message=f"There are no images in {inspection.folder}."))
        return tuple(problems)
    found = LabelledImages(source=inspection.source, samples=inspection.samples, bad=inspection.bad)
    try:
        check_labelled_images(found)
        split_samples(found.samples, seed=0)
    except DataError as error:
        problems.append(Advice(key="images", message=error.message, hint=error.hint))
    if inspection.samples and inspection.spread <= MAX_ALIKE:
        message = f"All {count(len(inspection.samples), 'image')} hold the same picture: there is nothing to learn."
        problems.append(Advice(key="alike", message=message, hint="Look whether a copy or an export went wrong."))
    return tuple(problems)


def describe_advice(problems: Sequence[Advice], warnings: Sequence[Advice]) -> dict[str, Any]:
    """Return the verdict for JSON: `can_train`, `problems`, `warnings`; of each `key`, `message`, `hint`, `items`."""
    return {
        "can_train": not problems,
        "problems": [asdict(each) for each in problems],
        "warnings": [asdict(each) for each in warnings],
    }


def find_warnings(inspection: Inspection, figures: Mapping[str, Any]) -> tuple[Advice, ...]:
    """Return what makes a training worse, or its result untrue."""
    return (
        *_judge_copies(figures),
        *_judge_files(figures),
        *_judge_groups(inspection, figures),
        *_judge_classes(inspection, figures),
        *_judge_shortcuts(inspection),
        *_judge_pictures(inspection, figures),
        *(Advice(key="note", message=note) for note in inspection.notes),
    )


def _judge_copies(figures: Mapping[str, Any]) -> Iterator[Advice]:
    copies = figures["duplicates"]
    hint = "One of the labels is wrong, or the picture shows both: mend the label, or leave these images out."
    exact = [each for each in copies["across_labels"] if each["kind"] != NEARLY]
    if exact:
        message = "The same picture has several labels."
        yield Advice(key="duplicates_across_labels", message=message, hint=hint, items=_tell_crossings(exact, "label"))
    near = [each for each in copies["across_labels"] if each["kind"] == NEARLY]
    if near:
        message = "Nearly the same picture has several labels."
        items = _tell_crossings(near, "label")
        yield Advice(key="near_duplicates_across_labels", message=message, hint=hint, items=items)
    if copies["across_groups"]:
        yield Advice(
            key="duplicates_across_groups",
            message="The same picture, or nearly the same, is in several groups.",
            hint="A split by group does not keep them together: give them one group, or leave all but one out.",
            items=_tell_crossings(copies["across_groups"], "group"),
        )
    # What has several labels was told above; to remove one of them blindly would keep the wrong label as often as not.
    told = {image["name"] for each in copies["across_labels"] for image in each["images"]}
    joined = {name for each in copies["same_pixels"] for name in each}
    same = copies["same_pixels"] + [each for each in copies["same_file"] if joined.isdisjoint(each)]
    same = [each for each in same if told.isdisjoint(each)]
    if same:
        number = sum(len(each) - 1 for each in same)
        yield Advice(
            key="duplicates",
            message=f"{number:,} {'image is a copy' if number == 1 else 'images are copies'} of another.",
            hint="Remove the copies: each counts double, and may be in the training and in the test part.",
            items=_tell_clusters(same),
        )
    near = [each for each in copies["near"] if told.isdisjoint(each)]
    if near and not figures["groups"]["count"]:
        images = sum(len(each) for each in near)
        yield Advice(
            key="near_duplicates",
            message=f"{images:,} images are nearly the same as another, in {count(len(near), 'cluster')}.",
            hint="Give each cluster a group in targets.csv, so that a split keeps it together.",
            items=_tell_clusters(near),
        )


def _judge_files(figures: Mapping[str, Any]) -> Iterator[Advice]:
    broken = tuple(f"{each['name']} ({each['reason']})" for each in figures["broken"])
    if broken:
        message = f"{count(len(broken), 'image')} cannot be used."
        yield Advice(
            key="broken",
            message=message,
            hint="Mend them, or take them out; training skips up to 5 % of all images.",
            items=broken,
        )
    for key, what in (
        ("unlabelled", "without a label, not used"),
        ("named_twice", "named twice with the same label, used once"),
    ):
        names = tuple(figures[key])
        if names:
            yield Advice(key=key, message=f"{count(len(names), 'image')} {what}.", items=names)


def _judge_groups(inspection: Inspection, figures: Mapping[str, Any]) -> Iterator[Advice]:
    groups = figures["groups"]
    if groups["suggested_pattern"]:
        yield Advice(
            key="groups_in_names",
            message=f"There are no groups, but the names look like {groups['suggested_form']}: what belongs together "
            "would be trained on and tested on.",
            hint=f"Pass --group-from '{groups['suggested_pattern']}'.",
        )
    if groups["count"] and groups["images_without"]:
        alone = tuple(sample.name for sample in inspection.samples if not sample.group)
        message = f"{count(len(alone), 'image')} without a group, while others have one."
        hint = "Each of them counts as a group of its own."
        yield Advice(key="images_without_group", message=message, hint=hint, items=alone)
    few = [each for each in figures["classes"] if 0 < each["groups"] < MIN_GROUPS]
    folds = suggest_folds(inspection.samples)
    if few:
        yield Advice(
            key="few_groups",
            message="Classes in few groups; the result hangs on which of them is tested.",
            hint=f"Train with --folds {folds}: then each group is tested once."
            if folds
            else "Add images from other groups.",
            items=tuple(f"{each['label']}: {count(each['groups'], 'group')}" for each in few),
        )


def _judge_classes(inspection: Inspection, figures: Mapping[str, Any]) -> Iterator[Advice]:
    classes = figures["classes"]
    small = tuple(f"{each['label']}: {count(each['count'], 'image')}" for each in classes if each["count"] < MIN_CLASS)
    if small:
        message = "Small classes, about which the test will say little."
        folds = suggest_folds(inspection.samples)
        hint = f"Add images, or train with --folds {folds}." if folds else "Add images."
        yield Advice(key="small_classes", message=message, hint=hint, items=small)
    if len(classes) > 1 and classes[0]["count"] > MAX_IMBALANCE * classes[-1]["count"]:
        largest, smallest = classes[0], classes[-1]
        yield Advice(
            key="imbalance",
            message=f"{largest['label']!r} has {largest['count'] / smallest['count']:.0f} times as many images as "
            f"{smallest['label']!r} ({largest['count']:,} and {smallest['count']:,}).",
            hint="Train with --balance sampler, and read the balanced accuracy.",
        )


def _judge_shortcuts(inspection: Inspection) -> Iterator[Advice]:
    """Find what tells the class without a look at the picture: a network learns that first."""
    probes = inspection.probes
    traits: dict[str, Sequence[Hashable]] = {
        "size": [(probe.width, probe.height) for probe in probes],
        "file format": [probe.format for probe in probes],
        "colour mode": [
            (probe.mode, probe.bits, is_grey) for probe, is_grey in zip(probes, are_grey(inspection), strict=True)
        ],
    }
    labels = [sample.label for sample in inspection.samples]
    majority = max(Counter(labels).values(), default=0)
    for name, values in traits.items():
        by_value: defaultdict[Hashable, Counter[str]] = defaultdict(Counter)
        for value, label in zip(values, labels, strict=True):
            by_value[value][label] += 1
        common = [counts for counts in by_value.values() if counts.total() >= _MIN_SHORTCUT_IMAGES]
        hits = sum(max(counts.values()) for counts in common)
        rest = sum((counts for counts in by_value.values() if counts.total() < _MIN_SHORTCUT_IMAGES), Counter())
        right = hits + max(rest.values(), default=0)
        if right - majority > MAX_SHORTCUT * len(labels):
            yield Advice(
                key=f"shortcut_{name.replace(' ', '_')}",
                message=f"The {name} alone tells the class of {right / len(labels):.0%} of the images (the largest "
                f"class has {majority / len(labels):.0%}): a network may learn that, not what they show.",
                hint="Save all images in one way, or be sure that those to be classified differ in the same way.",
            )


def _judge_pictures(inspection: Inspection, figures: Mapping[str, Any]) -> Iterator[Advice]:
    if inspection.samples and inspection.brightest <= MAX_DARK:
        message = f"No value of any image is brighter than {inspection.brightest} of 255."
        hint = "16-bit files that hold 12-bit values look like that: multiply the values by 16 when you export them."
        yield Advice(key="dark", message=message, hint=hint)
    depths = sorted({each["bits"] for each in figures["modes"] if each["bits"] >= _BITS_OF_A_PHOTOGRAPH})
    if len(depths) > 1:
        message = f"Images of {' and of '.join(map(str, depths))} bits are mixed."
        hint = "Be sure that black and white mean the same in all of them; each is scaled by the range of its own bits."
        yield Advice(key="mixed_bits", message=message, hint=hint)
    blank = figures["blank"]
    if blank:
        message = f"{count(len(blank), 'image')} with one colour only."
        hint = "Take them out, or be sure that they mean something."
        yield Advice(key="blank", message=message, hint=hint, items=tuple(blank))
    side = figures["sizes"]["shorter_side"]
    if side and side["min"] < MIN_SIDE:
        message = f"The smallest image has only {count(side['min'], 'pixel')} on its shorter side."
        yield Advice(key="small_images", message=message)
    if figures["several_frames"]:
        message = (
            f"{count(figures['several_frames'], 'file')} with several frames or pages, of which the first is used."
        )
        yield Advice(key="several_frames", message=message)


def _tell_crossings(crossings: Sequence[Mapping[str, Any]], key: str) -> tuple[str, ...]:
    return _tell_clusters(
        [
            # One of each label first: the end of a long line is cut off.
            [f"{image['name']} ({image[key] or f'no {key}'})" for image in _put_distinct_first(each["images"], key)]
            for each in crossings
        ]
    )


def _put_distinct_first(images: Sequence[Mapping[str, Any]], key: str) -> list[Mapping[str, Any]]:
    firsts = {image[key]: k for k, image in reversed(list(enumerate(images)))}
    return sorted(images, key=lambda image: images[firsts[image[key]]] is not image)


def _tell_clusters(clusters: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return a line for each cluster; a hundred frames of a still scene are two names and a number."""
    return tuple(" = ".join(each[:3]) + (f" and {len(each) - 3:,} more" if each[3:] else "") for each in clusters)
