"""From a reference to a row: fetch the bytes, look at their header, hash them. Runs in threads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from requests.structures import CaseInsensitiveDict

from pipeline.crawl.failures import FetchProblem
from pipeline.crawl.references import ImageRef, Refusal
from pipeline.crawl.session import Session
from pipeline.images import ImageProblem, perceptual_hash_of, read_header


@dataclass(frozen=True)
class FetchedImage:
    """An image's row of `parts.RAW`, and what the next crawl compares it by."""

    row: dict[str, Any]
    last_modified: str | None
    version: str | None


def fetch(source: str, ref: ImageRef, session: Session) -> FetchedImage | Refusal:
    """Fetch and describe an image; whatever goes wrong with it becomes a refusal."""
    try:
        return _describe(source, ref, session)
    except (FetchProblem, ImageProblem) as problem:
        wait_s = problem.retry_after_s if isinstance(problem, FetchProblem) else None
        return Refusal(ref.url, problem.reason, problem.detail, ref.page_url, ref.version, wait_s)
    except Exception as error:
        return Refusal(ref.url, "failed", type(error).__name__, ref.page_url, ref.version)


def _describe(source: str, ref: ImageRef, session: Session) -> FetchedImage:
    if ref.local:
        data, headers = ref.local.read(), CaseInsensitiveDict[str]()
    else:
        answer = session.get_image(ref.url)
        data, headers = answer.body, answer.headers
    header = read_header(data)
    row = {
        "image_id": hashlib.sha256(data).hexdigest(),
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
        "phash": perceptual_hash_of(data),
        "tags": list(ref.tags),
        "subject": ref.subject,
        "pair_id": ref.pair_id,
        "role": ref.role,
    }
    return FetchedImage(row, headers.get("Last-Modified"), ref.version)


def _utc(date: str | None) -> str | None:
    """Return an HTTP date as ISO 8601 in UTC."""
    try:
        return parsedate_to_datetime(date).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if date else None
    except ValueError:
        return None
