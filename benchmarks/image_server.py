"""A quick web server of photograph-like JPEGs on the loopback interface, in a process of its own.

`/N.jpg` is image N, different bytes for every N; `/page/P` is a list page of 100 images, the newest first, as it is
when there are as many images as `/grow/COUNT` said last; `/spent` tells how many requests and bytes there were and
when the first came, and starts to count anew.
"""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

DIFFERENT_PICTURES = 48
PAGE_SIZE = 100
SMALL_PX = 48


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int

    def ask(self, path: str) -> bytes:
        """Return the answer to GET `path`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}") as answer:
            return answer.read()

    def spent(self) -> dict[str, float]:
        """Return the requests, the bytes and the time of the first request since the last call."""
        return json.loads(self.ask("/spent"))


@contextmanager
def serving(latency_ms: int = 0, small: bool = False) -> Iterator[Server]:
    """Serve until the block ends; each answer comes `latency_ms` after its request."""
    command = [sys.executable, "-m", "benchmarks.image_server", str(latency_ms), str(int(small))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Server(int(process.stdout.readline()))
        finally:
            process.terminate()


def photographs(small: bool) -> list[bytes]:
    """Return JPEGs with the detail of photographs: sides of 400 to 999 px, 120 kB on average, or tiny ones."""
    random = np.random.default_rng(0)
    return [_photograph(random, small) for _ in range(DIFFERENT_PICTURES)]


def _photograph(random: np.random.Generator, small: bool) -> bytes:
    width, height = (SMALL_PX, SMALL_PX) if small else random.integers(400, 1000, 2)
    colours = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((width, height), 3)
    grain = random.normal(0, 15, (height, width, 1))
    soft = Image.fromarray((np.asarray(colours) + grain).clip(0, 255).astype(np.uint8))
    buffer = io.BytesIO()
    soft.filter(ImageFilter.GaussianBlur(0.7)).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


class _Connection(asyncio.Protocol):
    """Answers one request after the other."""

    pictures: list[bytes]
    latency_s: float
    count = 0
    requests = 0
    bytes = 0
    first: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.waiting = b""

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while b"\r\n\r\n" in self.waiting:
            head, _, self.waiting = self.waiting.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            answer = self.answer(path, b"if-none-match" in head.lower())
            asyncio.get_running_loop().call_later(self.latency_s, self.transport.write, answer)

    def answer(self, path: str, conditional: bool) -> bytes:
        if path == "/spent":
            return _reply("200 OK", json.dumps(self.spent()).encode())
        kind = type(self)
        if path.startswith("/grow/"):
            kind.count = int(path.removeprefix("/grow/"))
            return _reply("200 OK", b"")
        if conditional:
            answer = _reply("304 Not Modified", b"")
        elif path.endswith(".jpg"):
            number = int(path.strip("/").removesuffix(".jpg"))
            answer = _reply("200 OK", self.pictures[number % len(self.pictures)] + b"%08d" % number, number)
        elif path.startswith("/page/"):
            answer = _reply("200 OK", self.page(int(path.removeprefix("/page/"))))
        else:
            answer = _reply("404 Not Found", b"")
        kind.first = kind.first or time.time()
        kind.requests += 1
        kind.bytes += len(answer)
        return answer

    def page(self, number: int) -> bytes:
        newest = self.count - number * PAGE_SIZE
        shown = range(newest - 1, max(-1, newest - PAGE_SIZE - 1), -1)
        items = "".join(f'<li><img src="/{image}.jpg"></li>' for image in shown)
        following = f'<a class="next" href="/page/{number + 1}">older</a>' if newest > PAGE_SIZE else ""
        return f"<ul>{items}</ul>{following}".encode()

    @classmethod
    def spent(cls) -> dict[str, float]:
        spent = {"requests": cls.requests, "bytes": cls.bytes, "first": cls.first or 0.0}
        cls.requests, cls.bytes, cls.first = 0, 0, None
        return spent


def _reply(status: str, body: bytes, number: int | None = None) -> bytes:
    tag = f'ETag: "{number}"\r\n' if number is not None else ""
    return f"HTTP/1.1 {status}\r\n{tag}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _serve(latency_ms: int, small: bool) -> None:
    _Connection.pictures = photographs(small)
    _Connection.latency_s = latency_ms / 1000
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2] == "1"))
