"""What the demo's sites have in common: HTTP answers, plain pages, kept images, and a server on the loopback."""

import hashlib
import html
import io
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Protocol

from PIL import Image

from .truth import Pixels

DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
HTML = "text/html; charset=utf-8"
LICENCE = "CC0 1.0"
LICENCE_URL = "https://creativecommons.org/publicdomain/zero/1.0/"
ROBOTS_TXT = "User-agent: *\nDisallow: /private/\n"
_KEPT_IMAGES = 64


@dataclass(frozen=True)
class Response:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Site(Protocol):
    """Whatever answers requests by their path."""

    def respond(self, path: str) -> Response:
        """The answer to GET `path`."""


class KeptImages:
    """The images that were asked for last, encoded; safe to ask from several threads."""

    def __init__(self) -> None:
        self._images: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, path: str, make: Callable[[], bytes]) -> bytes:
        """The image kept under a path, made where there is none."""
        with self._lock:
            if (kept := self._images.get(path)) is not None:
                self._images.move_to_end(path)
                return kept
        data = make()
        with self._lock:
            self._images[path] = data
            while len(self._images) > _KEPT_IMAGES:
                self._images.popitem(last=False)
        return data


def jpeg(pixels: Pixels, quality: int) -> bytes:
    """The picture as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def page(title: str, body: str, head: str = "") -> bytes:
    """A page of HTML under its title."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">{head}'
        f"<title>{html.escape(title)}</title></head>\n"
        f"<body>\n<h1>{html.escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    ).encode()


def page_number(query: dict[str, list[str]], pages: int) -> int | None:
    """The list page that a query asks for, the first where it names none; None where there is no such page."""
    number = query.get("page", ["1"])[0]
    return int(number) if number.isdecimal() and 1 <= int(number) <= pages else None


def answer(content_type: str, body: bytes, status: int = 200) -> Response:
    """An answer that is a pure function of its body: the date is fixed, the entity tag a hash."""
    headers = {
        "Date": DATE,
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
        "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
    }
    return Response(status, headers, body)


def robots_txt() -> Response:
    """What crawlers may fetch: all but /private/."""
    return answer("text/plain; charset=utf-8", ROBOTS_TXT.encode())


def not_found() -> Response:
    """The answer where nothing is."""
    return answer(HTML, page("Not found", "<p>Nothing here.</p>"), 404)


class _QuietServer(ThreadingHTTPServer):
    """A server that keeps it to itself when a client goes away in the middle."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def serving(site: Site) -> Iterator[int]:
    """Serve the site on a free port of 127.0.0.1, yielding the port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._send(with_body=True)

        def do_HEAD(self) -> None:
            self._send(with_body=False)

        def _send(self, with_body: bool) -> None:
            response = site.respond(self.path)
            unchanged = (
                response.status == 200 and self.headers.get("If-None-Match") == response.headers["ETag"]
            )
            self.send_response_only(304 if unchanged else response.status)
            for name, value in response.headers.items():
                if not (unchanged and name.startswith("Content-")):
                    self.send_header(name, value)
            self.end_headers()
            if with_body and not unchanged:
                self.wfile.write(response.body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = _QuietServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
