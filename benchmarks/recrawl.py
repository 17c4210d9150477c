"""What a recrawl costs: a gallery of 10,000 images that are known, to which 100 were added.

    python -m benchmarks.recrawl [KNOWN] [NEW]

The gallery shows 100 images on a page, the newest first. Its entry says so (`newest_first: true`), or it does not:
then every list page is read again. Last, all images are due to be asked for again, on condition that they changed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.image_server import PAGE_SIZE, Server, serving
from benchmarks.workspace import Workspace


def main(known: int = 10_000, new: int = 100) -> None:
    """Print the requests, the bytes and the seconds of each crawl, as the server saw them."""
    print(f"{known} images of {PAGE_SIZE} a page, then {new} more", flush=True)
    for newest_first in (True, False):
        with serving(small=True) as server, tempfile.TemporaryDirectory() as folder:
            workspace = Workspace(Path(folder) / "workspace", {"gallery": entry(server, newest_first)})
            print(f"newest_first: {str(newest_first).lower()}")
            server.ask(f"/grow/{known}")
            crawl(workspace, server, "first crawl")
            server.ask(f"/grow/{known + new}")
            crawl(workspace, server, "recrawl with news")
            crawl(workspace, server, "recrawl without")
            if newest_first:
                workspace.set(crawl=workspace.params()["crawl"] | {"revalidate_days": 1e-9})
                crawl(workspace, server, "recrawl with all images due")


def entry(server: Server, newest_first: bool) -> dict[str, object]:
    """Return the gallery's entry."""
    return {
        "kind": "gallery",
        "domain": "photo",
        "start": f"http://127.0.0.1:{server.port}/page/0",
        "item": "li",
        "image": "img",
        "next": "a.next",
        "newest_first": newest_first,
        "limit": {"images": 1_000_000},
        "allow_networks": ["127.0.0.0/8"],
        "requests_per_s": 1_000_000,
        "connections_per_host": 16,
    }


def crawl(workspace: Workspace, server: Server, what: str) -> None:
    """Crawl, and print what it cost."""
    server.spent()
    started = time.monotonic()
    workspace.run("pipeline", "crawl", "gallery")
    seconds = time.monotonic() - started
    spent = server.spent()
    print(
        f"  {what:28} {spent['requests']:6.0f} requests {spent['bytes'] / 1e6:7.2f} MB {seconds:6.1f} s",
        flush=True,
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
