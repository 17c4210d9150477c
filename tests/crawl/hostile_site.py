"""Servers that do whatever a crawler must survive, byte by byte; run as a module, it crawls them and says what it cost.

`python -m tests.crawl.hostile_site FOLDER PORT TLS_PORT` crawls into FOLDER.
"""

from __future__ import annotations

import gzip
import json
import resource
import socket
import ssl
import struct
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.crawl.references import ImageRef
from pipeline.crawl.run import Settings, crawl
from pipeline.crawl.session import Caps, Session
from tests.crawl.local_site import Listed, png

GOOD = [f"http://good.test/{number}.png" for number in range(6)]
NAMES = {"private.test": ["10.0.0.7"], "loopback.test": ["127.0.0.1"], "mixed.test": ["127.0.0.1", "1.1.1.1"]}
NOT_PUBLIC = "the address is not a public one; see allow_networks"
Script = Callable[[socket.socket], None]


def answer(
    body: bytes = b"", *headers: str, status: str = "200 OK", length: int | str | None = None
) -> bytes:
    """Return an answer's bytes; a `length` is announced whatever the body's is."""
    announced = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {announced}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def say(data: bytes) -> Script:
    return lambda client: client.sendall(data)


def redirect(target: str) -> Script:
    return say(answer(b"", f"Location: {target}", status="302 Found"))


def endless(piece: bytes, start: bytes = b"HTTP/1.1 200 OK\r\n", pause_s: float = 0) -> Script:
    """Send `start`, then `piece` for ever."""

    def script(client: socket.socket) -> None:
        client.sendall(start)
        while True:
            client.sendall(piece)
            time.sleep(pause_s)

    return script


def reset(client: socket.socket) -> None:
    """Break off in the middle of a body."""
    client.sendall(answer(png(1)[:40], length=500))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def wide_png(side: int) -> bytes:
    """Return a PNG's head that announces `side` x `side` pixels, and little more."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return png(1)[:8] + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(b"\0" * 100))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def flat_png(side: int) -> bytes:
    """Return a PNG of `side` x `side` black pixels."""
    packer = zlib.compressobj(1)
    rows = [packer.compress(bytes(1 + 3 * side)) for _ in range(side)] + [packer.flush()]
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return png(1)[:8] + _chunk(b"IHDR", head) + _chunk(b"IDAT", b"".join(rows)) + _chunk(b"IEND", b"")


def gzip_bomb(gigabytes: int, layers: int = 1) -> bytes:
    """Return the head of a gzip of so many gigabytes of zeros: its checksum is never come to."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(b"\0") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(10_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    bomb = head + block * (100 * gigabytes)
    return bomb if layers == 1 else gzip.compress(bomb)


STREAM = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
CHUNKED = STREAM + b"Transfer-Encoding: chunked\r\n\r\n"
TLS_HANDSHAKE = b"\x16\x03"
DIGITS = "9" * 5000

