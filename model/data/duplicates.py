"""Pictures that are nearly the same: saved again, shrunk, brightened, mirrored, turned, or the next of a still scene.

A difference hash, the usual way, takes hundreds of chest X-rays of different patients for copies, because all chests
are light and dark in the same places, and it takes any two smooth pictures for copies. Here two pictures are near when
the fine structure of their thumbnails correlates: what a coarse view shares is left out, what is smooth is never near.
Measured on three sets (X-rays, photographs of waste, dark underwater tiles; 4,800,000 pairs, 2026-11): no pair of
different patients, things or places was taken for near; fifteen pairs of waste photographed twice were, all rightly.
Of 300 copies in each set, saved as JPEG at quality 50, shrunk to half or brightened by 15 %, all X-rays were found,
99 % of the waste and 95 % of the tiles (the rest is too smooth); of those cut by 2 % at each side, three in four.

Each picture is compared in all eight positions that a mirror and quarter turns give: a change of signs and places of
its cosine transform. The first look takes what does not change with them. No chest is taken for another one mirrored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.data.images import Pixels

Vectors = NDArray[np.float32]

# Side of the thumbnail; at 32 the noise of a JPEG weighs more than what it adds.
SIDE = 16

# Correlation of the fine structure, and of the whole thumbnail, from which on two pictures are near duplicates.
MIN_CORRELATION = 0.94
MIN_WHOLE_CORRELATION = 0.9

# Grey levels (of 255) of fine structure below which a picture is smooth: fog, black water, a white page.
MIN_STRUCTURE = 1.0

# How much the mean of a colour may differ, brightness aside, and how much the brightness; in levels of 255.
MAX_COLOUR_SHIFT = 24.0
MAX_BRIGHTNESS_SHIFT = 64.0

# A first look compares the coarsest numbers, up to this frequency. Of 6,600 copies of the three sets, saved again at
# half the size and with noise up to MIN_CORRELATION, more than 99 in 100 were above this there (2026-11).
FIRST_LOOK_FREQUENCY = 9.4
MIN_FIRST_LOOK = 0.82

# Of each picture only so many of the nearest are looked at twice: 500 frames of a still scene are no 125,000 pairs.
NEIGHBOURS = 16

# Products of 64 x 64 x 64 stay below the size at which OpenBLAS starts threads, which wait for each other by spinning:
# on two busy cores that was eight times slower (5 against 0.6 seconds for 20,000 pictures, 2026-11).
_TILE = 64
_TILES_AT_ONCE = 64


def make_thumbnail(image: Pixels, side: int) -> Pixels:
    """Return the means (side, side, RGB) of the parts of an image (H, W, RGB)."""
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BOX))


def fingerprint(image: Pixels) -> Pixels:
    """Return what `find_near_duplicates` compares: a thumbnail (16, 16, RGB) of an image (H, W, RGB), H and W >= 32."""
    return make_thumbnail(image, SIDE)


def find_near_duplicates(
    fingerprints: Pixels,
    *,
    parts: Sequence[int] | NDArray[np.int_] | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[tuple[int, int, int], ...]:
    """Return pairs (i, j, distance), i < j, the nearest first; distance is 0 to 6 hundredths off full correlation.

    `fingerprints` is (N, 16, 16, RGB). With `parts`, one number for each image, only pairs across parts are returned.
    `progress` is called with how many more images have been compared with all others.

    1. An image that has near duplicates is in at least one pair, and has at most NEIGHBOURS pairs of its own.
    2. Smooth pictures are in none: two frames of black water are alike in nothing that could be compared.
    """
    views = _FirstLook(fingerprints, None if parts is None else np.asarray(parts))
    pairs: dict[tuple[int, int], int] = {}
    for k, candidates in enumerate(views.find_candidates()):
        for first, second, correlation in _look_again(fingerprints, candidates):
            pairs[first, second] = round(100 * (1 - correlation))
        if progress:
            progress(min(_TILE, len(fingerprints) - k * _TILE))
    return tuple(sorted(((*pair, distance) for pair, distance in pairs.items()), key=lambda pair: (pair[2], pair[:2])))


def join_pairs(pairs: Iterable[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """Return the clusters that pairs make, each sorted, the largest first."""
    above: dict[int, int] = {}

    def find_root(position: int) -> int:
        while above.setdefault(position, position) != position:
            above[position] = above[above[position]]
            position = above[position]
        return position

    for first, second in pairs:
        above[find_root(second)] = find_root(first)
    clusters: defaultdict[int, list[int]] = defaultdict(list)
    for position in sorted(above):
        clusters[find_root(position)].append(position)
    return tuple(sorted((tuple(cluster) for cluster in clusters.values()), key=lambda each: (-len(each), each)))


class _FirstLook:
    """All pictures against all, by some 60 numbers each."""

    def __init__(self, fingerprints: Pixels, parts: NDArray[np.int_] | None) -> None:
        self._parts = parts
        self._count = len(fingerprints)
        # A tile is (numbers, pictures), as the columns of a product are needed; its transpose are the rows. Half
        # precision, for there may be 100,000 pictures: a correlation of 0.82 is right to a thousandth.
        self._tiles = np.zeros((-(-self._count // _TILE), 2 * len(_UPPER), _TILE), dtype=np.float16)
        for number, tile in enumerate(self._tiles):
            rows = _forget_position(_describe(fingerprints[number * _TILE : (number + 1) * _TILE]).fine)
            tile[:, : len(rows)] = rows.T

    def find_candidates(self) -> Iterator[NDArray[np.intp]]:
        """Yield (K, 2) positions i < j that may be near, for each tile of rows; a pair may come twice."""
        for number in range(len(self._tiles)):
            found = [self._compare(number, tile) for tile in range(0, len(self._tiles), _TILES_AT_ONCE)]
            rows, columns, scores = (np.concatenate(each) for each in zip(*found, strict=True))
            order = np.lexsort((columns, -scores, rows))
            rows, columns = rows[order], columns[order]
            # The rank within the row: the place in the list less the place where the row begins.
            rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
            pairs = np.stack([rows, columns], axis=1)[rank < NEIGHBOURS]
            yield np.unique(np.sort(pairs, axis=1), axis=0)

    def _compare(self, number: int, tile: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Vectors]:
        """Return (rows, columns, scores) of a tile of rows against many of columns, at most NEIGHBOURS a row."""
        start = number * _TILE
        rows = np.ascontiguousarray(self._tiles[number].T, dtype=np.float32)
        products = np.matmul(rows, self._tiles[tile : tile + _TILES_AT_ONCE].astype(np.float32))
        if products.max() < MIN_FIRST_LOOK:
            return np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.float32)
        scores = products.transpose(1, 0, 2).reshape(_TILE, -1)
        first = tile * _TILE
        if start in range(first, first + scores.shape[1]):
            np.fill_diagonal(scores[:, start - first :], 0.0)
        if self._parts is not None:
            here, there = self._parts[start : start + _TILE], self._parts[first : first + scores.shape[1]]
            scores[: len(here), : len(there)][here[:, None] == there[None, :]] = 0.0
        near = scores >= MIN_FIRST_LOOK
        crowded = np.flatnonzero(near.sum(axis=1) > NEIGHBOURS)
        if len(crowded):
            best = np.argpartition(scores[crowded], -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
            near[crowded] = False
            near[crowded[:, None], best] = True
        across, down = np.nonzero(near)
        return across + start, down + first, scores[across, down]


@dataclass(frozen=True, kw_only=True)
class _Description:
    """Cosine transforms (N, numbers), coarse ones first, as vectors of length 1, and mean colours (N, RGB)."""

    fine: Vectors
    whole: Vectors
    colour: Vectors


def _look_again(fingerprints: Pixels, pairs: NDArray[np.intp]) -> Iterator[tuple[int, int, float]]:
    """Yield (i, j, correlation) of the pairs that are near by everything that is known of them."""
    if not len(pairs):
        return
    places, where = np.unique(pairs, return_inverse=True)
    seen = _describe(fingerprints[places])
    i, j = where.reshape(pairs.shape).T
    nearest = np.zeros(len(pairs), dtype=np.float32)
    for position in _POSITIONS:
        fine = (seen.fine[i] * position.take(seen.fine)[j]).sum(axis=1)
        whole = (seen.whole[i] * position.take(seen.whole)[j]).sum(axis=1)
        is_alike = (fine >= MIN_CORRELATION) & (whole >= MIN_WHOLE_CORRELATION)
        nearest = np.maximum(nearest, np.where(is_alike, fine, 0.0))
    shift = seen.colour[i] - seen.colour[j]
    brightness = shift.mean(axis=1)
    colour = np.abs(shift - brightness[:, None]).max(axis=1)
    is_near = (nearest > 0.0) & (colour <= MAX_COLOUR_SHIFT) & (np.abs(brightness) <= MAX_BRIGHTNESS_SHIFT)
    for k in np.flatnonzero(is_near):
        yield int(pairs[k, 0]), int(pairs[k, 1]), float(nearest[k])


def _describe(fingerprints: Pixels) -> _Description:
    """Return the fine structure and the whole of pictures; what is left out of either is zero."""
    colours = fingerprints.astype(np.float32)
    grey = colours @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    # Cosine transform, the coarsest first: the first is the brightness, the next few are the lie of light and dark
    # that all pictures of one kind share. The finer, the fainter: each weighs as its frequency to make up for it.
    numbers = np.matmul(_COSINES @ grey, _COSINES.T, dtype=np.float32).reshape(len(grey), -1)[:, _ORDER]
    numbers[:, 0] = 0.0
    fine = numbers * _FREQUENCIES * ~_IS_COARSE
    is_smooth = np.linalg.norm(numbers[:, ~_IS_COARSE], axis=1) < MIN_STRUCTURE * SIDE
    fine[is_smooth] = 0.0
    return _Description(fine=_normalize(fine), whole=_normalize(numbers), colour=colours.mean(axis=(1, 2)))


def _forget_position(fine: Vectors) -> Vectors:
    """Return vectors of length 1 that mirrors and quarter turns, which change signs and swap partners, leave alone."""
    upper, lower = np.abs(fine[:, _UPPER]), np.abs(fine[:, _LOWER])
    kinds = (upper + lower, np.abs(upper - lower))
    # None of these is negative: without their mean, which all pictures share, they tell more.
    return _normalize(np.concatenate([kind - kind.mean(axis=1, keepdims=True) for kind in kinds], axis=1))


@dataclass(frozen=True, kw_only=True)
class _Position:
    """One of the eight ways to lay a picture: where each number of its transform comes from, and with what sign."""

    places: NDArray[np.intp]
    signs: Vectors

    def take(self, transforms: Vectors) -> Vectors:
        """Return the transforms of the pictures that are laid this way."""
        turned: Vectors = transforms[:, self.places] * self.signs
        return turned


def _normalize(vectors: Vectors) -> Vectors:
    lengths: Vectors = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, np.maximum(lengths, 1e-6), dtype=np.float32)


def _make_cosines() -> Vectors:
    """Return the orthonormal matrix of the discrete cosine transform (type II)."""
    steps = np.arange(SIDE)
    cosines = np.cos(np.pi * (2 * steps[None, :] + 1) * steps[:, None] / (2 * SIDE)) * np.sqrt(2 / SIDE)
    cosines[0] /= np.sqrt(2)
    return np.asarray(cosines, dtype=np.float32)


def _list_positions() -> list[_Position]:
    """Return the eight positions: as it is or with rows for columns, each mirrored in neither, one or both of them."""
    positions = []
    for places, rows, columns in ((np.arange(len(_ORDER)), _ROW, _COLUMN), (_PARTNER, _COLUMN, _ROW)):
        for down, across in product((1.0, -1.0), repeat=2):
            signs = np.asarray(down**rows * across**columns, dtype=np.float32)
            positions.append(_Position(places=places, signs=signs))
    return positions


_COSINES = _make_cosines()
_RADIUS = np.hypot(*np.mgrid[:SIDE, :SIDE]).ravel()
# Numbers of the transform by their frequency, up to that of the finest stripes; and the row and column of each.
_ORDER = np.argsort(_RADIUS, kind="stable")[: int((_RADIUS < SIDE).sum())]
_ROW, _COLUMN = np.divmod(_ORDER, SIDE)
_FREQUENCIES: Vectors = _RADIUS[_ORDER].astype(np.float32)
_IS_COARSE = _FREQUENCIES < 2.5
# Where the number is that a picture with rows for columns has in the place of this one.
_PARTNER = np.argsort(_ORDER)[np.searchsorted(np.sort(_ORDER), _COLUMN * SIDE + _ROW)]
_UPPER = np.flatnonzero((_ROW < _COLUMN) & ~_IS_COARSE & (_FREQUENCIES < FIRST_LOOK_FREQUENCY))
_LOWER = _PARTNER[_UPPER]
_POSITIONS = _list_positions()
