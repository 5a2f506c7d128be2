from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.data.images import decode_image, decode_images

Draw = Callable[..., Path]

RED = (200, 60, 50)


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "png", "bmp", "gif", "webp", "tif", "tiff"])
def test_decode_reads_every_format(tmp_path: Path, draw_image: Draw, suffix: str) -> None:
    path = draw_image(tmp_path / f"picture.{suffix}")

    pixels = decode_image(path, 32)

    assert pixels.shape == (32, 32, 3)
    assert pixels.mean(axis=(0, 1)) == pytest.approx(RED, abs=12)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("L", "png"), ("P", "png"), ("RGBA", "png"), ("LA", "png"), ("1", "png"), ("CMYK", "jpg"), ("CMYK", "tif")],
)
def test_decode_reads_every_mode(tmp_path: Path, mode: str, suffix: str) -> None:
    colour = {"L": 200, "P": 7, "RGBA": (200, 200, 200, 255), "LA": (200, 255), "1": 1, "CMYK": (0, 0, 0, 55)}[mode]
    image = Image.new(mode, (40, 30), colour)
    if mode == "P":
        image.putpalette([200] * 768)
    image.save(tmp_path / f"picture.{suffix}")

    pixels = decode_image(tmp_path / f"picture.{suffix}", 32)

    assert pixels.mean() == pytest.approx(255 if mode == "1" else 200, abs=4)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_decode_scales_sixteen_bits(tmp_path: Path, suffix: str) -> None:
    values = np.tile(np.array([0, 65535], dtype=np.uint16), (32, 16))
    Image.fromarray(values).save(tmp_path / f"deep.{suffix}")

    pixels = decode_image(tmp_path / f"deep.{suffix}", 32)

    assert sorted({0, 255}) == sorted(set(np.unique(pixels).tolist()))


def test_decode_scales_floats(tmp_path: Path) -> None:
    values = np.tile(np.array([-1.5, 2.5], dtype=np.float32), (32, 16))
    Image.fromarray(values).save(tmp_path / "float.tif")

    assert set(np.unique(decode_image(tmp_path / "float.tif", 32)).tolist()) == {0, 255}


def test_decode_shows_transparency_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (40, 30), (0, 0, 0, 0)).save(tmp_path / "clear.png")

    assert decode_image(tmp_path / "clear.png", 32).min() == 255


def test_decode_turns_an_image_as_its_exif_says(tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 64), "black")
    image.paste("white", (0, 0, 64, 32))  # white above, and to be turned by 90 degrees
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)

    pixels = decode_image(tmp_path / "turned.jpg", 32)

    assert pixels[:, 24:].mean() > 240
    assert pixels[:, :8].mean() < 15


def test_decode_shrinks_a_large_image_whole(tmp_path: Path) -> None:
    image = Image.new("RGB", (1600, 900), "black")
    image.paste("white", (800, 0, 1600, 900))
    image.save(tmp_path / "large.jpg", quality=95)

    pixels = decode_image(tmp_path / "large.jpg", 64)

    assert pixels[:, :30].max() < 20
    assert pixels[:, 34:].min() > 235


def test_decode_images_names_the_fault_of_each_bad_file(tmp_path: Path, draw_image: Draw) -> None:
    good = draw_image(tmp_path / "good.png")
    truncated = draw_image(tmp_path / "truncated.jpg", size=(200, 200))
    truncated.write_bytes(truncated.read_bytes()[:-2000])
    cut = draw_image(tmp_path / "cut.png", size=(200, 200))
    cut.write_bytes(cut.read_bytes()[:-2000])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "script.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n")  # Pillow would start Ghostscript for it
    _write_bomb(tmp_path / "bomb.png", width=20_000, height=20_000)
    _write_bomb(tmp_path / "large.png", width=10_000, height=10_000)
    names = [
        "good.png",
        "truncated.jpg",
        "cut.png",
        "empty.jpg",
        "text.jpg",
        "script.png",
        "bomb.png",
        "large.png",
        "gone.png",
    ]

    decoded = decode_images([tmp_path / name for name in names], 16)

    assert {names[position]: fault for position, fault in decoded.faults.items()} == {
        "truncated.jpg": "is damaged",
        "cut.png": "is damaged",
        "empty.jpg": "is empty",
        "text.jpg": "is not an image",
        "script.png": "is not an image",
        "bomb.png": "has more than 89,478,485 pixels",
        "large.png": "has more than 89,478,485 pixels",
        "gone.png": "does not exist",
    }
    assert np.array_equal(decoded.pixels[0], decode_image(good, 16))


def test_decode_images_reports_progress_after_each(tmp_path: Path, draw_image: Draw) -> None:
    paths = [draw_image(tmp_path / f"{number}.png", seed=number) for number in range(5)]
    seen: list[int] = []

    decode_images(paths, 16, progress=lambda done, _seconds: seen.append(done))

    assert seen == [1, 2, 3, 4, 5]


def _write_bomb(path: Path, *, width: int, height: int) -> None:
    """Write a PNG of a hundred bytes that says it is huge."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )
