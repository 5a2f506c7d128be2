from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.data import images
from model.data.images import decode_bytes, decode_image, decode_images, read_image, shrink

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


def test_decode_shows_the_first_of_several(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (40, 30), RED), Image.new("RGB", (40, 30), "green")
    for suffix in ("gif", "webp", "tif"):
        first.save(tmp_path / f"several.{suffix}", save_all=True, append_images=[second])

        assert decode_image(tmp_path / f"several.{suffix}", 32).mean(axis=(0, 1)) == pytest.approx(RED, abs=12), suffix


def test_decode_reads_a_progressive_jpeg_as_the_plain_one(tmp_path: Path, draw_image: Draw) -> None:
    image = Image.open(draw_image(tmp_path / "drawn.png", size=(400, 300)))
    image.save(tmp_path / "plain.jpg", quality=95)
    image.save(tmp_path / "progressive.jpg", quality=95, progressive=True)

    pixels = [decode_image(tmp_path / f"{name}.jpg", 32) for name in ("plain", "progressive")]

    assert np.array_equal(*pixels)


def test_decode_shows_transparency_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (40, 30), (0, 0, 0, 0)).save(tmp_path / "clear.png")

    assert decode_image(tmp_path / "clear.png", 32).min() == 255


def test_decode_shows_a_transparent_palette_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (40, 30), 1)
    image.putpalette([0, 0, 0, *RED])
    image.paste(0, (0, 0, 20, 30))
    image.save(tmp_path / "half.png", transparency=0)

    pixels = decode_image(tmp_path / "half.png", 32)

    assert pixels[:, :12].min() == 255
    assert pixels[:, 20:].mean(axis=(0, 1)) == pytest.approx(RED)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_read_image_is_upright_for_every_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    stored = Image.new("L", (64, 32), 0)
    stored.paste(255, (0, 0, 32, 16))  # one white corner says it all
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.convert("RGB").save(tmp_path / f"turned.{suffix}", exif=exif, quality=95)

    pixels = np.asarray(read_image(tmp_path / f"turned.{suffix}"))[..., 0] > 127

    white = np.asarray(stored) > 127
    by_definition = {  # which side of the stored picture is up, and which is left: the table of EXIF's standard
        1: white,
        2: white[:, ::-1],
        3: white[::-1, ::-1],
        4: white[::-1],
        5: white.T,
        6: white[::-1].T,
        7: white[::-1, ::-1].T,
        8: white[:, ::-1].T,
    }
    assert np.array_equal(pixels, by_definition[orientation])


def test_decode_finds_exif_behind_fill_bytes(tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 48), "white")
    image.paste((200, 0, 0), (0, 0, 32, 48))
    exif = Image.Exif()
    exif[0x0112] = 3
    image.save(tmp_path / "plain.jpg", exif=exif)
    content = (tmp_path / "plain.jpg").read_bytes()

    filled = decode_bytes(content[:2] + b"\xff\xff" + content[2:], 32)

    assert np.array_equal(filled, decode_bytes(content, 32))
    assert filled[16, 4].min() > 200  # white is on the left now


def test_decode_turns_an_image_as_its_exif_says(tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 64), "black")
    image.paste("white", (0, 0, 64, 32))  # white above, and to be turned by 90 degrees
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)

    pixels = decode_image(tmp_path / "turned.jpg", 32)

    assert pixels[:, 24:].mean() > 240
    assert pixels[:, :8].mean() < 15


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_damaged_metadata_do_not_spoil_an_image(tmp_path: Path, suffix: str) -> None:
    Image.new("RGB", (40, 30), RED).save(tmp_path / f"odd.{suffix}", exif=b"Exif\0\0garbage!")

    assert decode_image(tmp_path / f"odd.{suffix}", 32).mean(axis=(0, 1)) == pytest.approx(RED, abs=6)


def test_decode_shrinks_a_large_image_whole(tmp_path: Path) -> None:
    image = Image.new("RGB", (1600, 900), "black")
    image.paste("white", (800, 0, 1600, 900))
    image.save(tmp_path / "large.jpg", quality=95)

    pixels = decode_image(tmp_path / "large.jpg", 64)

    assert pixels[:, :30].max() < 20
    assert pixels[:, 34:].min() > 235


def test_read_image_may_come_smaller_but_never_than_asked(tmp_path: Path, draw_image: Draw) -> None:
    path = draw_image(tmp_path / "large.jpg", size=(1920, 1080))

    assert read_image(path).size == (1920, 1080)
    assert read_image(path, at_least=256).size == (480, 270)


def test_decode_is_read_and_shrink(tmp_path: Path, draw_image: Draw) -> None:
    path = draw_image(tmp_path / "frame.png", size=(192, 108))

    pixels = np.asarray(read_image(path))

    assert np.array_equal(decode_image(path, 64), shrink(Image.fromarray(pixels), 64))


