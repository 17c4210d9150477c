"""What a source says: references to images, refusals, and the class that every kind of source extends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel

from pipeline.crawl.session import Session


@dataclass(frozen=True)
class LocalFile:
    """Bytes on this machine, read when they are needed; `version` changes whenever they may have changed.

    `read` raises `FetchProblem` where the bytes cannot be had.
    """

    version: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class ImageRef:
    """An image that a source knows of, and what the source says about it; `url` identifies it.

    `group` is what the funnel is counted by within a source, such as the title of a comic. `tags` that a site
    keeps by category are written `category:tag`. `extra` holds whatever else the source says, as JSON values.
    `checksum` is the site's own checksum of the bytes, with its name in front (`sha1:…`): an image is fetched
    again when it changes, and not at all where another URL with the same one was stored.
    """

    url: str
    page_url: str | None = None
    title: str | None = None
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    tags: tuple[str, ...] = ()
    subject: str | None = None
    pair_id: str | None = None
    role: str | None = None
    group: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    checksum: str | None = None
    local: LocalFile | None = None

    @property
    def version(self) -> str | None:
        """What changes whenever the bytes do: the version of a local file, a site's checksum, or nothing."""
        return self.local.version if self.local else self.checksum


@dataclass(frozen=True)
class Refusal:
    """Something that a source knows of and that cannot be had; `reason` is one of `reasons.REASONS`."""

    url: str
    reason: str
    detail: str
    page_url: str | None = None
    version: str | None = None
    retry_after_s: float | None = None


class Known(Protocol):
    """What earlier crawls met, as far as a source may rely on it: the crawls that came to their end.

    What an interrupted crawl met is not counted, so that a source that stops early leaves no holes.
    """

    def images(self, urls: Iterable[str]) -> bool:
        """Say whether all these images are known: in a list that is newest first, no later page has news."""

    def page(self, url: str) -> bool:
        """Say whether the page of an item was read before; what it shows need not be yielded again."""


class NothingKnown:
    """The first crawl's knowledge."""

    def images(self, urls: Iterable[str]) -> bool:
        """No image is known."""
        return False

    def page(self, url: str) -> bool:
        """No page is known."""
        return False


OptionsT = TypeVar("OptionsT", bound=BaseModel)


class Source(ABC, Generic[OptionsT]):
    """One kind of place that images come from.

    A kind names itself, declares its options, and says in `discover` what it shows. It opens no socket:
    pages come from the session, and the images are fetched by the crawl. `terms` says in a sentence or two
    under which terms the images can be had and used. A kind that could go on for ever `needs_limit` in its
    entry; `max_requests_per_s` is what the site's own terms allow.
    """

    kind: ClassVar[str]
    terms: ClassVar[str]
    needs_limit: ClassVar[bool] = True
    max_requests_per_s: ClassVar[float | None] = None
    Options: type[OptionsT]

    def __init__(self, options: OptionsT) -> None:
        self.options = options

    @abstractmethod
    def discover(self, session: Session, known: Known) -> Iterator[ImageRef | Refusal]:
        """Yield what the source shows, in a stable order; where the order is newest first, stop at what is known.

        Raise `UserError` with lines of the form `option: what is wrong with it` where an option does not fit
        what is found.
        """
