"""The demo kind: starts its own gallery site on the loopback interface and crawls it like any other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from pipeline.crawl.references import ImageRef, Known, Refusal, Source
from pipeline.crawl.session import Session
from pipeline.params import Section
from pipeline.sources.demo.site import DemoSite, serving
from pipeline.sources.gallery import Fields, GalleryOptions, GallerySource


class DemoOptions(Section):
    """What is drawn, how much of it, and from which seed."""

    style: Literal["portrait", "cartoon"]
    count: Annotated[int, Field(ge=1, le=2000)]
    seed: int = 0


class DemoSource(Source[DemoOptions]):
    """Procedural faces behind real pages."""

    kind = "demo"
    terms = "Rendered by this program; free of rights (CC0)."
    needs_limit = False
    Options = DemoOptions

    def discover(self, session: Session, known: Known) -> Iterator[ImageRef | Refusal]:
        """Serve the site until the session ends, and yield what its gallery shows."""
        options = self.options
        host = f"demo-{options.style}s.demo.test"
        port = session.enter(serving(DemoSite(options.style, options.count, options.seed)))
        session.connect_to[host] = ("127.0.0.1", port)
        yield from GallerySource(_gallery(f"http://{host}/gallery/")).discover(session, known)


def _gallery(start: str) -> GalleryOptions:
    return GalleryOptions(
        start=(start,),
        item="a.item",
        detail="a.item",
        image="img.full",
        next='a[rel="next"]',
        fields=Fields(title=".caption", author=".author", licence='a[rel="license"]', tags='a[rel="tag"]'),
    )
