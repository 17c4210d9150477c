"""The demo kind: starts its own site on the loopback interface and crawls it like any other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from pipeline.crawl.references import ImageRef, Known, Refusal, Source
from pipeline.crawl.session import Session
from pipeline.params import Section
from pipeline.sources.demo.clinic import ClinicSite
from pipeline.sources.demo.site import DemoSite
from pipeline.sources.demo.surgery import Sittings
from pipeline.sources.demo.web import Site, serving
from pipeline.sources.gallery import Fields, GalleryOptions, GallerySource


class DemoOptions(Section):
    """What is drawn, how much of it, and from which seed.

    Of the style `surgery`, `count` is the number of cases: each has two pictures, of the roles `before` and `after`.
    `sittings` is for that style only: of `two`, the second picture has a little of another light, pose and dress, as
    a clinic's has; of `one`, the operation is all that differs.
    """

    style: Literal["portrait", "cartoon", "surgery"]
    count: Annotated[int, Field(ge=1, le=2000)]
    seed: int = 0
    sittings: Sittings = "two"

    @model_validator(mode="after")
    def _only_patients_sit_twice(self) -> DemoOptions:
        if "sittings" in self.model_fields_set and self.style != "surgery":
            raise ValueError(f"sittings: is for style surgery; style {self.style} shows everybody once")
        return self


class DemoSource(Source[DemoOptions]):
    """Procedural faces behind real pages."""

    kind = "demo"
    terms = "Rendered by this program; free of rights (CC0)."
    needs_limit = False
    Options = DemoOptions

    def discover(self, session: Session, known: Known) -> Iterator[ImageRef | Refusal]:
        """Serve the site until the session ends, and yield what its gallery shows."""
        site, gallery = _shown(self.options)
        host = urlsplit(gallery.start[0]).netloc
        session.connect_to[host] = ("127.0.0.1", session.enter(serving(site)))
        yield from GallerySource(gallery).discover(session, known)


def _shown(options: DemoOptions) -> tuple[Site, GalleryOptions]:
    """The site that the options ask for, and how its gallery is crawled."""
    if options.style == "surgery":
        return ClinicSite(options.count, options.seed, options.sittings), _cases(options.seed)
    return DemoSite(options.style, options.count, options.seed), _gallery(options.style)


def _gallery(style: str) -> GalleryOptions:
    return GalleryOptions(
        start=(f"http://demo-{style}s.demo.test/gallery/",),
        item="a.item",
        detail="a.item",
        image="img.full",
        next='a[rel="next"]',
        fields=Fields(title=".caption", author=".author", licence='a[rel="license"]', tags='a[rel="tag"]'),
    )


def _cases(seed: int) -> GalleryOptions:
    # A pair is known by its page's address: other seeds show other patients.
    return GalleryOptions(
        start=(f"http://demo-clinic-{seed}.demo.test/cases/",),
        item=".case-card",
        detail="a.case-link",
        pair={"before": "figure.before img", "after": "figure.after img"},
        next='a[rel="next"]',
        fields=Fields(title="h1", author=".author", licence='a[rel="license"]', tags=".procedure"),
    )
