"""What is in a folder more than once: the same file, the same pixels in another file, or nearly the same picture."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from model.data.duplicates import find_near_duplicates, join_pairs
from model.data.images import Pixels
from model.inspection.inspection import Inspection
from model.inspection.probe import digest_pixels
from model.progress import Progress

SAME_FILE, SAME_PIXELS, NEARLY = "same file", "same pixels", "nearly the same"

Cluster = tuple[int, ...]
Link = tuple[int, int]

# Pictures with the same pixels are never further apart, even where one is a JPEG that was decoded at a smaller scale.
_MAX_DISTANCE_OF_SAME_PIXELS = 1


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Images that are one picture and should have one label, or be in one group; kind says how alike they are."""

    images: Cluster
    kind: str


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Clusters of positions in an inspection's samples, the largest first.

    1. `same_file` has the same bytes; `same_pixels` is equal once decoded, and at least two of its files differ; `near`
       holds a pair at least that is only nearly the same, and all that is joined to it.
    2. `across_labels` and `across_groups` are what of these crosses between labels or groups, the surest first.
    """

    same_file: tuple[Cluster, ...]
    same_pixels: tuple[Cluster, ...]
    near: tuple[Cluster, ...]
    across_labels: tuple[Crossing, ...]
    across_groups: tuple[Crossing, ...]


def find_copies(inspection: Inspection) -> Copies:
    """Find what is there more than once."""
    of_files = _link_equal((probe.digest or k, k) for k, probe in enumerate(inspection.probes))
    copies = {second for _, second in of_files}
    originals = [k for k in range(len(inspection.samples)) if k not in copies]
    fingerprints = inspection.fingerprints[originals] if copies else inspection.fingerprints
    with Progress(len(originals), "comparison") as progress:
        found = find_near_duplicates(fingerprints, progress=progress.advance)
    near = [(originals[i], originals[j], distance) for i, j, distance in found]
    of_pixels = _link_same_pixels(inspection, originals, near)
    files, exact = join_pairs(of_files), join_pairs([*of_files, *of_pixels])
    clusters = join_pairs([*of_files, *of_pixels, *((i, j) for i, j, _ in near)])
    same_pixels = tuple(cluster for cluster in exact if cluster not in set(files))
    crossing = _Crossings(inspection.fingerprints, files=files, pixels=same_pixels, clusters=clusters)
    return Copies(
        same_file=files,
        same_pixels=same_pixels,
        near=tuple(cluster for cluster in clusters if cluster not in set(exact)),
        across_labels=crossing.find([sample.label for sample in inspection.samples]),
        across_groups=crossing.find(_name_groups(inspection)),
    )


def _link_equal(keyed: Iterable[tuple[Hashable, int]]) -> list[Link]:
    """Return a link from the first position that has a key to each further one."""
    first: dict[Hashable, int] = {}
    links = []
    for key, position in keyed:
        known = first.setdefault(key, position)
        if known != position:
            links.append((known, position))
    return links


def _link_same_pixels(
    inspection: Inspection, originals: Sequence[int], near: Sequence[tuple[int, int, int]]
) -> list[Link]:
    """Decode whole only what may be equal: pictures of one size that are all but the same by their fingerprints."""
    sizes = [(probe.width, probe.height) for probe in inspection.probes]
    # What is smooth is never near; its fingerprint tells when it is the same.
    alike = _link_equal(((sizes[k], inspection.fingerprints[k].tobytes()), k) for k in originals)
    alike += [(i, j) for i, j, distance in near if distance <= _MAX_DISTANCE_OF_SAME_PIXELS and sizes[i] == sizes[j]]
    places = sorted({k for link in alike for k in link})
    with Progress(len(places), "candidate") as progress:
        digests = digest_pixels([inspection.samples[k].path for k in places], progress=progress.advance)
    return _link_equal(zip(digests, places, strict=True))


def _name_groups(inspection: Inspection) -> list[str]:
    """Return each image's group; where others have one, an image without is a group of its own, as in the split."""
    has_groups = any(sample.group for sample in inspection.samples)
    return [sample.group or (f"image {sample.name}" if has_groups else "") for sample in inspection.samples]


class _Crossings:
    """Finds what of the clusters crosses a border."""

    def __init__(
        self,
        fingerprints: Pixels,
        *,
        files: Sequence[Cluster],
        pixels: Sequence[Cluster],
        clusters: Sequence[Cluster],
    ) -> None:
        self._fingerprints = fingerprints
        self._exact = {SAME_FILE: files, SAME_PIXELS: pixels}
        self._clusters = clusters
        self._picture_of = {k: cluster for cluster in (*files, *pixels) for k in cluster}

    def find(self, keys: Sequence[str]) -> tuple[Crossing, ...]:
        """Return what crosses between keys; a key of "" crosses with nothing.

        A cluster is a chain whose ends may be unlike, so pairs are looked for once more, across keys only.
        """
        crossings = [
            Crossing(images=tuple(mixed), kind=kind)
            for kind, clusters in self._exact.items()
            for mixed in (_select_mixed(cluster, keys) for cluster in clusters)
            if mixed
        ]
        members = sorted(k for cluster in self._clusters for k in _select_mixed(cluster, keys))
        numbers = {key: number for number, key in enumerate(sorted(set(keys)))}
        found = find_near_duplicates(self._fingerprints[members], parts=[numbers[keys[k]] for k in members])
        links = [(members[i], members[j]) for i, j, _ in found]
        near = join_pairs(link for link in links if not self._is_one_picture(*link))
        return (*crossings, *(Crossing(images=images, kind=NEARLY) for images in near))

    def _is_one_picture(self, first: int, second: int) -> bool:
        return second in self._picture_of.get(first, ())


def _select_mixed(cluster: Cluster, keys: Sequence[str]) -> list[int]:
    """Return the members that have a key, where they have several, else none."""
    keyed = [k for k in cluster if keys[k]]
    return keyed if len({keys[k] for k in keyed}) > 1 else []
