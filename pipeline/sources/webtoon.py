"""Naver Webtoon: the cuts of comics, episode by episode. They are copyrighted, and no licence is given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import urljoin, urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pipeline.crawl.failures import FetchProblem
from pipeline.crawl.references import ImageRef, Known, Refusal, Source
from pipeline.crawl.session import Page, Session, with_query
from pipeline.errors import UserError
from pipeline.params import Positive, Section
from pipeline.sources.gallery import image_link
from pipeline.sources.listings import Address, Listing, Said, Text

SECTIONS = {"WEBTOON": "webtoon", "CHALLENGE": "challenge", "BEST_CHALLENGE": "bestChallenge"}
CUTS = "#comic_view_area img"
HINTS = {
    401: "the title may be for adults only; this crawler does not sign in",
    403: "the title may be for adults only, or the site refuses this crawler",
}


class Episodes(Section):
    """A range of episodes by the number `no` in their address; both ends belong to it."""

    first: Positive = 1
    last: Positive | None = None

    @model_validator(mode="after")
    def _is_not_empty(self) -> Episodes:
        if self.last is not None and self.last < self.first:
            raise ValueError(f"the last episode ({self.last}) comes before the first ({self.first})")
        return self

    def __contains__(self, number: int) -> bool:
        return self.first <= number and (self.last is None or number <= self.last)


class Title(Section):
    """A comic by the number `titleId` in its address; `episodes` replaces the range of the whole source."""

    id: Positive
    episodes: Episodes | None = None


TitleEntry = Annotated[
    Title, BeforeValidator(lambda value: value if isinstance(value, dict | Title) else {"id": value})
]


class WebtoonOptions(Section):
    """Which comics: `titles` are numbers, or numbers with a range of their own: `{id: 1, episodes: {last: 9}}`.

    `episodes` is the range for all others. Nothing is crawled unless `acknowledge_unlicensed` says that the user
    knows whose the images are.
    """

    titles: Annotated[tuple[TitleEntry, ...], Field(min_length=1)]
    episodes: Episodes = Episodes()
    acknowledge_unlicensed: bool = False
    host: Address = "https://comic.naver.com"

    @field_validator("titles")
    @classmethod
    def _are_said_once(cls, titles: tuple[Title, ...]) -> tuple[Title, ...]:
        ids = [title.id for title in titles]
        if repeated := sorted({title for title in ids if ids.count(title) > 1}):
            raise ValueError(f"given more than once: {', '.join(map(str, repeated))}")
        return titles


class _Artist(Said):
    name: Text = None


class _Info(Said):
    """What the site's own pages ask about a title."""

    titleName: Text = None  # noqa: N815
    communityArtists: tuple[_Artist, ...] | None = None  # noqa: N815

    @property
    def author(self) -> str | None:
        """The names of those who made it."""
        names = (artist.name for artist in self.communityArtists or ())
        return ", ".join(dict.fromkeys(filter(None, names))) or None


class _Article(Said):
    """An episode."""

    no: Positive
    subtitle: Text = None
    charge: bool | None = None


class _PageInfo(Said):
    nextPage: int = 0  # noqa: N815


class _Articles(Said):
    """A page of a title's episodes; those of the second list can be read ahead for money."""

    webtoonLevelCode: Literal["WEBTOON", "CHALLENGE", "BEST_CHALLENGE"]  # noqa: N815
    articleList: tuple[_Article, ...]  # noqa: N815
    chargeFolderArticleList: tuple[_Article, ...] | None = None  # noqa: N815
    pageInfo: _PageInfo = _PageInfo()  # noqa: N815


