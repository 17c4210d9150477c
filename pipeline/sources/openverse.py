"""Openverse: openly licensed images of many sites, found by words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import urljoin

from pydantic import Field

from pipeline.crawl.references import ImageRef, Known, Refusal, Source
from pipeline.crawl.session import Session, with_query
from pipeline.params import Section
from pipeline.sources.listings import Address, Listing, Queries, Said, Text

# What those without an account are given: https://api.openverse.org/v1/#section/Register-and-Authenticate
RESULTS_PER_PAGE = 20
MAX_RESULTS = 240
HINTS = {
    401: "the interface gives out less to those without an account than it used to",
    429: "too many requests were made from this address; try again later",
}
LICENCE_NAMES = {"cc0": "CC0", "pdm": "Public Domain Mark"}


class OpenverseOptions(Section):
    """What to search for: a `query`, or several, each of which shows 240 images at most.

    `licences` are Openverse's names. Those that allow changes and commercial use are the default; add `by-nc` and
    `by-nc-sa` where the use is not commercial. Versions with `nd` forbid derived works: what is learnt from them
    may be one. `category` keeps to one sort of image. `api` is another instance's interface.
    """

    query: Queries
    licences: Annotated[
        tuple[
            Literal[
                "by",
                "by-nc",
                "by-nc-nd",
                "by-nc-sa",
                "by-nd",
                "by-sa",
                "cc0",
                "nc-sampling+",
                "pdm",
                "sampling+",
            ],
            ...,
        ],
        Field(min_length=1),
    ] = ("cc0", "pdm", "by", "by-sa")
    category: Literal["photograph", "illustration", "digitized_artwork"] | None = None
    api: Address = "https://api.openverse.org/v1/images/"


class _Tag(Said):
    name: Text = None


class _Result(Said):
    id: Text = None
    title: Text = None
    url: Text = None
    foreign_landing_url: Text = None
    creator: Text = None
    creator_url: Text = None
    license: Text = None
    license_version: Text = None
    license_url: Text = None
    attribution: Text = None
    provider: Text = None
    source: Text = None
    category: Text = None
    mature: bool | None = None
    tags: tuple[_Tag, ...] | None = None


class _Answer(Said):
    """A page of results (https://api.openverse.org/v1/#tag/images/operation/images_search)."""

    page_count: int
    results: tuple[_Result, ...]


class OpenverseSource(Source[OpenverseOptions]):
    """Images that Openverse finds; they lie on the sites that it knows."""

    kind = "openverse"
    terms = (
        "Every image has a free licence of its own, which is to be checked on the page that it comes from. "
        "Openverse's terms forbid to scrape its catalogue: search for what is needed, 240 results a query."
    )
    max_requests_per_s = 1
    Options = OpenverseOptions

    def discover(self, session: Session, known: Known) -> Iterator[ImageRef | Refusal]:
        """Yield the results of one query after the other, the best matches first."""
        listing = Listing(session, self.options.api, _Answer.model_validate, "query", HINTS)
        for query in self.options.query:
            yield from self._results(listing, query)

    def _results(self, listing: Listing[_Answer], query: str) -> Iterator[ImageRef | Refusal]:
        last = MAX_RESULTS // RESULTS_PER_PAGE
        for page in range(1, last + 1):
            answer = listing.read(self._request(query, page))
            if isinstance(answer, Refusal):
                yield answer
                return
            for position, result in enumerate(answer.results):
                yield self._reference(result, query, f"page-{page}-{position}")
            if page >= answer.page_count or not answer.results:
                return
        beyond = with_query(self.options.api, self._request(query, last + 1))
        yield Refusal(
            beyond, "no_file", f"without an account a query shows {MAX_RESULTS} results; use narrower ones"
        )

    def _request(self, query: str, page: int) -> dict[str, Any]:
        return {
            "q": query,
            "license": ",".join(self.options.licences),
            "category": self.options.category,
            "mature": "false",
            "page": page,
            "page_size": RESULTS_PER_PAGE,
        }

    def _reference(self, result: _Result, query: str, position: str) -> ImageRef | Refusal:
        page_url = result.foreign_landing_url
        if not result.url:
            name = (
                urljoin(self.options.api, f"{result.id}/") if result.id else f"{self.options.api}#{position}"
            )
            return Refusal(name, "no_file", "the result has no image", page_url)
        if result.license not in self.options.licences:
            return Refusal(result.url, "licence_excluded", result.license or "no licence is said", page_url)
        if result.mature:
            return Refusal(result.url, "unsafe", "Openverse marks it as mature", page_url)
        extra = {
            name: getattr(result, name) for name in ("id", "provider", "source", "creator_url", "attribution")
        }
        return ImageRef(
            result.url,
            page_url,
            title=result.title,
            author=result.creator,
            licence=licence_name(result.license, result.license_version),
            licence_url=result.license_url,
            tags=tuple(tag.name for tag in result.tags or () if tag.name),
            group=query,
            extra={name: value for name, value in extra.items() if value},
        )


def licence_name(code: str, version: str | None) -> str:
    """Return the usual short name of a licence: `by-sa` in version 4.0 is `CC BY-SA 4.0`."""
    name = LICENCE_NAMES.get(code, f"CC {code.upper()}")
    return f"{name} {version}" if version else name
