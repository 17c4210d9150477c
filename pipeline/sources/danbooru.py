"""Danbooru, and sites that run its software: anime pictures with tags that people have set."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urljoin, urlsplit

from pydantic import BeforeValidator, Field, TypeAdapter, field_validator

from pipeline.crawl.references import ImageRef, Known, Refusal, Source
from pipeline.crawl.session import Session, with_query
from pipeline.errors import UserError
from pipeline.params import Section
from pipeline.sources.listings import Address, Listing, Queries, Said, Text

OFFICIAL_HOST = "https://danbooru.donmai.us"
LOGIN_VARIABLE = "DANBOORU_LOGIN"
KEY_VARIABLE = "DANBOORU_API_KEY"
HOST_VARIABLE = "DANBOORU_HOST"
POSTS_PER_PAGE = 200
IMAGE_TYPES = ("jpg", "jpeg", "png", "gif", "webp")
CATEGORIES = ("general", "artist", "character", "copyright", "meta")
HINTS = {
    401: f"are {LOGIN_VARIABLE} and {KEY_VARIABLE} those of an account of this host?",
    403: "the site refuses this crawler or this account: is crawl.contact set, and may the key read posts?",
    422: "the site does not take this search; without an account two tags are allowed, with a Gold account six, "
    f"metatags such as status: not counted: use fewer, or set {LOGIN_VARIABLE} and {KEY_VARIABLE}",
}
# Other orders than newest first cannot be paged by id.
_RESERVED = re.compile(r"(?:^|[\s(~-])(rating|order|ord\w+|random|limit):", re.IGNORECASE)
_MD5 = re.compile(r"[0-9a-f]{32}")

Rating = Literal["g", "s", "q", "e"]


class DanbooruOptions(Section):
    """What to search for, in the site's own words (https://danbooru.donmai.us/wiki_pages/help:cheatsheet).

    `tags` is a search, or a list whose terms must all hold. `rating` says which pictures are wanted: `g` general,
    `s` sensitive, `q` questionable, `e` explicit. `host` is another site with the same interface.
    """

    tags: Queries
    rating: Annotated[
        frozenset[Rating],
        BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
        Field(min_length=1),
    ] = frozenset({"g"})
    host: Address = OFFICIAL_HOST

    @field_validator("tags")
    @classmethod
    def _leave_rating_and_order_alone(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        if found := _RESERVED.search(" ".join(tags)):
            name = found[1].lower()
            instead = "give it as the option rating" if name == "rating" else "posts are read newest first"
            raise ValueError(f"{name}: does not belong here: {instead}")
        return tags


Number = Annotated[int | None, BeforeValidator(lambda value: value if type(value) is int else None)]
Flag = Annotated[bool, BeforeValidator(lambda value: value is True)]


class _Post(Said):
    """A post, as far as it is shown to whoever asks (https://danbooru.donmai.us/wiki_pages/api:posts)."""

    id: Number = None
    created_at: Text = None
    rating: Text = None
    score: Number = None
    source: Text = None
    md5: Text = None
    file_url: Text = None
    file_ext: Text = None
    image_width: Number = None
    image_height: Number = None
    is_deleted: Flag = False
    is_banned: Flag = False
    tag_string_general: Text = None
    tag_string_artist: Text = None
    tag_string_character: Text = None
    tag_string_copyright: Text = None
    tag_string_meta: Text = None

    @property
    def type(self) -> str:
        """The file's type, as the ending of its name."""
        return (self.file_ext or PurePosixPath(urlsplit(self.file_url or "").path).suffix[1:]).lower()

    def tags(self, category: str) -> list[str]:
        """Return the tags of one of `CATEGORIES`."""
        return (getattr(self, f"tag_string_{category}") or "").split()


_POSTS = TypeAdapter(tuple[_Post, ...])


class DanbooruSource(Source[DanbooruOptions]):
    """The posts that a search finds, newest first; videos and animations are refused."""

    kind = "danbooru"
    terms = (
        "The site states no licence: pictures belong to their artists, who are named in `author` and whose page "
        "is `extra.source`; ask them before anything is published. Ten requests a second are allowed."
    )
    max_requests_per_s = 10
    Options = DanbooruOptions

    def discover(self, session: Session, known: Known) -> Iterator[ImageRef | Refusal]:
        """Yield the posts by falling id; stop after a page that shows known ones only.

        Pages are told apart by the smallest id seen, since numbered ones end early and shift when posts are added.
        """
        address = urljoin(self._host, "posts.json")
        account = account_of(self.options.host)
        listing = Listing(session, address, _POSTS.validate_python, "tags", HINTS, auth=account)
        before: int | None = None
        while True:
            request = self._request(before)
            posts = listing.read(request)
            if isinstance(posts, Refusal):
                yield posts
                return
            if not posts and before is None:
                raise UserError(f"tags: {self._search!r} finds no post at {self._host}; is it spelt right?")
            page = with_query(address, request)
            found = [self._reference(post, f"{page}#post-{place}") for place, post in enumerate(posts)]
            yield from found
            ids = [post.id for post in posts if post.id]
            if not ids or known.images([item.url for item in found]):
                return
            before = min(ids)

    @property
    def _host(self) -> str:
        return self.options.host.rstrip("/") + "/"

    @property
    def _search(self) -> str:
        wanted = [rating for rating in get_args(Rating) if rating in self.options.rating]
        every = len(wanted) == len(get_args(Rating))
        return " ".join((*self.options.tags, *(() if every else (f"rating:{','.join(wanted)}",))))

    def _request(self, before: int | None) -> dict[str, Any]:
        return {
            "tags": self._search,
            "limit": POSTS_PER_PAGE,
            "page": None if before is None else f"b{before}",
        }

    def _reference(self, post: _Post, name: str) -> ImageRef | Refusal:
        """Return a post's image; `name` is what a post without an id is called."""
        if not post.id:
            return Refusal(name, "no_file", "the post is hidden from those without an account")
        page_url = urljoin(self._host, f"posts/{post.id}")
        if reason := self._refusal(post):
            return Refusal(page_url, *reason, page_url)
        extra = {
            "post_id": post.id,
            "rating": post.rating,
            "score": post.score,
            "source": post.source,
            "uploaded_at": post.created_at,
            "width_px": post.image_width,
            "height_px": post.image_height,
        }
        return ImageRef(
            urljoin(self._host, post.file_url or ""),
            page_url,
            author=", ".join(post.tags("artist")) or None,
            tags=tuple(f"{category}:{tag}" for category in CATEGORIES for tag in post.tags(category)),
            extra={name: value for name, value in extra.items() if value is not None},
            checksum=f"md5:{post.md5}" if post.md5 and _MD5.fullmatch(post.md5) else None,
        )

    def _refusal(self, post: _Post) -> tuple[str, str] | None:
        """Return why a post's file cannot be had or is not wanted; None where it can."""
        if post.is_deleted or post.is_banned:
            return "no_file", f"the post is {'deleted' if post.is_deleted else 'banned'}"
        if not post.file_url:
            return "no_file", "the file is hidden from those without an account of a higher level"
        if post.type not in IMAGE_TYPES:
            return "not_an_image", f"its type is {post.type or 'not said'}"
        if post.rating not in self.options.rating:
            return "unsafe", f"its rating is {post.rating or 'not said'}"
        return None


def account_of(host: str) -> tuple[str, str] | None:
    """Return the name and the key that the environment holds for a host; None where it holds none.

    They are never sent elsewhere: an account is one of the official site unless DANBOORU_HOST names another.
    """
    account_host = os.environ.get(HOST_VARIABLE, "").strip() or OFFICIAL_HOST
    if host.rstrip("/") != account_host.rstrip("/"):
        return None
    login, key = (os.environ.get(name, "").strip() for name in (LOGIN_VARIABLE, KEY_VARIABLE))
    if bool(login) != bool(key):
        given, missing = (LOGIN_VARIABLE, KEY_VARIABLE) if login else (KEY_VARIABLE, LOGIN_VARIABLE)
        raise UserError(
            f"kind: danbooru: the environment holds {given} but not {missing}; set both to sign in, or neither"
        )
    return (login, key) if login else None
