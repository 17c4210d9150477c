"""The one place with sockets: pages and images, fetched politely and safely."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import version
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import tenacity
import urllib3
from bs4.dammit import UnicodeDammit
from requests.structures import CaseInsensitiveDict

from pipeline.crawl.addresses import CheckedAdapter, Dialer
from pipeline.crawl.failures import (
    AddressRefused,
    DisallowedByRobots,
    FetchProblem,
    HttpError,
    NotFound,
    TooLarge,
    Unreachable,
)
from pipeline.crawl.politeness import AGENT, RateLimiter, Robots, opts_out, retry_after_s

CHUNK_BYTES = 64 * 1024
MAX_REDIRECTS = 5
REDIRECTS = {301, 302, 303, 307, 308}
TRANSIENT = {429, 500, 502, 503, 504}
ASKS_TO_WAIT = {429, 503}

Resource = TypeVar("Resource")


@dataclass(frozen=True)
class Caps:
    """How much, how long, how often: what one answer may cost, and what one host may be asked."""

    image_bytes: int = 20_000_000
    page_bytes: int = 5_000_000
    connect_s: float = 10
    read_s: float = 20
    transfer_s: float = 120
    attempts: int = 3
    backoff_s: float = 1
    retry_after_s: float = 60
    requests_per_s: float = 2


@dataclass(frozen=True)
class Answer:
    """What a server gave: the URL after redirects, the body, and the headers."""

    url: str
    body: bytes
    headers: CaseInsensitiveDict[str]


@dataclass(frozen=True)
class Page:
    """A page as text; `url` is where the redirects ended."""

    url: str
    text: str
    headers: CaseInsensitiveDict[str]


class Session:
    """Fetches for one crawl, from many threads; use it as a context manager.

    `connect_to` works like curl's option of that name: it leads a host to an address and port. Only such
    hosts may lie on this machine, and only they are asked at any pace. `max_pages` is how many list pages a
    source may turn.
    """

    def __init__(
        self,
        contact: str = "",
        max_pages: int | None = None,
        connect_to: dict[str, tuple[str, int]] | None = None,
        caps: Caps | None = None,
    ) -> None:
        self.max_pages = max_pages
        self.connect_to = dict(connect_to or {})
        self.caps = caps or Caps()
        self.requests = 0
        self.bytes = 0
        self._lock = threading.Lock()
        self._pages_read: list[str] = []
        self._resources = ExitStack()
        self._dialer = Dialer(self.connect_to)
        self._limiter = RateLimiter()
        self._robots = Robots(self._read_robots)
        self._http = self._resources.enter_context(_Http())
        self._http.headers["User-Agent"] = user_agent(contact)
        for scheme in ("http://", "https://"):
            self._http.mount(scheme, CheckedAdapter(self._dialer))

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self._resources.close()

    def enter(self, resource: AbstractContextManager[Resource]) -> Resource:
        """Enter a context that is left when the session ends, such as an archive that images come from."""
        return self._resources.enter_context(resource)

    def get_page(self, url: str) -> Page:
        """Fetch a page; raise `FetchProblem`."""
        answer = self._get(url, self.caps.page_bytes)
        with self._lock:
            self._pages_read.append(url)
        return Page(answer.url, _text(answer), answer.headers)

    def get_image(self, url: str) -> Answer:
        """Fetch an image's bytes, whatever they are; raise `FetchProblem`."""
        return self._get(url, self.caps.image_bytes)

    def take_pages_read(self) -> list[str]:
        """Return the URLs of the pages that were read since the last call."""
        with self._lock:
            taken, self._pages_read = self._pages_read, []
        return taken

    def _read_robots(self, url: str) -> str:
        return _text(self._get(url, self.caps.page_bytes, obey=False))

    def _get(self, url: str, max_bytes: int, obey: bool = True) -> Answer:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_transient),
            wait=self._backoff,
            stop=tenacity.stop_after_attempt(self.caps.attempts),
            reraise=True,
        )
        return retrying(self._follow, url, max_bytes, obey)

    def _backoff(self, state: tenacity.RetryCallState) -> float:
        problem = state.outcome.exception() if state.outcome else None
        if isinstance(problem, FetchProblem) and problem.retry_after_s is not None:
            return 0  # the whole host pauses, see _refuse_status
        unit_s = self.caps.backoff_s
        return (tenacity.wait_exponential(unit_s) + tenacity.wait_random(0, unit_s))(state)

    def _follow(self, url: str, max_bytes: int, obey: bool) -> Answer:
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._exchange(url, max_bytes, obey)
            if isinstance(answer, Answer):
                return answer
            url = answer
        raise AddressRefused(f"more than {MAX_REDIRECTS} redirects")

    def _exchange(self, url: str, max_bytes: int, obey: bool) -> Answer | str:
        """Ask once: return the answer, or the URL that it redirects to."""
        host = _host(url)
        delay_s = self._robots.check(url) if obey else 0.0
        local = host in self.connect_to
        self._limiter.wait(host, 0 if local else max(delay_s, 1 / self.caps.requests_per_s))
        with self._lock:
            self.requests += 1
        with self._dialer.time_cap(self.caps.transfer_s) as exchange:
            try:
                answer = self._ask(url, host, max_bytes, obey)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                raise _too_slow() if exchange.expired else _problem_of(error) from None
            if exchange.expired:
                raise _too_slow()
            return answer

    def _ask(self, url: str, host: str, max_bytes: int, obey: bool) -> Answer | str:
        timeout = (self.caps.connect_s, self.caps.read_s)
        with self._http.get(url, stream=True, allow_redirects=False, timeout=timeout) as response:
            if response.status_code in REDIRECTS and "Location" in response.headers:
                return urljoin(url, response.headers["Location"])
            if response.status_code != 200:
                raise self._refuse_status(response, host)
            if obey and (directive := opts_out(response.raw.headers.getlist("X-Robots-Tag"))):
                raise DisallowedByRobots(f"X-Robots-Tag: {directive}")
            body = _read_body(response, max_bytes)
        with self._lock:
            self.bytes += len(body)
        return Answer(url, body, response.headers)

    def _refuse_status(self, response: requests.Response, host: str) -> FetchProblem:
        status = response.status_code
        if status in (404, 410):
            return NotFound(f"HTTP {status}")
        wait_s = retry_after_s(response.headers.get("Retry-After")) if status in ASKS_TO_WAIT else None
        if wait_s is None:
            return HttpError(status, transient=status in TRANSIENT)
        self._limiter.pause(host, min(wait_s, self.caps.retry_after_s))
        return HttpError(status, transient=wait_s <= self.caps.retry_after_s, retry_after_s=wait_s)


