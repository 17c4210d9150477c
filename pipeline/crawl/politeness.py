"""What a site asks of crawlers: robots.txt, opt-out headers, and the pace of requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from bs4 import BeautifulSoup
from protego import Protego

from pipeline.crawl.failures import (
    AddressRefused,
    DisallowedByRobots,
    FetchProblem,
    HttpError,
    NotFound,
    Unreachable,
)

AGENT = "likeness"
OPT_OUTS = {"noai", "noimageai", "none"}
MAX_CRAWL_DELAY_S = 60.0


def opts_out(header_lines: Iterable[str]) -> str | None:
    """Return the directive of `X-Robots-Tag` lines that keeps this crawler out, or None.

    A directive may be meant for one crawler only: `otherbot: noai` does not concern this one.
    https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag#xrobotstag
    """
    for line in header_lines:
        addressee = AGENT
        for directive in line.lower().split(","):
            name, colon, value = directive.strip().partition(":")
            if colon:
                addressee = name.strip()
            word = (value if colon else name).strip()
            if addressee == AGENT and word in OPT_OUTS:
                return word
    return None


def page_opts_out(page: BeautifulSoup) -> str | None:
    """Return the directive of a page's robots meta tags that keeps this crawler from its images, or None."""
    for tag in page.select("meta[name][content]"):
        if tag["name"].strip().lower() in ("robots", AGENT):
            words = {word.strip() for word in tag["content"].lower().split(",")}
            if found := sorted(words & OPT_OUTS):
                return found[0]
    return None


def retry_after_s(value: str | None) -> float | None:
    """Return the seconds that a `Retry-After` header asks for: a number or a date (RFC 9110, 10.2.3)."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


class Robots:
    """The robots.txt of every origin met, each read once by `read`, which raises `FetchProblem`.

    https://www.rfc-editor.org/rfc/rfc9309.html#section-2.3.1: without a robots.txt (4xx) all is allowed;
    while the server fails (5xx, 429) or cannot be reached, nothing is.
    """

    def __init__(self, read: Callable[[str], str]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._known: dict[str, Protego | FetchProblem] = {}

    def check(self, url: str) -> float:
        """Return the seconds to leave between requests to the URL's host; raise where it is disallowed."""
        rules = self._rules_of(url)
        if isinstance(rules, FetchProblem):
            raise _of_robots(rules) from rules
        if not rules.can_fetch(url, AGENT):
            raise DisallowedByRobots("robots.txt disallows it")
        delay = float(rules.crawl_delay(AGENT) or 0)
        if delay > MAX_CRAWL_DELAY_S:
            raise DisallowedByRobots(f"robots.txt asks for {delay:g} s between requests")
        return delay

    def _rules_of(self, url: str) -> Protego | FetchProblem:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        with self._lock:
            lock = self._locks.setdefault(origin, threading.Lock())
        with lock:
            if origin not in self._known:
                self._known[origin] = self._load(origin)
            return self._known[origin]

    def _load(self, origin: str) -> Protego | FetchProblem:
        try:
            return Protego.parse(self._read(f"{origin}/robots.txt"))
        except NotFound:
            return Protego.parse("")
        except FetchProblem as problem:
            absent = isinstance(problem, HttpError) and 400 <= problem.status < 500 and problem.status != 429
            return Protego.parse("") if absent else problem


def _of_robots(problem: FetchProblem) -> FetchProblem:
    kind = type(problem) if isinstance(problem, AddressRefused | Unreachable) else DisallowedByRobots
    detail = problem.detail if kind is AddressRefused else f"robots.txt: {problem.detail}"
    return kind(detail, retry_after_s=problem.retry_after_s)


@dataclass
class _Host:
    """When a host may be asked next, and how many may ask it at once."""

    slots: threading.Semaphore
    next_free: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class HostPace:
    """Spaces the requests to each host and bounds how many run at once, whichever threads make them."""

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}

    @contextmanager
    def turn(self, host: str, interval_s: float) -> Iterator[None]:
        """Wait until the host may be asked, and hold one of its connections meanwhile."""
        with self._host(host).slots:
            self._wait(host, interval_s)
            yield

    def pause(self, host: str, seconds: float) -> None:
        """Ask nothing more of the host for so many seconds."""
        known = self._host(host)
        with known.lock:
            known.next_free = max(known.next_free, time.monotonic() + seconds)

    def _host(self, host: str) -> _Host:
        with self._lock:
            if host not in self._hosts:
                self._hosts[host] = _Host(threading.Semaphore(self._connections))
            return self._hosts[host]

    def _wait(self, host: str, interval_s: float) -> None:
        known = self._host(host)
        with known.lock:
            now = time.monotonic()
            turn = max(now, known.next_free)
            known.next_free = turn + interval_s
        if turn > now:
            time.sleep(turn - now)
