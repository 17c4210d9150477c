"""A small gallery site of procedural faces: what it lists, how it answers, and a server for it."""

import hashlib
import html
import io
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
from PIL import Image

from . import cartoons, portraits
from .plan import entry_kind, original_of
from .truth import Face, Picture, Pixels, face_box

Style = Literal["portrait", "cartoon"]
PAGE_SIZE = 24
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
LICENCE = "CC0 1.0"
LICENCE_URL = "https://creativecommons.org/publicdomain/zero/1.0/"
_STUDIOS = (
    "Studio Lindenhof",
    "Atelier Nordwind",
    "Papermoon Works",
    "Kleine Sonne Pictures",
    "Harbour Lane Art",
)
_KEPT_IMAGES = 64


@dataclass(frozen=True)
class Response:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


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
        self._images: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    @property
    def robots_txt(self) -> str:
        """What crawlers may fetch."""
        return "User-agent: *\nDisallow: /private/\n"

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
            return _answer("text/plain; charset=utf-8", self.robots_txt.encode())
        if parts.path in ("/", "/gallery/"):
            return self._list_page(parse_qs(parts.query).get("page", ["1"])[0])
        if entry := self._by_page.get(parts.path):
            return _answer("text/html; charset=utf-8", self._item_page(entry).encode())
        if entry := self._by_image.get(parts.path):
            return _answer("image/jpeg", self._image(entry))
        return _not_found()

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

    def _list_page(self, number: str) -> Response:
        if not number.isdecimal() or not 1 <= int(number) <= self.pages:
            return _not_found()
        page = int(number)
        shown = self.entries[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        items = "\n".join(
            f'<li><a class="item" href="{entry.page_path}">{html.escape(entry.caption)}</a></li>'
            for entry in shown
        )
        following = f'<a rel="next" href="?page={page + 1}">Next page</a>' if page < self.pages else ""
        body = _page(f"Gallery, page {page}", f"<ul>\n{items}\n</ul>\n{following}")
        return _answer("text/html; charset=utf-8", body.encode())

    def _item_page(self, entry: Entry) -> str:
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
        return _page(entry.caption, body, head)

    def _image(self, entry: Entry) -> bytes:
        with self._lock:
            if (kept := self._images.get(entry.image_path)) is not None:
                self._images.move_to_end(entry.image_path)
                return kept
        near = entry.kind == "near-duplicate"
        data = _jpeg(self.picture(entry).pixels, 72 + entry.index % 5 if near else 90)
        data = data[: len(data) * 2 // 5] if entry.kind == "broken" else data
        with self._lock:
            self._images[entry.image_path] = data
            while len(self._images) > _KEPT_IMAGES:
                self._images.popitem(last=False)
        return data


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


def _jpeg(pixels: Pixels, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _page(title: str, body: str, head: str = "") -> str:
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">{head}'
        f"<title>{html.escape(title)}</title></head>\n"
        f"<body>\n<h1>{html.escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def _answer(content_type: str, body: bytes, status: int = 200) -> Response:
    headers = {
        "Date": DATE,
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
        "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
    }
    return Response(status, headers, body)


def _not_found() -> Response:
    return _answer("text/html; charset=utf-8", _page("Not found", "<p>Nothing here.</p>").encode(), 404)


class _QuietServer(ThreadingHTTPServer):
    """A server that keeps it to itself when a client goes away in the middle."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def serving(site: DemoSite) -> Iterator[int]:
    """Serve the site on a free port of 127.0.0.1, yielding the port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._send(with_body=True)

        def do_HEAD(self) -> None:
            self._send(with_body=False)

        def _send(self, with_body: bool) -> None:
            response = site.respond(self.path)
            unchanged = (
                response.status == 200 and self.headers.get("If-None-Match") == response.headers["ETag"]
            )
            self.send_response_only(304 if unchanged else response.status)
            for name, value in response.headers.items():
                if not (unchanged and name.startswith("Content-")):
                    self.send_header(name, value)
            self.end_headers()
            if with_body and not unchanged:
                self.wfile.write(response.body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = _QuietServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
