"""The one place with sockets: pages and images, fetched politely and safely."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from email.message import Message
from functools import cached_property
from importlib.metadata import version
from ipaddress import IPv4Network, IPv6Network
from typing import Any, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

import requests
import tenacity
import urllib3
from bs4 import BeautifulSoup
from bs4.dammit import UnicodeDammit
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from requests.utils import default_headers

from pipeline.crawl.addresses import CheckedAdapter, Dialer
from pipeline.crawl.failures import (
    AddressRefused,
    BudgetSpent,
    DisallowedByRobots,
    FetchProblem,
    HttpError,
    NotFound,
    TooLarge,
    Unreachable,
)
from pipeline.crawl.politeness import (
    AGENT,
    HostPace,
    Robots,
    opts_out,
    page_opts_out,
    retry_after_s,
)

# Its debug lines show whole URLs, private parameters included.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

MAX_REDIRECTS = 5
REDIRECTS = {301, 302, 303, 307, 308}
TRANSIENT = {429, 500, 502, 503, 504}
ASKS_TO_WAIT = {429, 503}

Resource = TypeVar("Resource")


@dataclass(frozen=True)
class Caps:
    """How much, how long, how often: what one answer may cost, and what one host may be asked."""

    image_bytes: int = 20_000_000
    page_bytes: int = 2_000_000
    robots_bytes: int = 512_000
    connect_s: float = 10
    read_s: float = 20
    transfer_s: float = 120
    attempts: int = 3
    backoff_s: float = 1
    retry_after_s: float = 60
    requests_per_s: float = 2
    connections_per_host: int = 4


@dataclass(frozen=True)
class Budget:
    """What one crawl may use up; None is no bound.

    `pages` are list pages, `images` and `bytes` are those of images that were fetched.
    """

    images: int | None = None
    bytes: int | None = None
    pages: int | None = None
    minutes: float | None = None


@dataclass(frozen=True)
class Validators:
    """What a server gave to ask conditionally by (RFC 9110, 13.1)."""

    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True)
class NotModified:
    """The server's word that what was fetched before is still the same."""


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

    @cached_property
    def soup(self) -> BeautifulSoup:
        """The page as HTML, parsed once."""
        return BeautifulSoup(self.text, "lxml")


@dataclass(frozen=True)
class _Request:
    """What is sent beside the URL; what is `private` goes to the first host only, and into no record."""

    max_bytes: int
    obey: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    private_params: Mapping[str, str] = field(default_factory=dict)
    private_auth: tuple[str, str] | None = None

    def redirected(self) -> _Request:
        """Return the request as it goes on to where a redirect leads: without what is private."""
        return _Request(self.max_bytes, self.obey, self.headers)