def _cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "webp", "tif"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_decode_images_refuses_what_is_cut_off(tmp_path: Path, draw_image: Draw, suffix: str, share: float) -> None:
    path = draw_image(tmp_path / f"cut.{suffix}", size=(100, 100))
    _cut(path, share)

    assert decode_images([path], 16).faults[0].startswith("is damaged")


def test_decode_images_names_the_fault_of_each_bad_file(tmp_path: Path, draw_image: Draw) -> None:
    good = draw_image(tmp_path / "good.png")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "page.jpg").write_text("\n<!DOCTYPE html><html><body>404</body></html>")
    (tmp_path / "phone.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    (tmp_path / "pointer.png").write_text("version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "script.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n")  # Pillow would start Ghostscript for it
    _write_bomb(tmp_path / "bomb.png", width=20_000, height=20_000)
    _write_bomb(tmp_path / "large.png", width=10_000, height=10_000)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to("nowhere.png")
    (tmp_path / "round.png").symlink_to("round.png")
    os.mkfifo(tmp_path / "pipe.png")
    Image.new("LAB", (40, 30)).save(tmp_path / "lab.tif")
    expected = {
        "empty.jpg": "is empty",
        "text.jpg": "is not an image",
        "page.jpg": "is a web page, not an image",
        "phone.jpg": "is HEIC, which is not read here: export it as JPEG",
        "pointer.png": "is a Git LFS pointer, not the image: run git lfs pull",
        "script.png": "is not an image",
        "bomb.png": "has more than 89,478,485 pixels",
        "large.png": "has more than 89,478,485 pixels",
        "gone.png": "does not exist",
        "folder.png": "is a folder",
        "link.png": "is a link that leads nowhere",
        "round.png": "is a link that leads nowhere",
        "pipe.png": "is not a file",
        "lab.tif": "has LAB colours, which are not read here: save it as RGB",
    }
    names = ["good.png", *expected]

    decoded = decode_images([tmp_path / name for name in names], 16)

    assert {names[position]: fault for position, fault in decoded.faults.items()} == expected
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


def _save_jpeg(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **{"quality": 90} | options)
    return file.getvalue()


def _decode_by_pillow(data: bytes, part: int) -> Image.Image:
    """Return a JPEG as Pillow reads it, at one `part`-th of its size."""
    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB" if image.mode == "RGB" else "L", (image.width // part, image.height // part))
        return image.convert("RGB")


_JPEGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "progressive": {"progressive": True},
    "full-colour": {"subsampling": 0},
    "half-colour": {"subsampling": 1},
    "rgb": {"keep_rgb": True},
    "restarts": {"restart_marker_rows": 1},
    "poor": {"quality": 10},
    "thumbnail": {"comment": b"\xff\xe1 no EXIF"},
}


@pytest.mark.parametrize("options", _JPEGS.values(), ids=_JPEGS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_decode_gives_the_pixels_that_pillow_gives(mode: str, options: dict[str, Any]) -> None:
    coarse = np.random.default_rng(3).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    for size, part in (((61, 47), 1), ((150, 120), 2), ((644, 361), 4), ((1, 1), 1), ((900, 7), 1)):
        image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode)
        if mode != "RGB" and "keep_rgb" in options:
            continue
        data = _save_jpeg(image, **options)

        difference = decode_bytes(data, 60).astype(int) - shrink(_decode_by_pillow(data, part), 60)

        # Each colour of a poor picture is rounded coarsely before it is enlarged.
        assert np.abs(difference).mean() < 1.0, size
        assert np.abs(difference).max() <= 12, size


def test_decode_refuses_and_reads_damaged_jpegs_as_pillow_does(draw_image: Draw, tmp_path: Path) -> None:
    whole = draw_image(tmp_path / "whole.jpg", size=(96, 80)).read_bytes()
    numbers = np.random.default_rng(1)
    damaged = [whole[:length] for length in range(20, len(whole), 97)] + [whole[:-1], whole[:-2], whole + b"more"]
    for _ in range(60):
        content = bytearray(whole)
        content[numbers.integers(len(whole))] = numbers.integers(256)
        damaged.append(bytes(content))

    for data in damaged:
        try:
            expected = shrink(_decode_by_pillow(data, 1), 48)
        except (OSError, SyntaxError):
            with pytest.raises((OSError, SyntaxError)):
                decode_bytes(data, 48)
        else:
            assert np.abs(decode_bytes(data, 48).astype(int) - expected).mean() < 3


def test_decode_without_its_extra_gives_the_same(
    tmp_path: Path, draw_image: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw_image(tmp_path / "photo.jpg", size=(200, 150))
    quick = decode_image(path, 150).astype(int)
    # A mock, because the package cannot be taken away from this process.
    monkeypatch.setattr(images, "_find_jpeg_decoder", lambda: None)

    assert np.abs(quick - decode_image(path, 150)).max() <= 2
