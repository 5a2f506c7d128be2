"""The figures of an inspected folder: counts, shares and ranges, as a dictionary for programs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.grouping import suggest_groups
from model.inspection.copies import Copies, Crossing
from model.inspection.inspection import Inspection
from model.inspection.probe import Probe

# Between the lightest and the darkest place of a thumbnail (of 255): with no more a picture shows nothing.
_MAX_BLANK = 4

# How far the colours of a thumbnail may be from grey: what JPEG does to a grey picture that is saved in colour.
_MAX_CHROMA = 3


def describe_inspection(inspection: Inspection, copies: Copies) -> dict[str, Any]:
    """Return all that is known of a folder, ready for JSON; names are those of the images, never cut short.

    - `folder`, `labels_from` ("" where there are none), `images` (readable), `bytes`
    - `classes`: `label`, `count`, `share`, `groups` of each, the largest first; [] without labels
    - `sizes`: `distinct`, `width`, `height`, `shorter_side` (`min`, `median`, `max`), `most_common`; as shown upright
    - `aspect_ratios`: `min`, `median`, `max` of width by height
    - `modes`: `mode` (Pillow's), `bits` of a channel, `count`; `formats`: `format`, `count`
    - `turned_by_exif`, `several_frames`, `wrong_suffix`, `grey_saved_in_colour`: counts; `blank`: names
    - `broken`: `name`, `reason` of each image or row that cannot be used; `rows_without_image`: how many of these
    - `unlabelled`, `named_twice`: names
    - `duplicates`: `same_file`, `same_pixels`, `near`: lists of clusters of names, as in Copies; `across_labels`,
      `across_groups`: `kind`, `images` (`name`, `label`, `group`)
    - `groups`: `count`, `images_without`, `images_in_a_group` (`min`, `median`, `max`), `several_labels` (`group`,
      `labels`), `suggested_pattern` ("" where there are groups or the names tell of none), `suggested_form`
    """
    samples = inspection.samples
    probes = [probe for probe in inspection.probes if probe.format]
    modes = Counter((probe.mode, probe.bits) for probe in probes)
    return {
        "folder": str(inspection.folder),
        "labels_from": inspection.source,
        "images": len(samples),
        "bytes": sum(probe.size_bytes for probe in probes),
        "classes": _describe_classes(inspection),
        "sizes": _describe_sizes(probes),
        "aspect_ratios": _describe_range([probe.width / probe.height for probe in probes]),
        "modes": [{"mode": mode, "bits": bits, "count": n} for (mode, bits), n in modes.most_common()],
        "formats": [
            {"format": name, "count": n} for name, n in Counter(probe.format for probe in probes).most_common()
        ],
        "turned_by_exif": sum(probe.is_turned for probe in probes),
        "several_frames": sum(probe.frames > 1 for probe in probes),
        "wrong_suffix": sum(probe.is_suffix_wrong for probe in probes),
        "grey_saved_in_colour": sum(
            probe.mode == "RGB" and is_grey
            for probe, is_grey in zip(inspection.probes, are_grey(inspection), strict=True)
        ),
        "blank": [sample.name for sample, is_blank in zip(samples, _are_blank(inspection), strict=True) if is_blank],
        "broken": [{"name": file.name, "reason": file.reason} for file in inspection.bad],
        "rows_without_image": sum(file.reason == "does not exist" for file in inspection.bad),
        "unlabelled": list(inspection.unlabelled),
        "named_twice": list(inspection.named_twice),
        "duplicates": _describe_copies(inspection, copies),
        "groups": _describe_groups(inspection),
    }


def are_grey(inspection: Inspection) -> list[bool]:
    """Say of each image whether it shows no colour."""
    chroma: NDArray[np.uint8] = np.ptp(inspection.fingerprints, axis=-1)
    return [bool(most <= _MAX_CHROMA) for most in chroma.max(axis=(1, 2))]


def _are_blank(inspection: Inspection) -> list[bool]:
    contrast: NDArray[np.uint8] = np.ptp(inspection.fingerprints, axis=(1, 2))
    return [bool(most <= _MAX_BLANK) for most in contrast.max(axis=-1)]


def _describe_classes(inspection: Inspection) -> list[dict[str, Any]]:
    if not inspection.source:
        return []
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for sample in inspection.samples:
        groups[sample.label].update([sample.group] if sample.group else [])
    counts = Counter(sample.label for sample in inspection.samples)
    return [
        {"label": label, "count": n, "share": n / len(inspection.samples), "groups": len(groups[label])}
        for label, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _describe_sizes(probes: Sequence[Probe]) -> dict[str, Any]:
    sizes = Counter((probe.width, probe.height) for probe in probes)
    return {
        "distinct": len(sizes),
        "width": _describe_range([probe.width for probe in probes]),
        "height": _describe_range([probe.height for probe in probes]),
        "shorter_side": _describe_range([min(probe.width, probe.height) for probe in probes]),
        "most_common": [{"width": w, "height": h, "count": n} for (w, h), n in sizes.most_common(10)],
    }


def _describe_range(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    ordered = sorted(values)
    return {"min": ordered[0], "median": ordered[len(ordered) // 2], "max": ordered[-1]}


def _describe_copies(inspection: Inspection, copies: Copies) -> dict[str, Any]:
    def name(clusters: Iterable[tuple[int, ...]]) -> list[list[str]]:
        return [[inspection.samples[k].name for k in cluster] for cluster in clusters]

    def describe(crossings: Iterable[Crossing]) -> list[dict[str, Any]]:
        return [
            {
                "kind": crossing.kind,
                "images": [
                    {"name": sample.name, "label": sample.label, "group": sample.group}
                    for sample in (inspection.samples[k] for k in crossing.images)
                ],
            }
            for crossing in crossings
        ]

    return {
        "same_file": name(copies.same_file),
        "same_pixels": name(copies.same_pixels),
        "near": name(copies.near),
        "across_labels": describe(copies.across_labels),
        "across_groups": describe(copies.across_groups),
    }


def _describe_groups(inspection: Inspection) -> dict[str, Any]:
    labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sample in inspection.samples:
        if sample.group:
            labels[sample.group][sample.label] += 1
    suggestion = None if labels else suggest_groups([sample.name for sample in inspection.samples])
    return {
        "count": len(labels),
        "images_without": sum(not sample.group for sample in inspection.samples),
        "images_in_a_group": _describe_range([counts.total() for counts in labels.values()]),
        "several_labels": [
            {"group": group, "labels": dict(counts)} for group, counts in sorted(labels.items()) if len(counts) > 1
        ],
        "suggested_pattern": suggestion.pattern if suggestion else "",
        "suggested_form": suggestion.form if suggestion else "",
    }