class Session:
    """Fetches for one crawl, from many threads; use it as a context manager.

    `connect_to` works like curl's option of that name: it leads a host to an address and port, on this
    machine too, at any pace. `networks` are private networks that any host may lie in. Whatever else is not
    on the open internet is refused.
    """

    def __init__(
        self,
        contact: str = "",
        budget: Budget | None = None,
        connect_to: dict[str, tuple[str, int]] | None = None,
        caps: Caps | None = None,
        networks: Iterable[IPv4Network | IPv6Network] = (),
    ) -> None:
        self.budget = budget or Budget()
        self.connect_to = dict(connect_to or {})
        self.caps = caps or Caps()
        self.requests = 0
        self.bytes = 0
        self.pages = 0
        self._started = time.monotonic()
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_transient),
            wait=self._backoff,
            stop=tenacity.stop_after_attempt(self.caps.attempts),
            reraise=True,
        )
        self._lock = threading.Lock()
        self._pages_read: list[str] = []
        self._resources = ExitStack()
        self._dialer = self._resources.enter_context(Dialer(self.connect_to, networks))
        self._pace = HostPace(self.caps.connections_per_host)
        self._robots = Robots(self._read_robots)
        adapter = CheckedAdapter(self._dialer)
        self._resources.callback(adapter.close)
        self._http = _Http(adapter, user_agent(contact))

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self._resources.close()

    def enter(self, resource: AbstractContextManager[Resource]) -> Resource:
        """Enter a context that is left when the session ends, such as an archive that images come from."""
        return self._resources.enter_context(resource)

    def get_page(self, url: str, *, listing: bool = False) -> Page:
        """Fetch a page; raise `FetchProblem`, also where its robots meta tag keeps us from its images.

        A `listing` is one of the pages that the source turns: it counts against the budget of pages.
        """
        if listing:
            self._turn_page()
        answer = self._get(url, _Request(self.caps.page_bytes))
        page = Page(answer.url, _text(answer), answer.headers)
        if directive := page_opts_out(page.soup):
            raise DisallowedByRobots(f"meta robots: {directive}")
        self.note_read(url)
        return page

    def get_json(
        self,
        url: str,
        params: Mapping[str, Any] | None = None,
        *,
        api: bool,
        secrets: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Any:
        """Fetch a listing as JSON; it counts against the budget of pages. Raise `FetchProblem`.

        `api` says that the URL is a site's documented programming interface: its own terms hold there, not
        robots.txt, which speaks to crawlers of pages. `secrets` are parameters, and `auth` a name and a
        password, that appear nowhere but in the request.
        """
        address = with_query(url, params)
        self._turn_page()
        request = _Request(
            self.caps.page_bytes,
            obey=not api,
            headers={"Accept": "application/json"},
            private_params=secrets or {},
            private_auth=auth,
        )
        answer = self._get(address, request)
        try:
            value = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise HttpError(200, "the answer is no JSON") from None
        self.note_read(address)
        return value

    def get_image(
        self, url: str, referer: str | None = None, validators: Validators | None = None
    ) -> Answer | NotModified:
        """Fetch an image's bytes, whatever they are; raise `FetchProblem`.

        `referer` is the page that shows it. With `validators`, the answer may be that nothing has changed.
        """
        headers = {}
        if referer and referer.startswith(("http://", "https://")) and referer.isascii():
            headers["Referer"] = referer
        if validators and validators.etag:
            headers["If-None-Match"] = validators.etag
        if validators and validators.last_modified:
            headers["If-Modified-Since"] = validators.last_modified
        return self._follow_with_retries(url, _Request(self.caps.image_bytes, headers=headers))

    def note_read(self, url: str) -> None:
        """Note that a page, or a local list, was read: what was refused at it before is taken back."""
        with self._lock:
            self._pages_read.append(url)

    def take_pages_read(self) -> list[str]:
        """Return the URLs of the pages that were read since the last call."""
        with self._lock:
            taken, self._pages_read = self._pages_read, []
        return taken

    def _turn_page(self) -> None:
        with self._lock:
            if self.budget.pages is not None and self.pages >= self.budget.pages:
                raise BudgetSpent("pages")
            self.pages += 1

    def _read_robots(self, url: str) -> str:
        return _text(self._get(url, _Request(self.caps.robots_bytes, obey=False)))

    def _get(self, url: str, request: _Request) -> Answer:
        answer = self._follow_with_retries(url, request)
        if isinstance(answer, NotModified):
            raise HttpError(304)
        return answer

    def _follow_with_retries(self, url: str, request: _Request) -> Answer | NotModified:
        return self._retrying(self._follow, url, request)

    def _backoff(self, state: tenacity.RetryCallState) -> float:
        problem = state.outcome.exception() if state.outcome else None
        if isinstance(problem, FetchProblem) and problem.retry_after_s is not None:
            return 0  # the whole host pauses, see _refuse_status
        unit_s = self.caps.backoff_s
        return (tenacity.wait_exponential(unit_s) + tenacity.wait_random(0, unit_s))(state)

    def _follow(self, url: str, request: _Request) -> Answer | NotModified:
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._exchange(url, request)
            if not isinstance(answer, str):
                return answer
            url, request = answer, request.redirected()
        raise AddressRefused(f"more than {MAX_REDIRECTS} redirects")

    def _exchange(self, url: str, request: _Request) -> Answer | NotModified | str:
        """Ask once: return the answer, or the URL that it redirects to."""
        host = _host(url)
        delay_s = self._robots.check(url) if request.obey else 0.0
        self._check_time()
        interval_s = 0 if host in self.connect_to else max(delay_s, 1 / self.caps.requests_per_s)
        with self._pace.turn(host, interval_s), self._dialer.time_cap(self.caps.transfer_s) as exchange:
            with self._lock:
                self.requests += 1
            try:
                answer = self._ask(url, host, request)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                raise _too_slow() if exchange.expired else _problem_of(error) from None
            if exchange.expired:
                raise _too_slow()
            return answer

    def _check_time(self) -> None:
        minutes = (time.monotonic() - self._started) / 60
        if self.budget.minutes is not None and minutes >= self.budget.minutes:
            raise BudgetSpent("minutes")

    def _ask(self, url: str, host: str, request: _Request) -> Answer | NotModified | str:
        timeout = (self.caps.connect_s, self.caps.read_s)
        with self._http.get(url, request, timeout) as response:
            if response.status_code in REDIRECTS and "Location" in response.headers:
                return urljoin(url, response.headers["Location"])
            if response.status_code == 304:
                return NotModified()
            if response.status_code != 200:
                raise self._refuse_status(response, host)
            if request.obey and (directive := opts_out(response.raw.headers.getlist("X-Robots-Tag"))):
                raise DisallowedByRobots(f"X-Robots-Tag: {directive}")
            body = _read_body(response, request.max_bytes)
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
        self._pace.pause(host, min(wait_s, self.caps.retry_after_s))
        return HttpError(status, transient=wait_s <= self.caps.retry_after_s, retry_after_s=wait_s)


class _Http:
    """Sends single requests over pooled connections, as requests does, and leaves the rest to the session.

    There are no proxies, no .netrc and no redirects, nor what a `requests.Session` does for them each time.
    """

    def __init__(self, adapter: HTTPAdapter, user_agent: str) -> None:
        self._adapter = adapter
        self._headers = {**default_headers(), "User-Agent": user_agent}
        self._cookies = RequestsCookieJar()

    def get(self, url: str, request: _Request, timeout: tuple[float, float]) -> requests.Response:
        """Return an answer whose body is not read yet; use it as a context manager."""
        prepared = requests.PreparedRequest()
        prepared.prepare_method("GET")
        prepared.prepare_url(url, dict(request.private_params) or None)
        prepared.headers = CaseInsensitiveDict({**self._headers, **request.headers})
        if self._cookies:
            prepared.prepare_cookies(self._cookies)
        prepared.prepare_auth(request.private_auth, url)
        response = self._adapter.send(prepared, stream=True, timeout=timeout)
        if "Set-Cookie" in response.headers:
            extract_cookies_to_jar(self._cookies, prepared, response.raw)
        return response


def user_agent(contact: str) -> str:
    """Return the honest name that this crawler gives itself."""
    return f"{AGENT}/{version('likeness')}" + (f" (+{contact})" if contact else "")


def with_query(url: str, params: Mapping[str, Any] | None) -> str:
    """Return the URL with parameters added; those that are None are left out."""
    given = {name: value for name, value in (params or {}).items() if value is not None}
    return f"{url}{'&' if '?' in url else '?'}{urlencode(given)}" if given else url


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
    announced = response.headers.get("Content-Length", "").lstrip("0")
    too_many_digits = len(announced) > len(str(max_bytes))
    if announced.isdecimal() and (too_many_digits or int(announced) > max_bytes):
        raise TooLarge(max_bytes)
    body = response.raw.read(max_bytes + 1, decode_content=True)
    if len(body) > max_bytes:
        raise TooLarge(max_bytes)
    return body


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
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return Unreachable("no answer in time", transient=True)
    if isinstance(error, requests.exceptions.SSLError):
        return Unreachable("no safe TLS connection")
    if isinstance(error, urllib3.exceptions.DecodeError):
        return HttpError(200, "the content encoding is broken")
    if isinstance(error, ValueError):
        return AddressRefused("the URL is malformed")
    return Unreachable("the connection broke", transient=True)
