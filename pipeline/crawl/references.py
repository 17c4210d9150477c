"""What a source says: references to images, refusals, and the class that every kind of source extends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

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
    """An image that a source knows of, and what the source says about it; `url` identifies it."""

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
    local: LocalFile | None = None

    @property
    def version(self) -> str | None:
        """The version of a local file; None for what lies on a server."""
        return self.local.version if self.local else None


@dataclass(frozen=True)
class Refusal:
    """Something that a source knows of and that cannot be had; `reason` is one of `reasons.REASONS`."""

    url: str
    reason: str
    detail: str
    page_url: str | None = None
    version: str | None = None
    retry_after_s: float | None = None


OptionsT = TypeVar("OptionsT", bound=BaseModel)


class Source(ABC, Generic[OptionsT]):
    """One kind of place that images come from.

    A kind names itself, declares its options, and says in `discover` what it shows. It opens no socket:
    pages come from the session, and the images are fetched by the crawl.
    """

    kind: ClassVar[str]
    Options: type[OptionsT]

    def __init__(self, options: OptionsT) -> None:
        self.options = options

    @abstractmethod
    def discover(self, session: Session) -> Iterator[ImageRef | Refusal]:
        """Yield what the source shows, in a stable order.

        Raise `UserError` with lines of the form `option: what is wrong with it` where an option does not fit
        what is found.
        """
