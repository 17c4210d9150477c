"""From a reference to a row: fetch the bytes, look at their header, hash them. Runs in threads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from requests.structures import CaseInsensitiveDict

from pipeline.crawl.describing import Describers
from pipeline.crawl.failures import BudgetSpent, FetchProblem
from pipeline.crawl.references import ImageRef, Refusal
from pipeline.crawl.session import NotModified, Session, Validators
from pipeline.images import ImageProblem


class Screen(Protocol):
    """Looks at an image before it is stored."""

    def refuse(self, data: bytes) -> tuple[str, str] | None:
        """Return the reason and the detail of a refusal, None where nothing speaks against the image."""


@dataclass(frozen=True)
class FetchedImage:
    """An image's row of `parts.RAW`, and what the next crawl compares it by."""

    row: dict[str, Any]
    last_modified: str | None
    version: str | None

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.row["bytes"])


@dataclass(frozen=True)
class Unchanged:
    """An image that the server says is still as it was stored."""

    url: str


Outcome = FetchedImage | Unchanged | Refusal


def fetch(
    source: str,
    ref: ImageRef,
    session: Session,
    describers: Describers,
    validators: Validators | None = None,
    screen: Screen | None = None,
) -> Outcome:
    """Fetch and describe an image; whatever goes wrong with it becomes a refusal.

    Raises `BudgetSpent` where the crawl's time is up.
    """
    try:
        if ref.local:
            return _row(source, ref, ref.local.read(), CaseInsensitiveDict(), describers, screen)
        answer = session.get_image(ref.url, ref.page_url, validators)
        if isinstance(answer, NotModified):
            return Unchanged(ref.url)
        return _row(source, ref, answer.body, answer.headers, describers, screen)
    except BudgetSpent:
        raise
    except (FetchProblem, ImageProblem) as problem:
        wait_s = problem.retry_after_s if isinstance(problem, FetchProblem) else None
        return Refusal(ref.url, problem.reason, problem.detail, ref.page_url, ref.version, wait_s)
    except Exception as error:
        return Refusal(ref.url, "failed", type(error).__name__, ref.page_url, ref.version)


def _row(
    source: str,
    ref: ImageRef,
    data: bytes,
    headers: CaseInsensitiveDict[str],
    describers: Describers,
    screen: Screen | None,
) -> FetchedImage | Refusal:
    image_id, header, phash = describers.describe(data)
    if screen and (verdict := screen.refuse(data)):
        return Refusal(ref.url, *verdict, ref.page_url, ref.version)
    row = {
        "image_id": image_id,
        "bytes": data,
        "url": ref.url,
        "page_url": ref.page_url,
        "source": source,
        "title": ref.title,
        "author": ref.author,
        "licence": ref.licence,
        "licence_url": ref.licence_url,
        "fetched_at": _utc(headers.get("Date")),
        "etag": headers.get("ETag"),
        "width_px": header.width_px,
        "height_px": header.height_px,
        "format": header.format,
        "phash": phash,
        "tags": list(ref.tags),
        "subject": ref.subject,
        "pair_id": ref.pair_id,
        "role": ref.role,
        "group": ref.group,
        "extra": json.dumps(ref.extra, ensure_ascii=False, sort_keys=True) if ref.extra else None,
    }
    return FetchedImage(row, headers.get("Last-Modified"), ref.version)


def _utc(date: str | None) -> str | None:
    """Return an HTTP date as ISO 8601 in UTC."""
    try:
        return parsedate_to_datetime(date).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if date else None
    except (ValueError, OverflowError):
        return None
