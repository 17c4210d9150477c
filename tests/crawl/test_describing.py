from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.crawl.describing import WORTH_PROCESSES, Described, Describers, look_at
from pipeline.crawl.failures import WorkerCrashed
from pipeline.images import ImageProblem
from tests.crawl.local_site import Listed, LocalSite, Reply, contents, crawl_into, png, serving


def started(describers: Describers) -> Describers:
    """Let so many images come that the processes are worth it, and wait for them."""
    for number in range(WORTH_PROCESSES + 1):
        describers.describe(png(number))
    assert describers._ready.wait(30)
    return describers


def test_processes_and_threads_say_the_same() -> None:
    pictures = [png(number) for number in range(40)]
    with Describers(2) as describers, ThreadPoolExecutor(8) as pool:
        started(describers)
        found = list(pool.map(describers.describe, pictures))
    assert found == [look_at(data) for data in pictures]
    assert found[3].image_id == hashlib.sha256(pictures[3]).hexdigest()


def test_few_images_need_no_processes() -> None:
    with Describers(2) as describers:
        assert isinstance(describers.describe(png(1)), Described)
        assert describers._starting is None


def test_what_is_no_image_is_said_to_be_none() -> None:
    with Describers(1) as describers:
        started(describers)
        with pytest.raises(ImageProblem, match="not_an_image: an HTML page"):
            describers.describe(b"<html>log in first</html>")
        assert isinstance(describers.describe(png(1)), Described)


def test_an_image_that_kills_its_process_costs_that_image_alone() -> None:
    with Describers(1) as describers:
        started(describers)
        (process,) = describers._running.values()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        with pytest.raises(WorkerCrashed, match="worker_crashed: the process ended"):
            describers.describe(png(1))
        assert isinstance(describers.describe(png(2)), Described)


def test_no_process_is_left_behind() -> None:
    with Describers(2) as describers:
        processes = list(started(describers)._running.values())
    assert all(process.exitcode == 0 for process in processes)


@pytest.fixture
def crawled(tmp_path: Path) -> Callable[[int], dict[str, bytes]]:
    """Return what a crawl with so many processes leaves."""

    def crawl(processes: int) -> dict[str, bytes]:
        folder = tmp_path / str(processes)
        with serving(LocalSite()) as site:
            for number in range(300):
                site.routes[f"/{number}.png"] = Reply(png(number))
            site.routes["/290.png"] = Reply(b"<html>")
            paths = [f"/{number}.png" for number in range(300)]
            crawl_into(folder, Listed(*paths), site, part_size=100, processes=processes)
        return contents(folder)

    return crawl


def test_a_crawl_leaves_the_same_bytes_whoever_describes_the_images(
    crawled: Callable[[int], dict[str, bytes]],
) -> None:
    assert crawled(2) == crawled(0)
    assert not [thread for thread in threading.enumerate() if thread.name == "start describers"]
