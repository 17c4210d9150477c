"""What real folders hold, and what becomes of it."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline import images
from tests.conftest import jpeg

GRADIENT = np.dstack([np.tile(np.arange(120, dtype=np.uint8), (80, 1))] * 3)


def saved(image: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def reason_of(data: bytes) -> str:
    with pytest.raises(images.ImageProblem) as problem:
        images.decode(data)
    return problem.value.reason


def test_png_comes_back_as_it_was() -> None:
    assert (images.decode(images.encode(GRADIENT, "png")) == GRADIENT).all()


def test_webp_is_stored_without_loss() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert (images.decode(images.encode(noise, "webp")) == noise).all()


def test_exif_orientation_turns_the_picture_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90 degrees clockwise
    decoded = images.decode(jpeg(GRADIENT, exif=exif, quality=95))
    assert decoded.shape == (120, 80, 3)
    assert decoded[5, 40, 0] < decoded[115, 40, 0]


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    assert (images.decode(saved(clear, "PNG")) == 255).all()


def test_a_palette_with_transparency_is_laid_on_white() -> None:
    palette = Image.new("P", (20, 20), 0)
    palette.putpalette([10, 20, 30] + [0] * 765)
    assert (images.decode(saved(palette, "PNG", transparency=0)) == 255).all()


def test_sixteen_bit_grey_keeps_its_brightness() -> None:
    grey = Image.fromarray(np.full((20, 20), 0x8000, np.uint16))
    assert abs(int(images.decode(saved(grey, "PNG"))[0, 0, 0]) - 128) <= 1


def test_cmyk_becomes_rgb() -> None:
    cyan = Image.new("CMYK", (20, 20), (255, 0, 0, 0))
    red, green, blue = images.decode(saved(cyan, "JPEG", quality=95))[10, 10].astype(int)
    assert red < 60
    assert min(green, blue) > 120


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert images.decode(data)[5, 5].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_an_image"),
        (b"<!DOCTYPE html><html>not found</html>", "not_an_image"),
        (jpeg(GRADIENT)[:-200], "undecodable"),
        (jpeg(GRADIENT[:1, :1]), "too_small"),
        (jpeg(GRADIENT[:10]), "too_small"),
    ],
    ids=["empty", "html", "truncated", "1x1", "10 px high"],
)
def test_what_cannot_be_decoded_has_a_reason(data: bytes, reason: str) -> None:
    assert reason_of(data) == reason


def test_a_bomb_is_refused_by_its_header_alone() -> None:
    header = bytearray(saved(Image.new("L", (1, 1)), "PNG"))
    header[16:24] = (50_000).to_bytes(4, "big") * 2
    import zlib

    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    assert reason_of(bytes(header)) == "too_many_pixels"


def test_the_reason_is_the_same_every_time() -> None:
    """Pillow's messages may hold an object's address."""
    with pytest.raises(images.ImageProblem) as problem:
        images.decode(b"no image at all")
    assert "0x" not in problem.value.detail


def test_the_hash_survives_a_smaller_copy() -> None:
    rng = np.random.default_rng(1)
    picture = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize(
        (400, 400), Image.Resampling.BICUBIC
    )
    copy = picture.resize((256, 256))
    one, other = (images.describe(saved(image, "JPEG"))[1] for image in (picture, copy))
    assert one is not None
    assert other is not None
    assert bin(int(one, 16) ^ int(other, 16)).count("1") <= 4


def test_a_broken_image_has_no_hash() -> None:
    assert images.describe(jpeg(GRADIENT)[:-200])[1] is None
