"""A small gallery site of procedural faces: what it lists and how it answers."""

import html
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np

from . import cartoons, portraits
from .plan import entry_kind, original_of
from .truth import Face, Picture, face_box
from .web import (
    HTML,
    LICENCE,
    LICENCE_URL,
    KeptImages,
    Response,
    answer,
    jpeg,
    not_found,
    page,
    page_number,
    robots_txt,
)

Style = Literal["portrait", "cartoon"]
PAGE_SIZE = 24
_STUDIOS = (
    "Studio Lindenhof",
    "Atelier Nordwind",
    "Papermoon Works",
    "Kleine Sonne Pictures",
    "Harbour Lane Art",
)


@dataclass(frozen=True, eq=False)
class Entry:
    """One item of the gallery.

    `kind` is single, two, none, near-duplicate, duplicate, broken, missing or private; `original` is the
    index whose picture is shown, another one for the two kinds of duplicate.
    """

    index: int
    kind: str
    original: int
    page_path: str
    image_path: str
    author: str
    caption: str
    _site: "DemoSite" = field(repr=False)

    @property
    def tags(self) -> tuple[str, ...]:
        """What the picture is and shows; who is in it only where that is one person, worked out anew on every call."""
        shown = {"two": "two people", "none": "scene"}.get(self.kind, "one person")
        return (self._site.style, "drawn", shown, *self._site.traits(self))

    @property
    def faces(self) -> tuple[Face, ...]:
        """The true faces of the served image, in its own pixels; drawn anew on every call.

        A broken or missing image has the faces that it would show if it could be fetched and read.
        """
        return self._site.picture(self).faces


class DemoSite:
    """A gallery of `count` items: a pure function of style, count and seed.

    A count of 24 or more holds every kind of entry.
    """

    def __init__(self, style: Style, count: int, seed: int) -> None:
        self.style: Style = style
        self.count = count
        self.seed = seed
        self._draw = {"portrait": portraits.draw, "cartoon": cartoons.draw}[style]
        self._traits = {"portrait": portraits.traits, "cartoon": cartoons.traits}[style]
        self.entries: tuple[Entry, ...] = tuple(self._entry(index) for index in range(count))
        self._by_page = {entry.page_path: entry for entry in self.entries}
        self._by_image = {entry.image_path: entry for entry in self.entries if entry.kind != "missing"}
        self._images = KeptImages()

    @property
    def pages(self) -> int:
        """The number of list pages."""
        return max(1, -(-self.count // PAGE_SIZE))

    def picture(self, entry: Entry) -> Picture:
        """The picture behind an entry, as it is before it is compressed."""
        picture = self._draw(self.seed, entry.original)
        return _varied(picture, entry.index) if entry.kind == "near-duplicate" else picture

    def traits(self, entry: Entry) -> tuple[str, ...]:
        """The true words for the one person that an entry shows; none where there is another number."""
        return self._traits(self.seed, entry.original)

    def respond(self, path: str) -> Response:
        """The answer to GET `path`."""
        parts = urlsplit(path)
        if parts.path == "/robots.txt":
            return robots_txt()
        if parts.path in ("/", "/gallery/"):
            number = page_number(parse_qs(parts.query), self.pages)
            return self._list_page(number) if number else not_found()
        if entry := self._by_page.get(parts.path):
            return answer(HTML, self._item_page(entry))
        if entry := self._by_image.get(parts.path):
            return answer("image/jpeg", self._images.get(entry.image_path, lambda: self._image(entry)))
        return not_found()

    def _entry(self, index: int) -> Entry:
        kind = entry_kind(index)
        studio = _STUDIOS[(index * 7 + self.seed) % len(_STUDIOS)]
        folder = "private" if kind == "private" else "item"
        noun = {"two": "Double portrait", "none": "Study"}.get(kind, "Portrait")
        return Entry(
            index,
            kind,
            original_of(index),
            f"/{folder}/{index}.html",
            f"/images/{index}.jpg",
            studio,
            f"{noun} no. {index}",
            self,
        )

    def _list_page(self, number: int) -> Response:
        shown = self.entries[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
        items = "\n".join(
            f'<li><a class="item" href="{entry.page_path}">{html.escape(entry.caption)}</a></li>'
            for entry in shown
        )
        following = f'<a rel="next" href="?page={number + 1}">Next page</a>' if number < self.pages else ""
        return answer(HTML, page(f"Gallery, page {number}", f"<ul>\n{items}\n</ul>\n{following}"))

    def _item_page(self, entry: Entry) -> bytes:
        based = entry.index % 5 == 3
        head = '<base href="/">' if based else ""
        source = entry.image_path.lstrip("/") if based else f"..{entry.image_path}"
        tags = "".join(f'<li><a rel="tag" href="/gallery/">{html.escape(tag)}</a></li>' for tag in entry.tags)
        body = (
            f'<figure><img class="full" src="{source}" alt="{html.escape(entry.caption)}">\n'
            f'<figcaption class="caption">{html.escape(entry.caption)}</figcaption></figure>\n'
            f'<p>By <span class="author">{html.escape(entry.author)}</span>, '
            f'<a rel="license" href="{LICENCE_URL}">{LICENCE}</a></p>\n<ul class="tags">{tags}</ul>'
        )
        return page(entry.caption, body, head)

    def _image(self, entry: Entry) -> bytes:
        quality = 72 + entry.index % 5 if entry.kind == "near-duplicate" else 90
        data = jpeg(self.picture(entry).pixels, quality)
        return data[: len(data) * 2 // 5] if entry.kind == "broken" else data


def _varied(picture: Picture, index: int) -> Picture:
    """The picture cropped by a few percent, slightly rescaled and shifted in brightness, truth included."""
    rng = np.random.default_rng([index, 3])
    height, width = picture.pixels.shape[:2]
    left, top, right, bottom = (int(v) for v in rng.integers(2, 14, 4))
    cropped = picture.pixels[top : height - bottom, left : width - right]
    size = round(width * rng.uniform(0.92, 1.04)), round(height * rng.uniform(0.92, 1.04))
    resized = cv2.resize(cropped, size, interpolation=cv2.INTER_AREA)
    shift = float(rng.uniform(-12, 12))
    pixels = np.clip(resized.astype(np.float32) + np.float32(shift), 0, 255).astype(np.uint8)
    scale = np.array([size[0] / cropped.shape[1], size[1] / cropped.shape[0]])
    return Picture(pixels, tuple(_moved(face, np.array([left, top]), scale) for face in picture.faces))


def _moved(face: Face, offset: np.ndarray, scale: np.ndarray) -> Face:
    points = (face.landmarks_68 - offset + 0.5) * scale - 0.5
    return Face(
        points,
        face_box(points),
        face.skin_rgb,
        face.hair_rgb,
        face.left_eye_rgb,
        face.right_eye_rgb,
        face.yaw_deg,
        face.pitch_deg,
        face.roll_deg,
        face.findable,
    )
