#!/usr/bin/env python3
"""Draw a small labelled set of seafloor-like frames: `interesting` ones show a creature, the others none.

The pictures are synthetic. They stand in for what a towed camera brings home: sediment, stones, marine snow, a cone of
light that does not reach the corners. Frames of one dive look alike, so a dive is a group.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 320, 240
SCALE = 2  # shapes are drawn this much larger and shrunk, for smooth edges
DIVES, FRAMES_PER_DIVE = 12, 20
LABELS = ("interesting", "not_interesting")
SEDIMENTS = ((128, 122, 104), (104, 116, 118), (142, 128, 108), (96, 110, 106))  # RGB under white light
WATERS = ((10, 34, 46), (8, 42, 44), (14, 28, 44))
CREATURE_COLOURS = ((206, 96, 62), (208, 152, 78), (178, 76, 92), (216, 198, 170), (150, 96, 130))

Array = np.ndarray[Any, np.dtype[np.float32]]
Point = tuple[float, float]


def main() -> None:
    """Draw the set into a folder: images/ and targets.csv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where images/ and targets.csv are written")
    parser.add_argument("--dives", type=int, default=DIVES)
    parser.add_argument("--frames", type=int, default=FRAMES_PER_DIVE, help="frames of each dive")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    count = draw_set(options.folder, dives=options.dives, frames=options.frames, seed=options.seed)
    print(f"{count} synthetic frames in {options.folder}")


def draw_set(folder: Path, *, dives: int = DIVES, frames: int = FRAMES_PER_DIVE, seed: int = 7) -> int:
    """Write images/ and targets.csv (`filename,label,group`) and return the number of frames."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    with (folder / "targets.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["filename", "label", "group"])
        for dive in range(1, dives + 1):
            rng = np.random.default_rng([seed, dive])
            scene = Scene(rng)
            for frame in range(1, frames + 1):
                label = LABELS[int(rng.random() < 0.55)]
                name = f"dive{dive:02d}_{frame:04d}.jpg"
                picture = scene.draw_frame(rng, with_creature=label == LABELS[0])
                picture.save(folder / "images" / name, quality=85)
                table.writerow([name, label, f"dive{dive:02d}"])
    return dives * frames


class Scene:
    """What the frames of one dive share: sediment, water, light and how rough the ground is."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.sediment = np.array(SEDIMENTS[rng.integers(len(SEDIMENTS))], np.float32) * rng.uniform(0.85, 1.1)
        self.water = np.array(WATERS[rng.integers(len(WATERS))], np.float32)
        self.roughness = rng.uniform(0.12, 0.3)
        self.ripples = rng.uniform(0.0, 0.1)
        self.stones = int(rng.integers(0, 5))
        self.snow = int(rng.integers(15, 70))
        self.light = (rng.uniform(0.42, 0.58), rng.uniform(0.5, 0.68))

    def draw_frame(self, rng: np.random.Generator, *, with_creature: bool) -> Image.Image:
        """Draw one frame: ground, stones, perhaps a creature, then light, water and snow over all of it."""
        ground = self.sediment * (1 + _relief(rng, self.roughness, self.ripples)[..., None])
        picture = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8)).resize((WIDTH * SCALE, HEIGHT * SCALE))
        for _ in range(rng.poisson(self.stones)):
            _stone(picture, rng, self.sediment)
        if with_creature:
            draw = CREATURES[rng.integers(len(CREATURES))]
            draw(picture, rng)
        picture = picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        lit = self._light(np.asarray(picture, np.float32), rng)
        lit = _marine_snow(lit, rng, self.snow)
        lit = lit + rng.normal(0, 3.0, lit.shape)
        return Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))

    def _light(self, picture: Array, rng: np.random.Generator) -> Array:
        """Light the frame from the vehicle: a bright cone, dark corners, and red lost in the water."""
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
        centre_x, centre_y = self.light[0] + rng.normal(0, 0.03), self.light[1] + rng.normal(0, 0.03)
        distance = np.hypot((x / WIDTH - centre_x) * 1.25, y / HEIGHT - centre_y)
        cone = (np.exp(-((distance / 0.52) ** 2)) * rng.uniform(0.95, 1.15))[..., None]
        attenuation = np.array([0.82, 1.0, 0.98], np.float32)
        lit: Array = picture * attenuation * (0.12 + 0.98 * cone) + self.water * (1.15 - 0.6 * cone)
        return lit


