"""Bytes to pixels, safely: sniffing, pixel cap, EXIF orientation, colour modes; and back to bytes."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import imagehash
import numpy as np
from PIL import Image, ImageOps

MAX_PIXELS = 64_000_000
MIN_SIDE_PX = 16
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
HASH_SIDE_PX = 64
LARGE_PIXELS = 4_000_000
# What Pillow's decoders raise on bytes that are damaged.
BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)

# Large images are hashed one after the other, and by one thread, for each thread keeps the memory that it had:
# one image of the most pixels allowed takes some 300 MB.
_LARGE_ONES = ThreadPoolExecutor(1, thread_name_prefix="large images")


class ImageProblem(Exception):
    """Bytes that cannot become pixels; `reason` is from the vocabulary of `pipeline.parts.REASONS`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Header:
    """What an image's first bytes say: its format's name and its size in pixels, before EXIF orientation."""

    format: str
    width_px: int
    height_px: int


def decode(data: bytes) -> np.ndarray:
    """Decode to HxWx3 uint8 RGB, upright by EXIF, the first frame, transparency on white.

    Raises `ImageProblem`: `not_an_image`, `too_many_pixels`, `too_small` or `undecodable`.
    """
    with _open(data) as image:
        if min(image.size) < MIN_SIDE_PX:
            raise ImageProblem("too_small", f"{image.width}x{image.height} px")
        try:
            return np.array(_rgb(ImageOps.exif_transpose(image)))
        except BROKEN as error:
            raise ImageProblem("undecodable", _short(error)) from None


def perceptual_hash(image: Image.Image) -> str:
    """Return the 64-bit DCT hash of a picture as 16 hexadecimal digits."""
    return str(imagehash.phash(image))


def describe(data: bytes) -> tuple[Header, str | None]:
    """Return what the first bytes say, and the perceptual hash: None where the picture cannot be decoded.

    The type comes from the bytes, never from a name or an HTTP header; the size is looked at before anything is
    decoded, and decoding is at reduced size where the format can. Raises `ImageProblem`.
    """
    with _open(data) as image:
        header = Header(image.format or "", image.width, image.height)
        image.draft("L", (HASH_SIDE_PX, HASH_SIDE_PX))
        if image.width * image.height <= LARGE_PIXELS:
            return header, _hash_of(image)
    return header, _LARGE_ONES.submit(_hash_of_bytes, data).result()


def _hash_of_bytes(data: bytes) -> str | None:
    with _open(data) as image:
        image.draft("L", (HASH_SIDE_PX, HASH_SIDE_PX))
        return _hash_of(image)


def _hash_of(image: Image.Image) -> str | None:
    try:
        # Grey already is what the hash looks at.
        return perceptual_hash(
            image if image.mode == "L" and "transparency" not in image.info else _rgb(image)
        )
    except BROKEN:
        return None


def encode(pixels: np.ndarray, image_format: str) -> bytes:
    """Encode HxWx3 uint8 RGB without loss as `webp` or `png`."""
    buffer = io.BytesIO()
    options = {"lossless": True, "quality": 20, "method": 1} if image_format == "webp" else {}
    Image.fromarray(pixels).save(buffer, image_format.upper(), **options)
    return buffer.getvalue()


def _open(data: bytes) -> Image.Image:
    if not data:
        raise ImageProblem("not_an_image", "no bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageProblem("too_many_pixels", _short(error)) from None
    except BROKEN as error:
        start = data[:40].lstrip().lower()
        what = "an HTML page" if start.startswith((b"<!doctype", b"<html")) else _short(error)
        raise ImageProblem("not_an_image", what) from None
    if image.width * image.height > MAX_PIXELS:
        raise ImageProblem("too_many_pixels", f"{image.width}x{image.height} px, at most {MAX_PIXELS}")
    return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        return Image.fromarray(
            (np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)
        ).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        colours = image.convert("RGBA")
        paper = Image.new("RGBA", colours.size, "white")
        return Image.alpha_composite(paper, colours).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _short(error: Exception) -> str:
    # Pillow's messages may hold the address of an object, which differs between runs.
    return str(error).split("<_io", maxsplit=1)[0].strip()[:120]
