from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from model.data.images import UnreadableImage, read_image

VALUES = np.random.default_rng(0).integers(0, 65536, (32, 48), dtype=np.uint16)


def _read(path: Path) -> NDArray[np.uint8]:
    """Return an image's grey values, the same in all three channels."""
    pixels = np.asarray(read_image(path))
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0]


def _patch_tag(path: Path, tag: int, value: int) -> None:
    """Give a tag of a TIFF (16-bit numbers, one of them) another value: what Pillow reads but does not write."""
    content = path.read_bytes()
    place = content.index(struct.pack("<HHI", tag, 3, 1)) + 8
    path.write_bytes(content[:place] + struct.pack("<HH", value, 0) + content[place + 4 :])


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("brightest", [65535, 30000, 200])
def test_sixteen_bits_are_scaled_alike_in_every_file(tmp_path: Path, suffix: str, brightest: int) -> None:
    values = (VALUES.astype(np.float64) * brightest / 65535).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / f"deep.{suffix}")

    pixels = _read(tmp_path / f"deep.{suffix}")

    assert np.array_equal(pixels, np.round(values / 257))


def test_sixteen_bits_of_either_byte_order_are_read(tmp_path: Path) -> None:
    Image.fromarray(VALUES).save(tmp_path / "little.tif")
    Image.frombytes("I;16B", (48, 32), VALUES.astype(">u2").tobytes()).save(tmp_path / "big.tif")

    assert np.array_equal(_read(tmp_path / "big.tif"), _read(tmp_path / "little.tif"))


def test_white_is_zero_where_a_tiff_says_so(tmp_path: Path) -> None:
    Image.fromarray(VALUES).save(tmp_path / "inverted.tif")
    _patch_tag(tmp_path / "inverted.tif", 262, 0)

    assert np.abs(_read(tmp_path / "inverted.tif") - (255 - VALUES / 257)).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("brightest", [32767, 3000, 200])
def test_sixteen_bits_with_a_sign_have_32767_as_white(tmp_path: Path, brightest: int) -> None:
    values = (VALUES.astype(np.float64) * brightest / 65535).astype("<i2")
    _write_signed_tiff(tmp_path / "signed.tif", values)

    assert np.abs(_read(tmp_path / "signed.tif") - values * (255 / 32767)).max() <= 0.5 + 1e-9


def test_negative_values_of_sixteen_bits_are_spread_over_all_greys(tmp_path: Path) -> None:
    values = (VALUES // 16).astype("<i2") - 1024  # as in computed tomography
    _write_signed_tiff(tmp_path / "tomogram.tif", values)

    pixels = _read(tmp_path / "tomogram.tif")

    assert (pixels.min(), pixels.max()) == (0, 255)
    assert np.corrcoef(pixels.ravel(), values.ravel())[0, 1] > 0.999


def _write_signed_tiff(path: Path, values: NDArray[np.int16]) -> None:
    Image.fromarray(values.view("<u2")).save(path, tiffinfo={339: 2})
    with Image.open(path) as image:
        assert image.tag_v2[339] == (2,)  # the premise: Pillow wrote the sign


def test_twelve_bits_of_a_tiff_have_4095_as_white(tmp_path: Path) -> None:
    values = VALUES >> 4
    even, odd = values[:, ::2], values[:, 1::2]
    packed = np.stack([even >> 4, (even & 15) << 4 | odd >> 8, odd & 255], axis=2).astype(np.uint8)
    Image.fromarray(packed.reshape(32, 72)).save(tmp_path / "twelve.tif")
    content = (tmp_path / "twelve.tif").read_bytes()
    width = struct.pack("<HHII", 256, 4, 1, 72)
    assert width in content
    (tmp_path / "twelve.tif").write_bytes(content.replace(width, struct.pack("<HHII", 256, 4, 1, 48)))
    _patch_tag(tmp_path / "twelve.tif", 258, 12)

    assert np.array_equal(_read(tmp_path / "twelve.tif"), np.round(values * (255 / 4095)))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(np.array([[0.0, 0.2], [0.6, 1.0]], np.float32), [[0, 51], [153, 255]], id="floats up to one"),
        pytest.param(np.array([[0.0, 0.1], [0.2, 0.2]], np.float32), [[0, 26], [51, 51]], id="dark floats stay dark"),
        pytest.param(np.array([[0.0, 7.0], [9.0, 200.0]], np.float32), [[0, 7], [9, 200]], id="floats up to 255"),
        pytest.param(np.array([[-1.5, 2.5], [0.5, -1.5]], np.float32), [[0, 255], [128, 0]], id="negative floats"),
        pytest.param(np.array([[np.nan, np.inf], [0.0, 1.0]], np.float32), [[0, 255], [0, 255]], id="no numbers"),
        pytest.param(np.array([[np.nan, np.nan], [np.nan, np.nan]], np.float32), [[0, 0], [0, 0]], id="nothing at all"),
        pytest.param(np.array([[0, 257], [514, 65535]], np.int32), [[0, 1], [2, 255]], id="32 bits up to 65535"),
        pytest.param(np.array([[-100, 0], [100, 155]], np.int32), [[0, 100], [200, 255]], id="negative numbers"),
        pytest.param(np.array([[7, 7], [7, 7]], np.int32) * 10**6, [[0, 0], [0, 0]], id="one value beyond all ranges"),
    ],
)
def test_values_that_do_not_say_what_is_white(
    tmp_path: Path, values: NDArray[np.float32 | np.int32], expected: list[list[int]]
) -> None:
    Image.fromarray(values).save(tmp_path / "values.tif")

    assert _read(tmp_path / "values.tif").tolist() == expected