class _Http(requests.Session):
    """A pooled session without proxies, .netrc and redirects of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        # requests would read the whole body of a redirect, without a cap, only to prepare the next request.
        return None


def user_agent(contact: str) -> str:
    """Return the honest name that this crawler gives itself."""
    return f"{AGENT}/{version('likeness')}" + (f" (+{contact})" if contact else "")


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise AddressRefused("the URL is malformed") from None
    if parts.scheme not in ("http", "https"):
        raise AddressRefused(f"the scheme is {parts.scheme[:20]!r}, neither http nor https")
    if not host:
        raise AddressRefused("the URL names no host")
    return host


def _read_body(response: requests.Response, max_bytes: int) -> bytes:
    announced = response.headers.get("Content-Length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise TooLarge(max_bytes)
    body = bytearray()
    for chunk in response.iter_content(CHUNK_BYTES):
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(max_bytes)
    return bytes(body)


def _text(answer: Answer) -> str:
    if not answer.body:
        return ""
    content_type = Message()
    content_type["Content-Type"] = answer.headers.get("Content-Type", "")
    charset = content_type.get_content_charset()
    known = [charset] if charset else []
    return UnicodeDammit(answer.body, known, is_html=True).unicode_markup or ""


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, FetchProblem) and error.transient


def _too_slow() -> FetchProblem:
    return Unreachable("the transfer took too long")


def _problem_of(error: Any) -> FetchProblem:
    cause = error.args[0] if error.args else None
    if isinstance(error, requests.Timeout) or isinstance(cause, urllib3.exceptions.ReadTimeoutError):
        return Unreachable("no answer in time", transient=True)
    if isinstance(error, requests.exceptions.SSLError):
        return Unreachable("no safe TLS connection")
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return HttpError(200, "the content encoding is broken")
    if isinstance(error, ValueError):
        return AddressRefused("the URL is malformed")
    return Unreachable("the connection broke", transient=True)
