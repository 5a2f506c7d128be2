"""Which files are pictures, which of them can be read here, and what to do about the others."""

from __future__ import annotations

from pathlib import PurePath

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".jfif", ".webp", ".tif", ".tiff"})

_HEIC = "is HEIC, which is not read here: export it as JPEG"
_RAW = "is a camera's raw file, which is not read here: export it as JPEG or TIFF"
_DRAWING = "is a drawing, not pixels: export it as PNG"

# Pictures to a person, none to this program: named with a way out, never passed over in silence.
_FOREIGN = {
    **dict.fromkeys((".heic", ".heif", ".hif"), _HEIC),
    **dict.fromkeys(
        (".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".srw"), _RAW
    ),
    **dict.fromkeys((".svg", ".svgz", ".eps", ".ai"), _DRAWING),
    **dict.fromkeys((".dcm", ".dicom"), "is DICOM, which is not read here: export it as 16-bit PNG"),
    ".psd": "is a Photoshop file, which is not read here: export it as PNG",
    **dict.fromkeys((".nii", ".mha", ".nrrd"), "is a volume, which is not read here: export its slices as PNG"),
    **dict.fromkeys(
        (".avif", ".jxl", ".jp2", ".j2k", ".tga", ".ppm", ".pgm", ".pnm", ".exr"),
        "has a format that is not read here: save it as PNG or JPEG",
    ),
}

# What the first bytes of a file say that its suffix does not: a phone's HEIC renamed to .jpg, a page of a shop's error.
_SIGNATURES = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the image: run git lfs pull"),
    (b"<!doctype html", "is a web page, not an image"),
    (b"<html", "is a web page, not an image"),
    (b"<?xml", "is XML, not an image"),
    (b"<svg", _DRAWING),
    (b"%pdf", _DRAWING),
    (b"8bps", _FOREIGN[".psd"]),
    (b"ii*\0", "is damaged, or a kind of TIFF that is not read here: save it with 8 or 16 bits a channel"),
    (b"mm\0*", "is damaged, or a kind of TIFF that is not read here: save it with 8 or 16 bits a channel"),
    *((start, "is damaged") for start in (b"\xff\xd8\xff", b"\x89png", b"gif8", b"riff", b"bm")),
)
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), _HEIC),
    b"avif": _FOREIGN[".avif"],
}


def is_image_name(name: str) -> bool:
    """Say whether the suffix is one of a picture that can be read."""
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES


def is_picture_name(name: str) -> bool:
    """Say whether the suffix is one of a picture, be it one that can be read or not."""
    return is_image_name(name) or bool(explain_suffix(name))


def explain_suffix(name: str) -> str:
    """Say why a picture with this name cannot be read, and what to do; "" where nothing is known against it."""
    return _FOREIGN.get(PurePath(name).suffix.lower(), "")


def explain_content(start: bytes) -> str:
    """Say what a file that is no image holds, by its first bytes; "" where they say nothing."""
    if start[4:8] == b"ftyp":
        return _BRANDS.get(start[8:12], "")
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((reason for signature, reason in _SIGNATURES if text.startswith(signature)), "")
