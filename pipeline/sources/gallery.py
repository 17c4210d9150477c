"""Galleries of HTML pages, described by CSS selectors."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any
from urllib.parse import urldefrag, urljoin

import soupsieve
from bs4.element import Tag
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from pipeline.crawl.failures import FetchProblem
from pipeline.crawl.references import ImageRef, Known, Refusal, Source
from pipeline.crawl.session import Session
from pipeline.errors import UserError
from pipeline.params import Section

EXCERPT_CHARS = 240
TRIED = 4  # images by which a selector that is right has matched something
LAZY_SRCSETS = ("data-srcset", "srcset")
LAZY_SOURCES = ("data-src", "data-original", "data-lazy-src", "src")
_CANDIDATE = re.compile(r"(\S*[^,\s])(?:\s+([\d.]+)[wx])?")


def _is_selector(text: str) -> str:
    try:
        soupsieve.compile(text)
    except soupsieve.SelectorSyntaxError as error:
        raise ValueError(f"{text!r} is no CSS selector: {str(error).splitlines()[0]}") from None
    return text


Selector = Annotated[str, AfterValidator(_is_selector), Field(description="a CSS selector")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+")]
Urls = Annotated[
    tuple[Url, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(min_length=1, description="a web address, or a list of them"),
]


def _has_page(text: str) -> str:
    if "{page}" not in text:
        raise ValueError("must hold {page} where the number of the page stands")
    return text


PagePattern = Annotated[Url, AfterValidator(_has_page)]


class Fields(Section):
    """Selectors of what a page says about an image, looked up where the image is.

    `title` is also the place for a caption.
    """

    title: Selector | None = None
    author: Selector | None = None
    licence: Selector | None = None
    tags: Selector | None = None


class GalleryOptions(Section):
    """Where a gallery starts, and the selectors of its items, images and links.

    An item shows images (`image`, every match), or one image per role (`pair`: role to selector). Where
    `detail` finds a link in an item, images and fields are looked up on the page that it leads to. The next list
    page is where the link `next` leads, or `pages` with {page} replaced by 2, 3, … until a page shows no item.
    `newest_first` says that new items appear in front: then a recrawl stops turning where all is known. `author`,
    `licence` and `licence_url` are for sites that say it once for all images.
    """

    start: Urls
    item: Selector
    image: Selector | None = None
    pair: Annotated[dict[str, Selector], Field(min_length=2)] | None = None
    next: Selector | None = None
    pages: PagePattern | None = None
    newest_first: bool = False
    detail: Selector | None = None
    fields: Fields = Fields()
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None

    @model_validator(mode="after")
    def _says_each_thing_once(self) -> GalleryOptions:
        if (self.image is None) == (self.pair is None):
            raise ValueError("give either image or pair")
        if self.next and self.pages:
            raise ValueError("give either next or pages")
        if self.pages and len(self.start) > 1:
            raise ValueError("pages continues one start; make one source of each gallery")
        for name in ("author", "licence"):
            if getattr(self, name) and getattr(self.fields, name):
                raise ValueError(f"give either {name} or fields.{name}")
        return self


class GallerySource(Source[GalleryOptions]):
    """A gallery on the web: list pages, items, and perhaps a page per item."""

    kind = "gallery"
    terms = "Whatever the site says: read its terms; faces of private persons need their consent."
    Options = GalleryOptions

    def discover(self, session: Session, known: Known) -> Iterator[ImageRef | Refusal]:
        """Yield the images in the order in which the pages show them."""
        walk = _Walk(self.options, session, known)
        for start in self.options.start:
            yield from walk.gallery(start)


class _Walk:
    """One way through the list pages, remembering what was visited and which selectors found something."""

    def __init__(self, options: GalleryOptions, session: Session, known: Known) -> None:
        self.options = options
        self.session = session
        self.known = known
        self.visited: set[str] = set()
        self.lists_seen: set[str] = set()
        self.misses: dict[str, str] = {}
        self.hits: set[str] = set()

    def gallery(self, start: str) -> Iterator[ImageRef | Refusal]:
        try:
            page = _HtmlPage(self.session, start, listing=True)
        except FetchProblem as problem:
            raise UserError(f"start: {start} cannot be read: {problem}") from None
        items = self.items(page)
        first = list(islice(items, TRIED))
        self.raise_misses()
        yield from first
        yield from items
        number = 1
        while not self.is_last(page) and (url := self.next_url(page, number)):
            number += 1
            try:
                page = _HtmlPage(self.session, url, listing=True)
            except FetchProblem as problem:
                if not (self.options.pages and problem.reason == "not_found"):
                    yield Refusal(url, problem.reason, problem.detail, page.url)
                return
            yield from self.items(page)

    def is_last(self, page: _HtmlPage) -> bool:
        """Say whether no list page after this one can hold anything new."""
        self.visited.add(page.url)
        items = page.soup.select(self.options.item)
        fingerprint = hashlib.sha256("".join(map(str, items)).encode()).hexdigest()
        if fingerprint in self.lists_seen or (self.options.pages and not items):
            return True
        self.lists_seen.add(fingerprint)
        return self.options.newest_first and self.is_known(page, items)

    def is_known(self, page: _HtmlPage, items: list[Tag]) -> bool:
        """Say whether finished crawls met all that a list page shows."""
        if self.options.detail:
            links = [self.detail_url(page, item) for item in items]
            # No image is asked about, but whether a page that failed is to be looked for further back.
            return all(link and self.known.page(link) for link in links) and self.known.images(())
        shown = [found.url for found in self.items(page) if isinstance(found, ImageRef)]
        return self.known.images(shown)

    def next_url(self, page: _HtmlPage, number: int) -> str | None:
        """Return the list page after page `number`, counted from 1; None where there is none."""
        if self.options.pages:
            return self.options.pages.replace("{page}", str(number + 1))
        if not self.options.next:
            return None
        link = page.soup.select_one(self.options.next)
        url = page.link(link.get("href")) if link else None
        return None if url in self.visited else url

    def items(self, page: _HtmlPage) -> Iterator[ImageRef | Refusal]:
        for position, item in enumerate(self.find("item", self.options.item, page, page.soup)):
            name = f"{page.url}#{item.get('id') or f'item-{position}'}"
            if self.options.detail is None:
                yield from self.images(page, item, name)
            elif url := self.detail_url(page, item):
                yield from self.detail(url, page)
            else:
                yield Refusal(name, "no_image", "the item has no link to its page", page.url)

    def detail_url(self, page: _HtmlPage, item: Tag) -> str | None:
        links = self.find("detail", self.options.detail or "", page, item)
        return page.link(links[0].get("href")) if links else None

    def detail(self, url: str, listed_on: _HtmlPage) -> Iterator[ImageRef | Refusal]:
        if url in self.visited or self.known.page(url):
            return
        self.visited.add(url)
        try:
            page = _HtmlPage(self.session, url)
        except FetchProblem as problem:
            yield Refusal(url, problem.reason, problem.detail, listed_on.url)
        else:
            yield from self.images(page, page.soup, url)

    def images(self, page: _HtmlPage, scope: Tag, name: str) -> Iterator[ImageRef | Refusal]:
        """Yield what an item shows; `name` is what an item without an image is called."""
        if self.options.pair:
            yield from self.pair(self.options.pair, page, scope, name)
            return
        found = self.find("image", self.options.image or "", page, scope)
        urls = [url for tag in found if (url := page.link(image_link(tag)))]
        about = self.about(page, scope)
        for url in urls:
            yield ImageRef(url, page.url, **about)
        if not urls:
            yield Refusal(name, "no_image", "the item shows no image", page.url)

    def pair(
        self, roles: dict[str, str], page: _HtmlPage, scope: Tag, name: str
    ) -> Iterator[ImageRef | Refusal]:
        urls: dict[str, str] = {}
        for role, selector in roles.items():
            found = self.find(f"pair.{role}", selector, page, scope)
            if url := page.link(image_link(found[0])) if found else None:
                urls[role] = url
        # Not by position: it would change when the site puts a new item in front.
        identity = name if self.options.detail else "\n".join(sorted(urls.values()))
        about = self.about(page, scope) | {"pair_id": hashlib.sha256(identity.encode()).hexdigest()[:16]}
        for role in roles:
            if role in urls:
                yield ImageRef(urls[role], page.url, role=role, **about)
            else:
                name_of_role = f"{name}{'-' if '#' in name else '#'}{role}"
                yield Refusal(name_of_role, "no_image", f"the item shows no image {role!r}", page.url)

    def about(self, page: _HtmlPage, scope: Tag) -> dict[str, Any]:
        """Return what is said about the images of an item, on its page or in the entry."""
        found = {
            name: self.find(f"fields.{name}", selector, page, scope)
            for name, selector in self.options.fields
            if selector
        }
        said = {name: text_of(tags[0]) for name, tags in found.items() if tags and name != "tags"}
        licence = found.get("licence")
        linked = page.link(licence[0].get("href")) if licence else None
        return {
            "title": said.get("title"),
            "author": self.options.author or said.get("author"),
            "licence": self.options.licence or said.get("licence"),
            "licence_url": self.options.licence_url or linked,
            "tags": tuple(text for tag in found.get("tags", ()) if (text := text_of(tag))),
        }

    def find(self, key: str, selector: str, page: _HtmlPage, scope: Tag) -> list[Tag]:
        """Return what a selector matches in `scope`, itself included, and note whether it ever matched."""
        found = [scope] if scope.css.match(selector) else list(scope.select(selector))
        if found:
            self.hits.add(key)
        elif key not in self.misses:
            around = nearest(scope, selector)
            self.misses[key] = f"{key}: {selector!r} matches nothing on {page.url}; nearest there: {around}"
        return found

    def raise_misses(self) -> None:
        """Raise `UserError` for selectors that were tried on the first page and never matched."""
        missed = [message for key, message in self.misses.items() if key not in self.hits]
        if missed:
            raise UserError("\n".join(missed))


class _HtmlPage:
    """A page that was read: the URL that was asked for, its HTML, and what its links are relative to."""

    def __init__(self, session: Session, url: str, listing: bool = False) -> None:
        page = session.get_page(url, listing=listing)
        self.url = url
        self.soup = page.soup
        base = self.soup.select_one("base[href]")
        self.base = urljoin(page.url, str(base["href"])) if base else page.url

    def link(self, reference: str | None) -> str | None:
        """Return the absolute URL of a link, without a fragment; None where it leads to no other document."""
        if not reference:
            return None
        try:
            url = urldefrag(urljoin(self.base, reference.strip())).url
        except ValueError:
            return None
        return url if url.startswith(("http://", "https://")) else None


def image_link(tag: Tag) -> str | None:
    """Return where an element's image lies: a link's target, or the largest that an `img` offers.

    Attributes of lazy loaders come before `src`, which holds their placeholder.
    """
    if tag.name in ("a", "link"):
        return tag.get("href")
    if tag.name == "meta":
        return tag.get("content")
    if tag.name not in ("img", "source"):
        tag = tag.find("img") or tag
    offers = [largest(str(tag[name])) for name in LAZY_SRCSETS if tag.get(name)]
    offers += [tag.get(name) for name in LAZY_SOURCES]
    return next((offer for offer in offers if offer and not offer.startswith("data:")), None)


def largest(srcset: str) -> str | None:
    """Return the URL with the largest width or density of a `srcset`.

    https://html.spec.whatwg.org/multipage/images.html#srcset-attributes
    """
    candidates = _CANDIDATE.findall(srcset)
    return max(candidates, key=lambda candidate: float(candidate[1] or 1))[0] if candidates else None


def text_of(tag: Tag) -> str | None:
    """Return an element's text on one line, or what it says in its attributes."""
    return " ".join(tag.get_text(" ").split()) or tag.get("content") or tag.get("alt") or tag.get("title")


def nearest(scope: Tag, selector: str) -> str:
    """Return the start of the HTML where the longest beginning of a selector still matches."""
    words = selector.split()
    for count in range(len(words) - 1, 0, -1):
        try:
            found = scope.select_one(" ".join(words[:count]))
        except soupsieve.SelectorSyntaxError:
            continue
        if found:
            return _excerpt(found)
    return _excerpt(scope.find("body") or scope)


def _excerpt(tag: Tag) -> str:
    html = " ".join(str(tag).split())
    return html if len(html) <= EXCERPT_CHARS else html[:EXCERPT_CHARS] + "…"