IMAGES: dict[str, tuple[Script, tuple[str, str]]] = {
    "metadata-service": (
        redirect("http://169.254.169.254/latest/meta-data/"),
        ("address_refused", NOT_PUBLIC),
    ),
    "own-ipv6": (redirect("http://[::1]:22/"), ("address_refused", NOT_PUBLIC)),
    "own-ipv4-as-number": (
        redirect("http://2130706433/"),
        ("address_refused", NOT_PUBLIC),
    ),
    "private-name": (
        redirect("http://private.test/"),
        ("address_refused", NOT_PUBLIC),
    ),
    "own-name": (redirect("http://loopback.test/"), ("address_refused", NOT_PUBLIC)),
    "mixed-name": (redirect("http://mixed.test/"), ("address_refused", NOT_PUBLIC)),
    "file": (
        redirect("file:///etc/passwd"),
        ("address_refused", "the scheme is 'file', neither http nor https"),
    ),
    "ftp": (
        redirect("ftp://good.test/1.png"),
        ("address_refused", "the scheme is 'ftp', neither http nor https"),
    ),
    "loop": (redirect("/loop"), ("address_refused", "more than 5 redirects")),
    "garbage-location": (redirect("http://[::1"), ("address_refused", "the URL is malformed")),
    "binary-location": (redirect("http://\x80\xff\xfe\x01/"), ("address_refused", "the URL is malformed")),
    "port-location": (redirect("http://good.test:99999999/"), ("address_refused", "the URL is malformed")),
    "hostless-location": (redirect("https:///1.png"), ("address_refused", "the URL names no host")),
    "endless-body": (endless(bytes(65536), STREAM + b"\r\n"), ("too_large", "more than 20000000 bytes")),
    "announced-too-large": (say(answer(b"x", length=10**12)), ("too_large", "more than 20000000 bytes")),
    "announced-in-digits": (say(answer(b"x", length=DIGITS)), ("too_large", "more than 20000000 bytes")),
    "drip": (
        endless(b"x", STREAM + b"Content-Length: 9999\r\n\r\n", 0.1),
        ("unreachable", "the transfer took too long"),
    ),
    "drip-of-headers": (
        endless(b"x", b"HTTP/1.1 200 OK\r\nX: ", 0.1),
        ("unreachable", "the transfer took too long"),
    ),
    "drip-of-chunks": (endless(b"1\r\nx\r\n", CHUNKED, 0.1), ("unreachable", "the transfer took too long")),
    "silence": (lambda client: time.sleep(30), ("unreachable", "no answer in time")),
    "continue-for-ever": (
        endless(b"HTTP/1.1 100 Continue\r\n\r\n", b"", 0.01),
        ("unreachable", "the transfer took too long"),
    ),
    "shorter-than-the-body": (say(answer(png(1), length=10)), ("not_an_image", "cannot identify image file")),
    "longer-than-the-body": (say(answer(png(1), length=9999)), ("unreachable", "the connection broke")),
    "reset": (reset, ("unreachable", "the connection broke")),
    "hang-up": (lambda client: None, ("unreachable", "the connection broke")),
    "gzip-bomb": (
        say(answer(gzip_bomb(5), "Content-Encoding: gzip")),
        ("too_large", "more than 20000000 bytes"),
    ),
    "gzip-bomb-in-gzip": (
        say(answer(gzip_bomb(5, layers=2), "Content-Encoding: gzip, gzip")),
        ("too_large", "more than 20000000 bytes"),
    ),
    "no-gzip": (
        say(answer(png(1), "Content-Encoding: gzip")),
        ("http_error", "the content encoding is broken"),
    ),
    "broken-chunks": (say(CHUNKED + b"zz\r\n"), ("unreachable", "the connection broke")),
    "endless-chunk-size": (endless(b"1" * 65536, CHUNKED), ("unreachable", "the connection broke")),
    "endless-trailers": (
        endless(b"X: y\r\n", CHUNKED + b"0\r\n", 0.001),
        ("unreachable", "the transfer took too long"),
    ),
    "wide-png": (say(answer(wide_png(50_000))), ("too_many_pixels", None)),
    "html-as-jpeg": (
        say(answer(b"<!DOCTYPE html><p>Not found", "Content-Type: image/jpeg")),
        ("not_an_image", "an HTML page"),
    ),
    "empty": (say(answer()), ("not_an_image", "no bytes")),
    "storm": (say(answer(status="429 Too Many Requests")), ("http_error", "HTTP 429")),
    "storm-of-garbage": (
        say(answer(b"", "Retry-After: \xb2\xb3 soon", status="429 Slow Down")),
        ("http_error", "HTTP 429"),
    ),
    "storm-of-dates": (
        say(answer(b"", "Retry-After: Fri, 31 Dec 9999 23:59:59 -2300", status="503 Slow Down")),
        ("http_error", "HTTP 503"),
    ),
    "storm-for-ever": (
        say(answer(b"", f"Retry-After: {DIGITS}", status="429 Slow Down")),
        ("http_error", "HTTP 429"),
    ),
    "endless-header": (
        endless(b"x" * 65536, b"HTTP/1.1 200 OK\r\nX: "),
        ("unreachable", "the connection broke"),
    ),
    "endless-headers": (endless(b"X: y\r\n" * 1000), ("unreachable", "the connection broke")),
    "endless-status": (endless(b"x" * 65536, b"HTTP/1.1 200 "), ("unreachable", "the connection broke")),
    "no-http": (say(b"SSH-2.0-OpenSSH_9.9\r\n"), ("unreachable", "the connection broke")),
    "no-status": (say(b"HTTP/1.1 abc\r\n\r\n"), ("unreachable", "the connection broke")),
    "strange-status": (say(answer(status="999 Indeed")), ("http_error", "HTTP 999")),
}
"""What is asked for at a host of its own, NAME.test, and how it is to be refused: its reason and its detail."""

ROBOTS: dict[str, tuple[Script, tuple[str, str]]] = {
    "robots-endless": (
        endless(b"User-agent: *\nAllow: /\n" * 1000, STREAM + b"\r\n"),
        ("disallowed_by_robots", None),
    ),
    "robots-fails": (
        say(answer(status="500 Internal Server Error")),
        ("disallowed_by_robots", "robots.txt: HTTP 500"),
    ),
    "robots-storm": (
        say(answer(b"", "Retry-After: 1", status="429 Too Many Requests")),
        ("disallowed_by_robots", "robots.txt: HTTP 429"),
    ),
    "robots-loop": (redirect("/robots.txt"), ("address_refused", "more than 5 redirects")),
    "robots-elsewhere": (
        redirect("http://private.test/"),
        ("address_refused", NOT_PUBLIC),
    ),
    "robots-drip": (
        endless(b"#", STREAM + b"\r\n", 0.1),
        ("unreachable", "robots.txt: the transfer took too long"),
    ),
    "robots-long": (
        say(
            answer(b"User-agent: *\n" + b"".join(b"Disallow: /%d*$\n" % number for number in range(200_000)))
        ),
        ("disallowed_by_robots", "robots.txt: more than 512000 bytes"),
    ),
    "robots-binary": (
        say(answer(b"User-agent: *\nDisallow: /\n\0\xff\xfe\x80" * 50)),
        ("disallowed_by_robots", "robots.txt disallows it"),
    ),
    "robots-patience": (
        say(answer(b"User-agent: *\nCrawl-delay: 1e300\n")),
        ("disallowed_by_robots", None),
    ),
    "robots-backtracking": (
        say(answer(b"User-agent: *\nAllow: /" + b"*1" * 40 + b"*2\nDisallow: /\n")),
        ("disallowed_by_robots", "robots.txt disallows it"),
    ),
}
"""Hosts whose images are as good as any, but whose robots.txt is not."""

