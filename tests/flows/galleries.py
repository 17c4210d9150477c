"""A gallery on a site of its own that changes as real ones do: more pictures, other pictures, new HTML, errors."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image

from pipeline.sources.demo.plan import face_count, is_hidden
from pipeline.sources.demo.portraits import draw
from tests.crawl.local_site import LocalSite, Reply, html

Drawn = Callable[[int], bytes]


def usual(number: int) -> bytes:
    """Return a picture that looks like no other number's, sharp enough for the catalogue."""
    return _squares(number, 0, 256)


def placeholder(number: int) -> bytes:
    """Return a pale picture, as sites show where they have no other; each number's differs."""
    return _squares(number, 190, 256)


def portrait(number: int) -> bytes:
    """Return a portrait of one person, whom a detector finds."""
    alone = [index for index in range(50) if face_count(index) == 1 and not is_hidden(index)]
    pixels = draw(seed=number, index=alone[number % len(alone)]).pixels
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((256, 256)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _squares(number: int, darkest: int, brightest: int) -> bytes:
    squares = np.random.default_rng(number).integers(darkest, brightest, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(squares).resize((96, 96), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


class Gallery:
    """What a source's site shows at /NAME/, the newest last."""

    def __init__(self, site: LocalSite, name: str, count: int = 0) -> None:
        self.site = site
        self.name = name
        self.shown: list[str] = []
        self.add(count)

    def add(self, count: int, drawn: Drawn = usual) -> None:
        """Show so many more pictures."""
        first = 1000 * sum(self.name.encode()) + len(self.shown)
        for number in range(first, first + count):
            path = f"/{self.name}/{number}.png"
            self.site.routes[path] = Reply(drawn(number))
            self.shown.append(path)
        self.lay_out()

    def lay_out(self, item: str = "figure", pictures: list[str] | None = None) -> None:
        """Show the pictures, or others at other paths, each in an element of this name."""
        items = (f'<{item}><img src="{path}"></{item}>' for path in pictures or self.shown)
        self.site.routes[f"/{self.name}/"] = html("".join(items))

    @contextmanager
    def down(self) -> Iterator[None]:
        """Answer every request with an error of the server."""
        routes = self.site.routes
        self.site.routes = _Errors()
        try:
            yield
        finally:
            self.site.routes = routes


class _Errors(dict[str, Any]):
    """Routes of a site that is down."""

    def get(self, path: str, default: object = None) -> Reply:
        return Reply(b"out of order", 500)
