"""The synthetic set is labelled, grouped, the same for a seed, and its two classes differ by the creature only."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image", reason="the `model` extra is not installed")


def test_draw_set_writes_frames_and_targets_that_agree(tmp_path: Path) -> None:
    from tools.draw_seafloor import LABELS, draw_set

    count = draw_set(tmp_path, dives=2, frames=6)

    rows = list(csv.DictReader((tmp_path / "targets.csv").read_text().splitlines()))
    assert count == len(rows) == 12
    assert sorted(row["filename"] for row in rows) == sorted(path.name for path in (tmp_path / "images").iterdir())
    assert {row["label"] for row in rows} == set(LABELS)
    assert {row["group"] for row in rows} == {"dive01", "dive02"}
    for row in rows:
        with Image.open(tmp_path / "images" / row["filename"]) as picture:
            assert (picture.format, picture.size, picture.mode) == ("JPEG", (320, 240), "RGB")


def test_draw_set_is_the_same_for_a_seed(tmp_path: Path) -> None:
    from tools.draw_seafloor import draw_set

    digests = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        draw_set(tmp_path / name, dives=1, frames=2, seed=seed)
        content = b"".join(path.read_bytes() for path in sorted((tmp_path / name / "images").iterdir()))
        digests.append(hashlib.sha256(content).hexdigest())

    assert digests[0] == digests[1] != digests[2]


def test_draw_frame_shows_a_creature_only_when_asked() -> None:
    from tools.draw_seafloor import Scene

    def colours(*, with_creature: bool) -> float:
        """Measure how far the most coloured half per cent of the pixels is from the sediment's hue."""
        spreads = []
        for seed in range(8):
            rng = np.random.default_rng(seed)
            frame = np.asarray(Scene(rng).draw_frame(rng, with_creature=with_creature), float)
            hue = (frame[..., 0] - frame[..., 2]) / frame.sum(axis=2)
            spreads.append(float(np.percentile(np.abs(hue - np.median(hue)), 99.5)))
        return float(np.median(spreads))

    assert colours(with_creature=True) > 1.5 * colours(with_creature=False)