TLS: dict[str, tuple[str, str]] = {
    "https://plain.test/1.png": ("unreachable", "robots.txt: no safe TLS connection"),
    "https://self-signed.test/1.png": ("unreachable", "robots.txt: no safe TLS connection"),
}

LARGE = flat_png(7900)  # just below the most pixels that are allowed

KEPT = {
    "moved": (redirect("http://good.test/100.png"), png(100)),
    "doubtful-date": (say(answer(png(101), "Date: Fri, 31 Dec 9999 23:59:59 -2300")), png(101)),
    "strange-headers": (
        say(answer(png(102), "ETag: \xff\xfe", "Last-Modified: never", "X: y", "X: z")),
        png(102),
    ),
    "smuggled": (say(answer(png(103)) + answer(png(104))), png(103)),
    **{
        f"large-{number}": (say(answer(LARGE + bytes([number]))), LARGE + bytes([number]))
        for number in range(8)
    },
}
"""Images whose servers are odd or that are a burden, and that are stored all the same: script and bytes."""


def urls() -> list[str]:
    """Return what is crawled: bad and good in turn."""
    path = "1" * 40 + ".png"
    bad = [f"http://{name}.test/{path}" for name in (*IMAGES, *ROBOTS)]
    bad = [url.replace(path, "loop") if url.startswith("http://loop.") else url for url in bad]
    kept = [f"http://{name}.test/1.png" for name in KEPT]
    return [*GOOD[:3], *bad, *TLS, *kept, *GOOD[3:]]


def _script_of(host: str, path: str) -> Script:
    name = host.removesuffix(".test")
    if path == "/robots.txt":
        return ROBOTS[name][0] if name in ROBOTS else say(answer(status="404 Not Found"))
    if name in IMAGES:
        return IMAGES[name][0]
    if name in KEPT:
        return KEPT[name][0]
    return say(answer(png(int(path.strip("/").removesuffix(".png")))))


class HostileSite:
    """All the hosts at one port, told apart by the `Host` header, and a self-signed one at another."""

    def __init__(self, certificate: Path) -> None:
        self.asked: Counter[str] = Counter()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)
        self._plain_listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._tls_listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._plain_listener.getsockname()[1]
        self.tls_port = self._tls_listener.getsockname()[1]

    @contextmanager
    def serving(self) -> Iterator[HostileSite]:
        """Answer until the end of the context."""
        for listener, wrap in (
            (self._plain_listener, lambda client: client),
            (self._tls_listener, lambda client: self._tls.wrap_socket(client, server_side=True)),
        ):
            threading.Thread(target=self._accept, args=(listener, wrap), daemon=True).start()
        try:
            yield self
        finally:
            for listener in (self._plain_listener, self._tls_listener):
                with suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                listener.close()

    def _accept(self, listener: socket.socket, wrap: Callable[[socket.socket], socket.socket]) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client, wrap), daemon=True).start()

    def _answer(self, client: socket.socket, wrap: Callable[[socket.socket], socket.socket]) -> None:
        with client, suppress(OSError):
            client.settimeout(60)
            stream = wrap(client)
            request = b""
            while b"\r\n\r\n" not in request:
                data = stream.recv(65536)
                if data.startswith(TLS_HANDSHAKE):
                    stream.sendall(answer(status="400 Bad Request"))
                if not data or data.startswith(TLS_HANDSHAKE):
                    return
                request += data
            first, *lines = request.decode("latin-1").split("\r\n")
            host = next(line[6:] for line in lines if line.lower().startswith("host: "))
            self.asked[host] += 1
            _script_of(host, first.split(" ")[1])(stream)


def main(folder: Path, port: int, tls_port: int) -> None:
    """Crawl all of it, with the memory that it took as the last line printed, in bytes."""
    known = socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: object, **options: object) -> list:
        if host not in NAMES:
            return known(host, *arguments, **options)  # type: ignore[arg-type]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in NAMES[host]]

    socket.getaddrinfo = getaddrinfo  # type: ignore[assignment]
    hosts = {url.split("/")[2] for url in urls()}
    connect_to = dict.fromkeys(hosts, ("127.0.0.1", port)) | {"self-signed.test": ("127.0.0.1", tls_port)}
    caps = Caps(connect_s=5, read_s=2, transfer_s=6, attempts=2, backoff_s=0.01, retry_after_s=1)
    before = _peak_bytes()
    with Session("", None, connect_to, caps) as session:
        summary = crawl(
            "s", Listed(*map(ImageRef, urls())), session, folder / "raw", folder / "s.sqlite", Settings(4)
        )
    print(
        json.dumps({"bytes": _peak_bytes() - before, "new": summary.new, "refused": summary.refused.total()})
    )


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
