"""Wikimedia Commons: the files of a category or of a search, with licence and author of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import quote, urljoin

from bs4 import BeautifulSoup
from pydantic import BeforeValidator, Field, model_validator

from pipeline.crawl.failures import HttpError
from pipeline.crawl.references import ImageRef, Known, Refusal, Source
from pipeline.crawl.session import Session
from pipeline.errors import UserError
from pipeline.params import Section
from pipeline.sources.listings import Address, Listing, Said, Text, Words

FILES_PER_PAGE = 50
MAX_LAG_S = 5
IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp", "image/tiff", "image/bmp", "image/x-bmp")
METADATA = (
    "LicenseShortName",
    "LicenseUrl",
    "Artist",
    "ObjectName",
    "Categories",
    "Credit",
    "AttributionRequired",
    "Restrictions",
)
LICENCE_CONDITIONS = {"nc", "nd", "sa"}


class CommonsOptions(Section):
    """Which files: a `category` (its own files, not those of its subcategories), or a `search`.

    A search knows Commons' own words, such as `filetype:bitmap` or `incategory:"…"`, and shows the best matches
    first unless `sort` is `newest`. `licences` are short names without a version (`CC0`, `CC BY`, `CC BY-SA`,
    `Public domain`): other files are refused. `width_px` asks for scaled renderings, in a width that Commons
    keeps (https://www.mediawiki.org/wiki/Common_thumbnail_sizes); smaller files come as they are. `api` is
    another wiki's interface.
    """

    category: Words | None = None
    search: Words | None = None
    sort: Literal["relevance", "newest"] = "relevance"
    licences: Annotated[tuple[Words, ...], Field(min_length=1)] | None = None
    width_px: Literal[250, 330, 500, 960, 1280, 1920, 3840] | None = None
    api: Address = "https://commons.wikimedia.org/w/api.php"

    @model_validator(mode="after")
    def _says_which_files(self) -> CommonsOptions:
        if (self.category is None) == (self.search is None):
            raise ValueError("give either category or search")
        if self.category and self.sort != "relevance":
            raise ValueError("sort belongs to search; a category is read newest first")
        return self


class _Value(Said):
    value: Text = None


class _File(Said):
    """What `prop=imageinfo` says of a file (https://www.mediawiki.org/wiki/API:Imageinfo)."""

    url: Text = None
    descriptionurl: Text = None
    thumburl: Text = None
    sha1: Text = None
    mime: Text = None
    user: Text = None
    timestamp: Text = None
    # An empty mapping is written as an empty list there.
    extmetadata: Annotated[dict[str, _Value], BeforeValidator(lambda value: value or {})] = Field(default={})

    def about(self, name: str) -> str | None:
        """Return a field of its description page as plain text."""
        field = self.extmetadata.get(name)
        return plain_text(field.value) if field and field.value else None


class _Page(Said):
    pageid: int
    title: str
    index: int = 0
    imageinfo: tuple[_File, ...] = ()


class _Query(Said):
    pages: tuple[_Page, ...] = ()


class _Error(Said):
    code: str
    info: str = ""
    lag: float = 0


class _Answer(Said):
    """An answer of `action=query` in its format version 2 (https://www.mediawiki.org/wiki/API:Query)."""

    query: _Query = _Query()
    following: dict[str, str | int] = Field(default={}, alias="continue")
    batchcomplete: bool = False
    error: _Error | None = None


class CommonsSource(Source[CommonsOptions]):
    """Files of Wikimedia Commons, or of a wiki like it."""

    kind = "commons"
    terms = (
        "Every file has a free licence of its own, which most often asks for the author's name; people in "
        "pictures keep their personality rights. Wikimedia asks for slow requests and a contact in the User-Agent."
    )
    max_requests_per_s = 1
    Options = CommonsOptions

    def discover(self, session: Session, known: Known) -> Iterator[ImageRef | Refusal]:
        """Yield the files; where the newest come first, stop after a page that shows known ones only."""
        newest_first = bool(self.options.category) or self.options.sort == "newest"
        option = "category" if self.options.category else "search"
        files_seen = False
        for batch in self._batches(Listing(session, self.options.api, _parse, option)):
            if isinstance(batch, Refusal):
                yield batch
                return
            found = [self._reference(page) for page in batch]
            yield from found
            files_seen = files_seen or bool(found)
            if newest_first and found and known.images([item.url for item in found]):
                return
        if not files_seen:
            raise UserError(
                f"{option}: {self._what!r} shows no files at {self.options.api}; is it spelt right?"
            )

    @property
    def _what(self) -> str:
        if self.options.search:
            return self.options.search
        return "Category:" + (self.options.category or "").removeprefix("Category:")

    def _request(self) -> dict[str, Any]:
        if self.options.category:
            # gcmtype=file would be ignored: https://www.mediawiki.org/wiki/API:Categorymembers
            listed = {
                "generator": "categorymembers",
                "gcmtitle": self._what,
                "gcmnamespace": 6,
                "gcmsort": "timestamp",
                "gcmdir": "desc",
                "gcmlimit": FILES_PER_PAGE,
            }
        else:
            listed = {
                "generator": "search",
                "gsrsearch": self._what,
                "gsrnamespace": 6,
                "gsrsort": {"relevance": "relevance", "newest": "create_timestamp_desc"}[self.options.sort],
                "gsrlimit": FILES_PER_PAGE,
            }
        return {
            "action": "query",
            "format": "json",
            "formatversion": 2,
            "maxlag": MAX_LAG_S,
            **listed,
            "prop": "imageinfo",
            "iiprop": "url|size|sha1|mime|user|timestamp|extmetadata",
            "iiextmetadatafilter": "|".join(METADATA),
            "iiurlwidth": self.options.width_px,
        }

    def _batches(self, listing: Listing[_Answer]) -> Iterator[list[_Page] | Refusal]:
        """Yield the listed pages once all that was asked about them is said, which can take several answers.

        https://www.mediawiki.org/wiki/API:Continue
        """
        request = self._request()
        following: dict[str, str | int] = {}
        pages: dict[int, _Page] = {}
        while True:
            answer = listing.read(request | following)
            if isinstance(answer, Refusal):
                yield answer
                return
            for page in answer.query.pages:
                if page.imageinfo or page.pageid not in pages:
                    pages[page.pageid] = page
            if answer.batchcomplete or not answer.following:
                yield sorted(pages.values(), key=lambda page: page.index)
                pages = {}
            if not answer.following:
                return
            following = answer.following

    def _reference(self, page: _Page) -> ImageRef | Refusal:
        file = page.imageinfo[0] if page.imageinfo else _File()
        page_url = file.descriptionurl or urljoin(
            self.options.api, f"/wiki/{quote(page.title.replace(' ', '_'), safe=':')}"
        )
        if not file.url:
            return Refusal(page_url, "no_file", "the page has no file", page_url)
        if file.mime not in IMAGE_TYPES:
            return Refusal(file.url, "not_an_image", f"its type is {file.mime}", page_url)
        licence = file.about("LicenseShortName")
        if self.options.licences and not any(is_licence(licence, name) for name in self.options.licences):
            return Refusal(file.url, "licence_excluded", licence or "no licence is said", page_url)
        licence_url = file.about("LicenseUrl")
        return ImageRef(
            self._rendering(file) or file.url,
            page_url,
            title=file.about("ObjectName") or _title(page.title),
            author=file.about("Artist"),
            licence=licence,
            licence_url=urljoin(self.options.api, licence_url) if licence_url else None,
            tags=tuple(f"category:{name}" for name in (file.about("Categories") or "").split("|") if name),
            extra=_extra(file),
            checksum=self._checksum(file),
        )

    def _rendering(self, file: _File) -> str | None:
        return file.thumburl if self.options.width_px else None

    def _checksum(self, file: _File) -> str | None:
        """Return the file's checksum; that of a rendering says which file and which width it is of."""
        scaled = self._rendering(file) not in (None, file.url)
        return file.sha1 and f"sha1{f'-{self.options.width_px}px' if scaled else ''}:{file.sha1}"


def plain_text(html: str) -> str | None:
    """Return what is seen of a piece of HTML, on one line; None where that is nothing."""
    soup = BeautifulSoup(f"<p>{html}</p>", "lxml")
    for hidden in soup.select('[style*="display:none"], [style*="display: none"]'):
        hidden.decompose()
    return " ".join(soup.get_text().split()) or None


def is_licence(name: str | None, short: str) -> bool:
    """Say whether a licence's name is `short`, in any version: `CC BY` is `CC BY 4.0` and not `CC BY-SA 4.0`."""
    words, wanted = _words(name or ""), _words(short)
    following = words[len(wanted) :][:1]
    return words[: len(wanted)] == wanted and not LICENCE_CONDITIONS.intersection(following)


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\s_-]+", name.casefold()) if word]


def _title(page_title: str) -> str:
    return re.sub(r"\.\w+$", "", page_title.partition(":")[2] or page_title)


def _extra(file: _File) -> dict[str, Any]:
    said = {
        "credit": file.about("Credit"),
        "restrictions": file.about("Restrictions"),
        "uploader": file.user,
        "uploaded_at": file.timestamp,
    }
    required = file.about("AttributionRequired")
    given: dict[str, Any] = {name: value for name, value in said.items() if value}
    return given | ({"attribution_required": required == "true"} if required else {})


def _parse(value: Any) -> _Answer:
    """Read an answer; errors come with the HTTP status 200 (https://www.mediawiki.org/wiki/API:Errors_and_warnings).

    `maxlag` is how the site says that it is too busy for crawlers: https://www.mediawiki.org/wiki/Manual:Maxlag_parameter
    """
    answer = _Answer.model_validate(value)
    if error := answer.error:
        if error.code == "maxlag":
            raise HttpError(
                200, "the site is too busy (maxlag); try again later", retry_after_s=max(error.lag, MAX_LAG_S)
            )
        raise HttpError(200, f"{error.code}: {error.info}" if error.info else error.code)
    return answer
