"""A crawl that is killed again and again: nothing is lost, nothing is there twice, little is fetched again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import parts
from tests.crawl.local_site import (
    Listed,
    LocalSite,
    Reply,
    contents,
    crawl_into,
    png,
    rejected,
    serving,
    stored,
)

COUNT = 2000
KILLS = 30
THREADS = 8
CRAWL = """
import sys
from pathlib import Path
from tests.crawl.local_site import LocalSite, crawl_into
from tests.crawl.test_kills import THREADS, source
site = LocalSite()
site.port = int(sys.argv[1])
crawl_into(Path(sys.argv[2]), source(), site, part_size=100, threads=THREADS)
"""


def source() -> Listed:
    return Listed(*(f"/{number}.png" for number in range(COUNT)))


def serve_pictures(site: LocalSite) -> None:
    """Every 50th is missing, every 70th the same as the one before."""
    for number in range(COUNT):
        site.routes[f"/{number}.png"] = Reply(png(number - 1 if number % 70 == 69 else number))
        if number % 50 == 49:
            site.routes[f"/{number}.png"] = Reply(status=404)


def start(site: LocalSite, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", CRAWL, str(site.port), str(folder)]
    path = os.pathsep.join(sys.path)
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, stderr=subprocess.DEVNULL)


def killed_after(site: LocalSite, folder: Path, images: int) -> bool:
    """Kill a crawl once it has asked for so many more images; say whether it was still running."""
    before = site.images_asked
    with start(site, folder) as process:
        while process.poll() is None and site.images_asked < before + images:
            time.sleep(0.002)
        running = process.poll() is None
        process.send_signal(signal.SIGKILL)
    return running


@pytest.mark.long
@pytest.mark.timeout(600)
def test_thirty_kills_lose_nothing_and_store_nothing_twice(tmp_path: Path) -> None:
    moments = random.Random(0)
    with serving(LocalSite()) as site:
        serve_pictures(site)
        crawl_into(tmp_path / "undisturbed", source(), site, part_size=100, threads=THREADS)
        site.asked.clear()
        kills = sum(killed_after(site, tmp_path / "killed", moments.randint(1, 110)) for _ in range(KILLS))
        crawl_into(tmp_path / "killed", source(), site, part_size=100, threads=THREADS)
    assert kills == KILLS, "every one of them hit a crawl that was running"
    assert contents(tmp_path / "killed") == contents(tmp_path / "undisturbed")
    urls = [row["url"] for row in stored(tmp_path / "killed")]
    assert len(urls) == len(set(urls))
    assert len(urls) + len(rejected(tmp_path / "killed")) == COUNT
    in_flight = 2 * THREADS
    assert site.images_asked <= COUNT + KILLS * in_flight, "what was committed is not fetched again"
    sizes = [parts.count_rows(part) for part in parts.list_parts(tmp_path / "killed" / "raw")]
    assert sizes[:-1] == [100] * (len(sizes) - 1)