@pytest.mark.parametrize(("channels", "kind"), [(3, 2), (4, 6)])
def test_sixteen_bits_of_colour_keep_their_high_byte(tmp_path: Path, channels: int, kind: int) -> None:
    colours = np.random.default_rng(1).integers(0, 65536, (8, 8, channels), dtype=np.uint16)
    colours[..., 3:] = 65535  # opaque
    _write_deep_png(tmp_path / "deep.png", colours, kind)

    pixels = np.asarray(read_image(tmp_path / "deep.png")).astype(int)

    assert np.abs(pixels - colours[..., :3] / 257).max() <= 1.0


@pytest.mark.parametrize("bits", [8, 16])
def test_separate_planes_are_right_or_refused_by_name(tmp_path: Path, bits: int) -> None:
    colours = np.random.default_rng(2).integers(0, 2**bits, (3, 8, 8), dtype=np.uint16)
    _write_planar_tiff(tmp_path / "planes.tif", colours.astype("<u2" if bits == 16 else "u1"))

    if bits == 8:
        assert np.array_equal(np.asarray(read_image(tmp_path / "planes.tif")), colours.transpose(1, 2, 0))
    else:
        with pytest.raises(UnreadableImage, match="planes of 16 bits"):
            read_image(tmp_path / "planes.tif")


def _write_planar_tiff(path: Path, planes: NDArray[np.generic]) -> None:
    """Write each channel as a plane of its own, as microscopes do and Pillow does not."""
    channels, height, width = planes.shape
    bits, size = 8 * planes.itemsize, planes[0].nbytes
    # The lists of three numbers stand after the directory of ten entries, the planes after these.
    lists = 8 + 2 + 10 * 12 + 4
    starts = lists + channels * (2 + 4 + 4)
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, channels, lists),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, channels, lists + 2 * channels),
        (277, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, channels, lists + 6 * channels),
        (284, 3, 1, 2),
    ]
    numbers = [*[bits] * channels, *[starts + k * size for k in range(channels)], *[size] * channels]
    path.write_bytes(
        b"II*\0"
        + struct.pack("<IH", 8, len(entries))
        + b"".join(struct.pack("<HHII", *entry) for entry in entries)
        + struct.pack("<I", 0)
        + struct.pack("<3H6I", *numbers)
        + planes.tobytes()
    )


def _write_deep_png(path: Path, values: NDArray[np.uint16], kind: int) -> None:
    """Write 16 bits a channel, which Pillow reads but does not write; `kind` is PNG's colour type."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
