"""A folder of what real folders hold beside good photographs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

# name: how far it comes; None is a picture that decodes and has no face.
ENDS = {
    "16-bit.png": "no_face",
    "1x1.png": "too_small",
    "30000x10.png": "too_small",
    "animated.gif": "no_face",
    "cmyk.jpg": "no_face",
    "empty.jpg": "not_an_image",
    "exif-rotated.jpg": "no_face",
    "html-named.jpg": "not_an_image",
    "palette-transparent.png": "no_face",
    "png-named.jpg": "no_face",
    "truncated.jpg": "undecodable",
}


def write_broken_pictures(folder: Path) -> None:
    """Write one file for each entry of `ENDS`."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    picture = Image.fromarray(noise).resize((200, 150), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    palette = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).convert("P")
    depth = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    truncated = _encoded(picture.rotate(10), "JPEG")
    files = {
        "16-bit.png": _encoded(depth, "PNG"),
        "1x1.png": _encoded(Image.new("RGB", (1, 1)), "PNG"),
        "30000x10.png": _encoded(Image.new("RGB", (30_000, 10)), "PNG"),
        "animated.gif": _encoded(picture, "GIF", save_all=True, append_images=[picture.rotate(5)]),
        "cmyk.jpg": _encoded(picture.convert("CMYK"), "JPEG"),
        "empty.jpg": b"",
        "exif-rotated.jpg": _encoded(picture, "JPEG", exif=exif),
        "html-named.jpg": b"<!DOCTYPE html><title>404</title>",
        "palette-transparent.png": _encoded(palette, "PNG", transparency=0),
        "png-named.jpg": _encoded(picture, "PNG"),
        "truncated.jpg": truncated[: len(truncated) * 2 // 3],
    }
    assert files.keys() == ENDS.keys()
    for name, data in files.items():
        (folder / name).write_bytes(data)


def _encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()