def _relief(rng: np.random.Generator, roughness: float, ripples: float) -> Array:
    """Return brightness changes of the ground about 0: noise of several sizes, and ripple marks."""
    relief = np.zeros((HEIGHT, WIDTH), np.float32)
    for cells, weight in ((4, 0.5), (10, 0.3), (28, 0.22), (80, 0.2), (160, 0.16)):
        relief += weight * _noise(rng, cells)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    angle, warp = rng.uniform(0, math.pi), 14 * _noise(rng, 5)
    waves = np.sin((x * math.cos(angle) + y * math.sin(angle) + warp) / rng.uniform(5, 9))
    result: Array = roughness * relief + ripples * waves.astype(np.float32)
    return result


def _noise(rng: np.random.Generator, cells: int) -> Array:
    small = rng.normal(0, 1, (max(cells * 3 // 4, 2), cells)).astype(np.float32)
    return np.asarray(Image.fromarray(small).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float32)


def _marine_snow(picture: Array, rng: np.random.Generator, flakes: int) -> Array:
    """Add drifting particles between camera and ground: the nearer, the larger and the more blurred."""
    for radius, share, blur in ((1.0, 0.7, 0.5), (2.0, 0.25, 1.4), (4.5, 0.05, 3.0)):
        layer = Image.new("L", (WIDTH, HEIGHT))
        pen = ImageDraw.Draw(layer)
        for _ in range(rng.poisson(flakes * share)):
            at = (rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT))
            size, glow = radius * rng.uniform(0.5, 1.2), int(rng.uniform(90, 220))
            pen.ellipse([at[0] - size, at[1] - size, at[0] + size, at[1] + size], fill=glow)
        glowing = np.asarray(layer.filter(ImageFilter.GaussianBlur(blur)), np.float32)
        picture = picture + glowing[..., None] * np.array([0.6, 0.7, 0.68], np.float32)
    return picture


def _stone(picture: Image.Image, rng: np.random.Generator, sediment: Array) -> None:
    radius = rng.uniform(4, 15) * SCALE
    x, y = rng.uniform(0, WIDTH) * SCALE, rng.uniform(0, HEIGHT) * SCALE
    steps = np.linspace(0, 2 * math.pi, 14, endpoint=False)
    outline = [
        (x + radius * rng.uniform(0.75, 1.1) * math.cos(t), y + radius * rng.uniform(0.5, 0.75) * math.sin(t))
        for t in steps
    ]
    shade = sediment * rng.uniform(0.4, 0.65)
    _paint(picture, rng, lambda pen: pen.polygon(outline, fill=_colour(shade)), lift=3)


def _sea_star(picture: Image.Image, rng: np.random.Generator) -> None:
    """A sea star: five tapering arms, paler along their middle."""
    x, y, radius = _place(rng, 28, 52)
    colour, turn = _creature_colour(rng), rng.uniform(0, math.pi)
    bends = [rng.normal(0, 0.16) for _ in range(5)]

    def arm(pen: ImageDraw.ImageDraw, angle: float, bend: float, width: float, shade: tuple[int, int, int]) -> None:
        for step in np.linspace(0, 1, 26):
            at = angle + bend * step * step
            reach, thick = radius * step, width * radius * (1 - 0.78 * step)
            _disc(pen, (x + reach * math.cos(at), y + 0.8 * reach * math.sin(at)), thick, shade)

    def shape(pen: ImageDraw.ImageDraw) -> None:
        for width, tint in ((0.25, 0.8), (0.17, 1.0), (0.06, 1.2)):
            for number, bend in enumerate(bends):
                arm(pen, turn + number * 2 * math.pi / 5, bend, width, _colour(colour * tint))

    _paint(picture, rng, shape, lift=4)


def _fish(picture: Image.Image, rng: np.random.Generator) -> None:
    """A fish from the side: tapered body, tail fin, back fin, eye, bands."""
    x, y, length = _place(rng, 36, 66)
    colour, turn = _creature_colour(rng) * 0.9, rng.normal(0, 0.35) + (math.pi if rng.random() < 0.5 else 0)
    curve, bands = rng.normal(0, 0.12), rng.random() < 0.5

    def at(along: float, across: float) -> Point:
        across += curve * math.sin(along * math.pi)
        return (
            x + length * (along * math.cos(turn) - across * math.sin(turn)),
            y + length * (along * math.sin(turn) + across * math.cos(turn)),
        )

    def half_height(along: float) -> float:
        return 0.27 * math.sqrt(max(0.0, 1 - (along / 0.62) ** 2)) * (1 - 0.35 * along)

    def shape(pen: ImageDraw.ImageDraw) -> None:
        tail = [at(0.5, 0.0), at(0.95, -0.26), at(0.82, 0.0), at(0.95, 0.26)]
        fin = [at(-0.2, -0.2), at(0.15, -0.4), at(0.35, -0.12)]
        pen.polygon(tail, fill=_colour(colour * 0.75))
        pen.polygon(fin, fill=_colour(colour * 0.75))
        steps = np.linspace(-0.62, 0.6, 30)
        for tint, share in ((0.85, 1.0), (1.05, 0.72), (1.25, 0.4)):
            upper = [at(step, -share * half_height(step)) for step in steps]
            lower = [at(step, (0.75 * share + 0.1) * half_height(step)) for step in steps[::-1]]
            pen.polygon(upper + lower, fill=_colour(colour * tint))
        for band in (-0.15, 0.08, 0.3) if bands else ():
            ends = [at(band, -0.9 * half_height(band)), at(band + 0.04, 0.6 * half_height(band))]
            pen.line(ends, fill=_colour(colour * 0.55), width=int(0.06 * length) + 1)
        _disc(pen, at(-0.42, -0.05), 0.05 * length, (235, 230, 215))
        _disc(pen, at(-0.42, -0.05), 0.03 * length, (18, 20, 24))

    _paint(picture, rng, shape, lift=14)


def _anemone(picture: Image.Image, rng: np.random.Generator) -> None:
    """An anemone from above: a disc within two wreaths of thin, waving tentacles."""
    x, y, radius = _place(rng, 24, 46)
    colour = _creature_colour(rng)
    count = int(rng.integers(26, 40))
    waves = rng.normal(0, 0.3, (2, count))

    def shape(pen: ImageDraw.ImageDraw) -> None:
        for wreath, (reach, tint) in enumerate(((1.0, 0.85), (0.72, 1.15))):
            for number in range(count):
                angle = (number + 0.5 * wreath) * 2 * math.pi / count
                for step in np.linspace(0.2, reach, 18):
                    bent = angle + waves[wreath, number] * step**2
                    centre = (x + radius * step * math.cos(bent), y + 0.8 * radius * step * math.sin(bent))
                    _disc(pen, centre, 0.055 * radius * (1.25 - step), _colour(colour * tint))
        _disc(pen, (x, y), 0.26 * radius, _colour(colour * 0.7))
        _disc(pen, (x, y), 0.1 * radius, _colour(colour * 0.4))

    _paint(picture, rng, shape, lift=5)


CREATURES: tuple[Callable[[Image.Image, np.random.Generator], None], ...] = (_sea_star, _fish, _anemone)


def _place(rng: np.random.Generator, smallest: float, largest: float) -> tuple[float, float, float]:
    """Return x, y and size in drawing units, where the light reaches."""
    return (
        rng.uniform(0.18, 0.82) * WIDTH * SCALE,
        rng.uniform(0.3, 0.85) * HEIGHT * SCALE,
        rng.uniform(smallest, largest) * SCALE,
    )


def _paint(
    picture: Image.Image, rng: np.random.Generator, shape: Callable[[ImageDraw.ImageDraw], None], *, lift: float
) -> None:
    """Draw a shape with its shadow, `lift` pixels away, and the ground's own grain over both."""
    layer = Image.new("RGBA", picture.size)
    shape(ImageDraw.Draw(layer))
    box = layer.getbbox()
    if box is None:
        return
    body = layer.crop(box)
    outline, margin = body.getchannel("A"), int((lift + 6) * SCALE)
    shadow = Image.new("L", (body.width + 2 * margin, body.height + 2 * margin))
    shadow.paste(outline, (margin, margin))
    shadow = shadow.filter(ImageFilter.GaussianBlur(2 * SCALE)).point(lambda value: value * 0.55)
    shift = (box[0] - margin + int(lift * SCALE), box[1] - margin + int(lift * SCALE * 0.7))
    picture.paste((14, 18, 20), (*shift, shift[0] + shadow.width, shift[1] + shadow.height), shadow)
    coarse = rng.normal(160, 26, (body.height // 4 + 1, body.width // 4 + 1)).clip(64, 240).astype(np.uint8)
    grain = np.asarray(Image.fromarray(coarse).resize(body.size), np.float32) / 160
    grainy = np.clip(np.asarray(body.convert("RGB"), np.float32) * grain[..., None], 0, 255)
    picture.paste(Image.fromarray(grainy.astype(np.uint8)), box[:2], outline)


def _creature_colour(rng: np.random.Generator) -> Array:
    colour: Array = np.array(CREATURE_COLOURS[rng.integers(len(CREATURE_COLOURS))], np.float32)
    return colour * rng.uniform(0.85, 1.1)


def _disc(pen: ImageDraw.ImageDraw, centre: Point, radius: float, colour: tuple[int, int, int]) -> None:
    pen.ellipse([centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius], fill=colour)


def _colour(values: Array) -> tuple[int, int, int]:
    red, green, blue = np.clip(values, 0, 255).astype(int).tolist()
    return (red, green, blue)


if __name__ == "__main__":
    main()