class WebtoonSource(Source[WebtoonOptions]):
    """The cuts of episodes that can be read for nothing and without an account."""

    kind = "webtoon"
    terms = (
        "The images are copyrighted by the comics' authors and Naver, and no licence is given: whether they may be "
        "copied, even for research, depends on the law where you are; neither they nor what shows them may be "
        "published. The interface is not a public one, so robots.txt holds."
    )
    max_requests_per_s = 1
    Options = WebtoonOptions

    def discover(self, session: Session, known: Known) -> Iterator[ImageRef | Refusal]:
        """Yield one title after the other, its newest episode first, its cuts in the order of reading."""
        if not self.options.acknowledge_unlicensed:
            raise UserError(
                "acknowledge_unlicensed: the images are copyrighted and no licence is given; set this to true if "
                "you have the right to copy them, by permission or by the law where you are, and will not publish them"
            )
        infos = self._listing(session, "info", _Info)
        lists = self._listing(session, "", _Articles)
        for title in self.options.titles:
            info = infos.read({"titleId": title.id})
            if isinstance(info, Refusal):
                yield info
            else:
                yield from _Walk(self.options, title, info, session, known).follow(lists)

    def _listing(self, session: Session, name: str, answer: type[Any]) -> Listing[Any]:
        url = urljoin(self.options.host, f"/api/article/list{f'/{name}' if name else ''}")
        # Only the first title's listing can be the user's to put right; see Listing.
        return Listing(session, url, answer.model_validate, "titles.0", HINTS, api=False)


class _Walk:
    """The way through one title's episodes."""

    def __init__(
        self, options: WebtoonOptions, title: Title, info: _Info, session: Session, known: Known
    ) -> None:
        self.options = options
        self.title_id = title.id
        self.wanted = title.episodes or options.episodes
        self.info = info
        self.session = session
        self.known = known

    def follow(self, lists: Listing[_Articles]) -> Iterator[ImageRef | Refusal]:
        """Yield what the list pages lead to, the newest first, until nothing new can follow."""
        page = 1
        while page > 0:
            request = {"titleId": self.title_id, "page": page, "sort": "DESC"}
            answer = lists.read(request)
            if isinstance(answer, Refusal):
                yield answer
                return
            shown = [article for article in answer.articleList if article.no in self.wanted]
            paid = [article for article in shown if article.charge]
            if page == 1:
                paid += [a for a in answer.chargeFolderArticleList or () if a.no in self.wanted]
            address = with_query(urljoin(self.options.host, "/api/article/list"), request)
            for article in paid:
                yield Refusal(f"{address}#{article.no}", "no_file", "the episode is not free")
            free = {self._viewer(answer, article): article for article in shown if not article.charge}
            for viewer, article in free.items():
                yield from self._episode(viewer, article)
            if self._is_last(answer, free):
                return
            page = answer.pageInfo.nextPage

    def _viewer(self, answer: _Articles, article: _Article) -> str:
        section = SECTIONS[answer.webtoonLevelCode]
        return with_query(
            urljoin(self.options.host, f"/{section}/detail"), {"titleId": self.title_id, "no": article.no}
        )

    def _is_last(self, answer: _Articles, free: dict[str, _Article]) -> bool:
        """Say whether the list pages after this one hold nothing that is wanted and new."""
        if not answer.articleList or min(article.no for article in answer.articleList) <= self.wanted.first:
            return True
        # Of no images, `known` says whether pages that failed are to be read again, wherever they are listed.
        return bool(free) and all(map(self.known.page, free)) and self.known.images(())

    def _episode(self, viewer: str, article: _Article) -> Iterator[ImageRef | Refusal]:
        if self.known.page(viewer):
            return
        try:
            page = self.session.get_page(viewer)
        except FetchProblem as problem:
            yield Refusal(viewer, problem.reason, problem.detail, retry_after_s=problem.retry_after_s)
            return
        cuts = cuts_of(page)
        for number, url in enumerate(cuts, start=1):
            yield ImageRef(
                url,
                viewer,
                title=article.subtitle,
                author=self.info.author,
                licence="unlicensed",
                group=self.info.titleName or str(self.title_id),
                extra={"title_id": self.title_id, "episode": article.no, "cut": number},
            )
        if not cuts:
            yield Refusal(viewer, "no_image", "the page shows no cuts to those who do not sign in", viewer)


def cuts_of(page: Page) -> list[str]:
    """Return the URLs of an episode's cuts in the order of reading, without the site's own notices."""
    links = (image_link(image) for image in page.soup.select(CUTS))
    urls = (urljoin(page.url, link.strip()) for link in links if link)
    return list(dict.fromkeys(url for url in urls if _is_cut(url)))


def _is_cut(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and "/static/" not in parts.path
