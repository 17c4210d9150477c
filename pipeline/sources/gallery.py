"""Galleries of HTML pages, described by CSS selectors."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urldefrag, urljoin

import soupsieve
from bs4 import BeautifulSoup
from bs4.element import Tag
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from pipeline.crawl.failures import FetchProblem
from pipeline.crawl.references import ImageRef, Refusal, Source
from pipeline.crawl.session import Session
from pipeline.errors import UserError
from pipeline.params import Section

EXCERPT_CHARS = 240
LAZY_SRCSETS = ("data-srcset", "srcset")
LAZY_SOURCES = ("data-src", "data-original", "data-lazy-src", "src")
_CANDIDATE = re.compile(r"(\S*[^,\s])(?:\s+([\d.]+)[wx])?")


def _is_selector(text: str) -> str:
    try:
        soupsieve.compile(text)
    except soupsieve.SelectorSyntaxError as error:
        raise ValueError(f"{text!r} is no CSS selector: {str(error).splitlines()[0]}") from None
    return text


Selector = Annotated[str, AfterValidator(_is_selector)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+")]
Urls = Annotated[
    tuple[Url, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(min_length=1),
]


class Fields(Section):
    """Selectors of what a page says about an image, looked up where the image is."""

    title: Selector | None = None
    author: Selector | None = None
    licence: Selector | None = None
    tags: Selector | None = None


class GalleryOptions(Section):
    """Where a gallery starts, and the selectors of its items, images and links.

    An item shows images (`image`, every match), or one image per role (`pair`: role to selector). Where
    `detail` finds a link in an item, images and fields are looked up on the page that it leads to. `author`,
    `licence` and `licence_url` are for sites that say it once for all images.
    """

    start: Urls
    item: Selector
    image: Selector | None = None
    pair: Annotated[dict[str, Selector], Field(min_length=2)] | None = None
    next: Selector | None = None
    detail: Selector | None = None
    fields: Fields = Fields()
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None

    @model_validator(mode="after")
    def _says_each_thing_once(self) -> GalleryOptions:
        if (self.image is None) == (self.pair is None):
            raise ValueError("give either image or pair")
        for name in ("author", "licence"):
            if getattr(self, name) and getattr(self.fields, name):
                raise ValueError(f"give either {name} or fields.{name}")
        return self


class GallerySource(Source[GalleryOptions]):
    """A gallery on the web: list pages, items, and perhaps a page per item."""

    kind = "gallery"
    Options = GalleryOptions

    def discover(self, session: Session) -> Iterator[ImageRef | Refusal]:
        """Yield the images in the order in which the pages show them."""
        walk = _Walk(self.options, session)
        for start in self.options.start:
            yield from walk.gallery(start)


class _Walk:
    """One way through the list pages, remembering what was visited and which selectors found something."""

    def __init__(self, options: GalleryOptions, session: Session) -> None:
        self.options = options
        self.session = session
        self.pages_left = session.max_pages
        self.visited: set[str] = set()
        self.lists_seen: set[str] = set()
        self.misses: dict[str, str] = {}
        self.hits: set[str] = set()

    def gallery(self, start: str) -> Iterator[ImageRef | Refusal]:
        try:
            page = _HtmlPage(self.session, start)
        except FetchProblem as problem:
            raise UserError(f"start: {start} cannot be read: {problem}") from None
        first = list(self.items(page))
        self.raise_misses()
        yield from first
        yield from self.following(page)

    def following(self, page: _HtmlPage) -> Iterator[ImageRef | Refusal]:
        while url := self.next_url(page):
            try:
                page = _HtmlPage(self.session, url)
            except FetchProblem as problem:
                yield Refusal(url, problem.reason, problem.detail, page.url)
                return
            yield from self.items(page)

    def next_url(self, page: _HtmlPage) -> str | None:
        """Return the next list page, None at the end: no link, nothing new on this page, or no budget."""
        self.visited.add(page.url)
        shown = "".join(map(str, page.soup.select(self.options.item)))
        fingerprint = hashlib.sha256(shown.encode()).hexdigest()
        if fingerprint in self.lists_seen or self.pages_left == 1 or not self.options.next:
            return None
        self.lists_seen.add(fingerprint)
        if self.pages_left:
            self.pages_left -= 1
        link = page.soup.select_one(self.options.next)
        url = page.link(link.get("href")) if link else None
        return None if url in self.visited else url

    def items(self, page: _HtmlPage) -> Iterator[ImageRef | Refusal]:
        for position, item in enumerate(self.find("item", self.options.item, page, page.soup)):
            name = f"{page.url}#{item.get('id') or f'item-{position}'}"
            if self.options.detail is None:
                yield from self.images(page, item, name)
                continue
            links = self.find("detail", self.options.detail, page, item)
            if url := page.link(links[0].get("href")) if links else None:
                yield from self.detail(url, page)
            else:
                yield Refusal(name, "no_image", "the item has no link to its page", page.url)

    def detail(self, url: str, listed_on: _HtmlPage) -> Iterator[ImageRef | Refusal]:
        if url in self.visited:
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

    def __init__(self, session: Session, url: str) -> None:
        page = session.get_page(url)
        self.url = url
        self.soup = BeautifulSoup(page.text, "lxml")
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
