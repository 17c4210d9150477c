"""A small web site on the loopback interface, with whatever answers a test wants, and a client for it."""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline import parts
from pipeline.crawl.failures import BudgetSpent
from pipeline.crawl.references import ImageRef, Known, NothingKnown, Refusal
from pipeline.crawl.retries import DAY_S
from pipeline.crawl.run import Settings, Summary, crawl
from pipeline.crawl.session import Budget, Caps, Session

HOST = "site.test"
SITE = f"http://{HOST}"
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
QUICK = {"backoff_s": 0.001, "connect_s": 2.0, "read_s": 2.0, "transfer_s": 5.0}


def png(number: int) -> bytes:
    """Return the bytes of a small picture; other numbers give other bytes."""
    image = Image.new("RGB", (24, 20), (number % 256, number // 256 % 256, 90))
    image.putpixel((3, 4), (255, 255, 255))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@dataclass(frozen=True)
class Reply:
    """What the site answers; an iterable body is sent piece by piece, without a length."""

    body: bytes | Iterable[bytes] = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def html(body: str, **headers: str) -> Reply:
    return Reply(body.encode(), headers={"Content-Type": "text/html; charset=utf-8"} | headers)


class LocalSite:
    """Answers by path; a callable is given the number of earlier requests for the path.

    An image with an ETag is answered with 304 where the request says that it has not changed.
    """

    def __init__(self) -> None:
        self.routes: dict[str, Reply | Callable[[int], Reply]] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.asked: Counter[str] = Counter()
        self.agents: set[str] = set()
        self.lock = threading.Lock()
        self.port = 0

    @property
    def images_asked(self) -> int:
        """How many requests were for images."""
        return sum(count for path, count in self.asked.items() if path.endswith(".png"))

    def answer(self, path: str, headers: dict[str, str]) -> Reply:
        with self.lock:
            earlier = self.asked[path]
            self.asked[path] += 1
            self.agents.add(headers.get("User-Agent", ""))
            self.headers[path] = headers
        reply = self.routes.get(path, Reply(b"no such page", 404))
        reply = reply(earlier) if callable(reply) else reply
        asked_for = headers.get("If-None-Match")
        return Reply(status=304) if asked_for and asked_for == reply.headers.get("ETag") else reply

    def gallery(self, numbers: Iterable[int], path: str = "/") -> None:
        """Show pictures on one page; each has its number as its URL."""
        chosen = list(numbers)
        items = "".join(f'<li><img src="/{number}.png"></li>' for number in chosen)
        self.routes[path] = html(f"<ul>{items}</ul>")
        for number in chosen:
            self.routes.setdefault(f"/{number}.png", Reply(png(number)))


@contextmanager
def serving(site: LocalSite) -> Iterator[LocalSite]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            reply = site.answer(self.path, dict(self.headers))
            pieces = [reply.body] if isinstance(reply.body, bytes) else reply.body
            length = {"Content-Length": str(len(reply.body))} if isinstance(reply.body, bytes) else {}
            self.send_response_only(reply.status)
            for name, value in ({"Date": DATE} | length | reply.headers).items():
                self.send_header(name, value)
            self.close_connection = not isinstance(reply.body, bytes)
            with suppress(OSError):
                self.end_headers()
                for piece in pieces:
                    self.wfile.write(piece)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of clients that were killed."""

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    site.port = server.server_address[1]
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


def client(site: LocalSite, budget: Budget | None = None, **caps: Any) -> Session:
    """Return a session that finds the site under its name, with short waits."""
    return Session("tests@example.org", budget, {HOST: ("127.0.0.1", site.port)}, Caps(**(QUICK | caps)))


def discovered(source: Any, session: Session) -> list[ImageRef | Refusal]:
    """Return what a source shows at its first crawl, as far as the session's budget reaches."""
    found: list[ImageRef | Refusal] = []
    with suppress(BudgetSpent):
        for item in source.discover(session, NothingKnown()):
            found.append(item)
    return found


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.days = 100.0

    def __call__(self) -> float:
        return self.days * DAY_S


class Listed:
    """A source that yields what it is given."""

    def __init__(self, *found: str | ImageRef | Refusal) -> None:
        self.found = [ImageRef(f"{SITE}{item}") if isinstance(item, str) else item for item in found]

    def discover(self, session: Session, known: Known) -> Iterator[ImageRef | Refusal]:
        yield from self.found


def crawl_into(
    folder: Path,
    source: Any,
    site: LocalSite,
    part_size: int = 4,
    budget: Budget | None = None,
    **settings: Any,
) -> Summary:
    """Crawl into `folder/raw`, with the state beside it."""
    with client(site, budget) as session:
        return crawl(
            "s",
            source,
            session,
            folder / "raw",
            folder / "s.sqlite",
            Settings(part_size=part_size, **settings),
        )


def stored(folder: Path) -> list[dict[str, Any]]:
    """Return all rows of all parts, in order."""
    return [row for part in parts.list_parts(folder / "raw") for row in parts.read_rows(part)]


def rejected(folder: Path) -> dict[str, tuple[str, str]]:
    """Return reason and detail by URL, without the site's name."""
    rows = parts.read_rows(folder / "raw" / "rejected.parquet")
    return {row["url"].removeprefix(SITE): (row["reason"], row["detail"]) for row in rows}


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file that the crawl left."""
    return {path.name: path.read_bytes() for path in sorted((folder / "raw").iterdir())}
