"""Google's image search, by its official interface: needs a key and a search engine of the user's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from pipeline.crawl.references import ImageRef, Known, Refusal, Source
from pipeline.crawl.session import Session, with_query
from pipeline.errors import UserError
from pipeline.params import Section
from pipeline.sources.listings import Address, Listing, Queries, Said, Text

KEY_VARIABLE = "GOOGLE_API_KEY"
ENGINE_VARIABLE = "GOOGLE_SEARCH_ENGINE_ID"
RESULTS_PER_PAGE = 10
MAX_RESULTS = 100
HINTS = {
    400: f"is {KEY_VARIABLE} a valid key, and {ENGINE_VARIABLE} the id of a search engine?",
    403: f"is the Custom Search JSON API enabled for {KEY_VARIABLE}, and is its quota not used up?",
    429: "the quota of queries is used up (100 a day are free); try again tomorrow",
}
_RIGHT = r"cc_(?:publicdomain|attribute|sharealike|noncommercial|nonderived)"
Rights = Annotated[str, StringConstraints(pattern=rf"^[().|-]*{_RIGHT}(?:[().|-]+{_RIGHT})*[().|-]*$")]


class GoogleOptions(Section):
    """What to search for: a `query`, or several, each of which shows 100 images at most.

    `rights` filters by licence in Google's words: `cc_publicdomain`, `cc_attribute`, `cc_sharealike`,
    `cc_noncommercial`, `cc_nonderived`, put together as in `(cc_publicdomain|cc_attribute).-(cc_nonderived)`.
    `image_type` keeps to one sort of image. `api` is where a compatible interface is asked instead.
    """

    query: Queries
    rights: Rights | None = None
    image_type: Literal["clipart", "face", "lineart", "stock", "photo", "animated"] | None = None
    api: Address = "https://www.googleapis.com/customsearch/v1"


class _Image(Said):
    contextLink: Text = None  # noqa: N815
    width: int | None = None
    height: int | None = None


class _Item(Said):
    title: Text = None
    link: Text = None
    displayLink: Text = None  # noqa: N815
    mime: Text = None
    image: _Image = _Image()


class _Pages(Said):
    nextPage: tuple[Any, ...] = ()  # noqa: N815


class _Answer(Said):
    """A page of results (https://developers.google.com/custom-search/v1/reference/rest/v1/Search)."""

    queries: _Pages
    items: tuple[_Item, ...] = ()


class GoogleSource(Source[GoogleOptions]):
    """Images that Google finds; they lie on the sites that show them."""

    kind = "google"
    terms = (
        "A search result says nothing about rights: images are their owners', and whoever uses them has to ask, "
        "or to check the licence on the page. The interface has terms and a daily quota of its own, is closed to "
        "new customers, and ends on 1 January 2027."
    )
    max_requests_per_s = 1
    Options = GoogleOptions

    def discover(self, session: Session, known: Known) -> Iterator[ImageRef | Refusal]:
        """Yield the results of one query after the other; a page that fails ends the crawl, the quota is one."""
        listing = Listing(
            session,
            self.options.api,
            _Answer.model_validate,
            "query",
            HINTS,
            {"key": _key(), "cx": _engine()},
        )
        for query in self.options.query:
            for start in range(1, MAX_RESULTS + 1, RESULTS_PER_PAGE):
                request = self._request(query, start)
                answer = listing.read(request)
                if isinstance(answer, Refusal):
                    yield answer
                    return
                for position, item in enumerate(answer.items):
                    yield self._reference(
                        item, query, f"{with_query(self.options.api, request)}#item-{position}"
                    )
                if not answer.queries.nextPage:
                    break

    def _request(self, query: str, start: int) -> dict[str, Any]:
        return {
            "q": query,
            "searchType": "image",
            "imgType": self.options.image_type,
            "rights": self.options.rights,
            "safe": "active",
            "num": RESULTS_PER_PAGE,
            "start": start,
        }

    def _reference(self, item: _Item, query: str, name: str) -> ImageRef | Refusal:
        """Return an image; its licence is not known, and `extra.rights` says which filter it passed."""
        if not item.link:
            return Refusal(name, "no_file", "the result has no image", item.image.contextLink)
        extra = {
            "rights": self.options.rights,
            "site": item.displayLink,
            "mime": item.mime,
            "width_px": item.image.width,
            "height_px": item.image.height,
        }
        return ImageRef(
            item.link,
            item.image.contextLink,
            title=item.title,
            group=query,
            extra={name: value for name, value in extra.items() if value},
        )


def _key() -> str:
    return _from_environment(KEY_VARIABLE, "a key of the Custom Search JSON API")


def _engine() -> str:
    return _from_environment(
        ENGINE_VARIABLE, "the id of a Programmable Search Engine that searches for images"
    )


def _from_environment(variable: str, what: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise UserError(
            f"kind: google needs {what} in the environment variable {variable}: "
            "see https://developers.google.com/custom-search/v1/introduction"
        )
    return value
