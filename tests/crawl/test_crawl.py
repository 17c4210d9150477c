from __future__ import annotations

import hashlib
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import parts
from pipeline.crawl.lock import only_writer
from pipeline.crawl.references import ImageRef, Known, LocalFile, Refusal
from pipeline.crawl.retries import DAY_S, HOUR_S, retry_wait_s
from pipeline.crawl.run import Settings, crawl
from pipeline.crawl.session import Budget
from pipeline.crawl.state import State
from pipeline.errors import UserError
from pipeline.takedowns import Takedowns
from tests.crawl.local_site import (
    SITE,
    Clock,
    Listed,
    LocalSite,
    Reply,
    client,
    contents,
    crawl_into,
    html,
    png,
    rejected,
    serving,
    stored,
)

CRAWL_ALONE = """
import sys
from pathlib import Path
from tests.crawl.local_site import LocalSite, crawl_into
from tests.crawl.test_crawl import varied_source
site = LocalSite()
site.port = int(sys.argv[1])
crawl_into(Path(sys.argv[2]), varied_source(), site)
"""


@pytest.fixture
def site() -> Iterator[LocalSite]:
    with serving(LocalSite()) as site:
        yield site


def varied_source() -> Listed:
    """Forty images of which some are missing, broken, repeated or no images."""
    paths = [f"/{number}.png" for number in range(40)]
    refused = Refusal(f"{SITE}/item/7.html", "disallowed_by_robots", "robots.txt disallows it")
    return Listed(*paths[:7], refused, *paths[5:], "/3.png")


def set_up_varied(site: LocalSite, slow: bool = False) -> None:
    def picture(number: int) -> Reply:
        if slow:
            time.sleep(random.uniform(0, 0.03))
        return Reply(png(number), headers={"ETag": f'"{number}"'})

    for number in range(40):
        site.routes[f"/{number}.png"] = lambda earlier, number=number: picture(number)
    site.routes["/9.png"] = Reply(status=404)
    site.routes["/12.png"] = Reply(png(2))
    site.routes["/20.png"] = html("<html>log in first</html>")
    site.routes["/31.png"] = Reply(png(31)[:-30])
    site.routes["/38.png"] = Reply(b"")


def assert_conserved(folder: Path, discovered: set[str]) -> None:
    kept = [row["url"] for row in stored(folder)]
    dropped = [row["url"] for row in parts.read_rows(folder / "raw" / "rejected.parquet")]
    assert sorted(kept + dropped) == sorted(discovered)


def test_every_reference_is_stored_or_rejected_with_a_reason(site: LocalSite, tmp_path: Path) -> None:
    set_up_varied(site)
    summary = crawl_into(tmp_path, varied_source(), site)
    assert_conserved(tmp_path, {f"{SITE}/{n}.png" for n in range(40)} | {f"{SITE}/item/7.html"})
    assert (summary.discovered, summary.new, summary.known) == (41, 36, 0)
    assert rejected(tmp_path) == {
        "/12.png": ("duplicate", hashlib.sha256(png(2)).hexdigest()),
        "/20.png": ("not_an_image", "an HTML page"),
        "/38.png": ("not_an_image", "no bytes"),
        "/9.png": ("not_found", "HTTP 404"),
        "/item/7.html": ("disallowed_by_robots", "robots.txt disallows it"),
    }
    assert sum(summary.refused.values()) == 5


def test_a_row_says_all_that_is_known(site: LocalSite, tmp_path: Path) -> None:
    site.routes["/a.png"] = Reply(png(1), headers={"ETag": '"x"'})
    ref = ImageRef(
        f"{SITE}/a.png",
        f"{SITE}/a.html",
        "A",
        "B",
        "CC0",
        "https://c.test/",
        ("t", "u"),
        "s1",
        "p1",
        "before",
        "g",
        {"é": None, "a": 1},
    )
    crawl_into(tmp_path, Listed(ref), site)
    (row,) = stored(tmp_path)
    assert len(row.pop("phash")) == 16
    assert row == {
        "image_id": hashlib.sha256(png(1)).hexdigest(),
        "bytes": png(1),
        "url": ref.url,
        "page_url": ref.page_url,
        "source": "s",
        "title": "A",
        "author": "B",
        "licence": "CC0",
        "licence_url": "https://c.test/",
        "fetched_at": "2026-01-01T00:00:00Z",
        "etag": '"x"',
        "width_px": 24,
        "height_px": 20,
        "format": "PNG",
        "tags": ["t", "u"],
        "subject": "s1",
        "pair_id": "p1",
        "role": "before",
        "group": "g",
        "extra": '{"a": 1, "é": null}',
    }


def test_a_truncated_image_with_a_good_header_is_stored(site: LocalSite, tmp_path: Path) -> None:
    site.routes["/a.png"] = Reply(png(31)[:-30])
    crawl_into(tmp_path, Listed("/a.png"), site)
    (row,) = stored(tmp_path)
    assert row["bytes"] == png(31)[:-30]
    assert row["phash"] is None


def test_parts_follow_the_order_of_discovery_whatever_arrives_first(site: LocalSite, tmp_path: Path) -> None:
    set_up_varied(site, slow=True)
    crawl_into(tmp_path / "a", varied_source(), site)
    crawl_into(tmp_path / "b", varied_source(), site)
    numbers = [
        int(row["url"].removeprefix(SITE + "/").removesuffix(".png")) for row in stored(tmp_path / "a")
    ]
    assert numbers == sorted(numbers)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_parts_have_their_size_and_the_last_the_rest(site: LocalSite, tmp_path: Path) -> None:
    site.gallery(range(10))
    crawl_into(tmp_path, Listed(*(f"/{number}.png" for number in range(10))), site)
    assert [len(parts.read_rows(part)) for part in parts.list_parts(tmp_path / "raw")] == [4, 4, 2]


def test_a_source_without_images_leaves_an_empty_table_and_no_part(site: LocalSite, tmp_path: Path) -> None:
    crawl_into(tmp_path, Listed(), site)
    assert list(contents(tmp_path)) == ["rejected.parquet"]
    assert rejected(tmp_path) == {}


def test_a_crawl_fetches_what_its_budget_of_images_allows_and_the_next_goes_on(
    site: LocalSite, tmp_path: Path
) -> None:
    set_up_varied(site)
    budget = Budget(images=11)
    first = crawl_into(tmp_path, varied_source(), site, budget=budget)
    assert (first.new, first.spent) == (10, "images")
    assert len(stored(tmp_path)) == 10
    second = crawl_into(tmp_path, varied_source(), site, budget=budget)
    assert (second.new, second.known) == (9, 10)
    assert site.images_asked == 22


def test_a_budget_of_bytes_ends_the_crawl_with_the_image_that_spends_it(
    site: LocalSite, tmp_path: Path
) -> None:
    site.gallery(range(10))
    source = Listed(*(f"/{number}.png" for number in range(10)))
    summary = crawl_into(tmp_path, source, site, budget=Budget(bytes=2 * len(png(0)) + 1))
    assert (len(stored(tmp_path)), summary.spent) == (3, "bytes")


def test_an_interrupted_crawl_goes_on_with_what_is_left_of_its_budget(
    site: LocalSite, tmp_path: Path
) -> None:
    set_up_varied(site)
    crawl_into(tmp_path / "undisturbed", varied_source(), site, budget=Budget(images=20))

    class Interrupted(Listed):
        def discover(self, session: object, known: object) -> Iterator[ImageRef | Refusal]:
            yield from self.found[:30]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crawl_into(tmp_path, Interrupted(*(f"/{n}.png" for n in range(30))), site, threads=1)
    crawl_into(tmp_path, varied_source(), site, budget=Budget(images=20))
    urls = [[row["url"] for row in stored(folder)] for folder in (tmp_path, tmp_path / "undisturbed")]
    assert set(urls[1]) <= set(urls[0])
    assert len(urls[0]) <= 30


def test_a_recrawl_of_the_same_site_changes_and_fetches_nothing(site: LocalSite, tmp_path: Path) -> None:
    set_up_varied(site)
    crawl_into(tmp_path, varied_source(), site)
    before, asked = contents(tmp_path), site.images_asked
    summary = crawl_into(tmp_path, varied_source(), site)
    assert contents(tmp_path) == before
    assert (summary.new, summary.known) == (0, 36)
    assert site.images_asked == asked


def test_after_its_time_a_stored_image_is_asked_for_on_condition(site: LocalSite, tmp_path: Path) -> None:
    clock = Clock()
    site.routes["/a.png"] = Reply(png(1), headers={"ETag": '"1"'})
    site.routes["/b.png"] = Reply(png(2))
    source = Listed("/a.png", "/b.png")
    for days, asked in ((0, 1), (29, 1), (2, 2), (1, 2)):
        clock.days += days
        summary = crawl_into(tmp_path, source, site, now=clock)
        assert site.asked["/a.png"] == asked
        assert summary.unchanged == (days == 2)
    assert site.headers["/a.png"]["If-None-Match"] == '"1"'
    assert site.asked["/b.png"] == 1, "without a validator it would be fetched whole"


def test_an_image_that_changed_at_its_url_is_stored_beside_the_old_one(
    site: LocalSite, tmp_path: Path
) -> None:
    clock = Clock()
    site.routes["/a.png"] = lambda earlier: Reply(png(earlier), headers={"ETag": f'"{earlier}"'})
    for _ in range(2):
        crawl_into(tmp_path, Listed("/a.png"), site, now=clock)
        clock.days += 31
    assert [row["bytes"] for row in stored(tmp_path)] == [png(0), png(1)]


def test_what_is_due_is_asked_for_where_the_source_stops_early(site: LocalSite, tmp_path: Path) -> None:
    """Old pages are not turned again; their images are looked after all the same, with what was said of them."""
    clock = Clock()
    about = {"title": "A", "tags": ("t",), "extra": {"n": 1}, "pair_id": "p", "role": "before"}
    site.routes["/a.png"] = lambda earlier: Reply(png(earlier), headers={"ETag": f'"{earlier}"'})
    site.routes["/b.png"] = lambda earlier: Reply(png(9)) if earlier else Reply(status=404)
    page = f"{SITE}/page"
    old = [ImageRef(f"{SITE}/{name}.png", page, **about) for name in "ab"]  # type: ignore[arg-type]
    crawl_into(tmp_path, Listed(*old), site, now=clock)
    assert rejected(tmp_path) == {"/b.png": ("not_found", "HTTP 404")}
    clock.days += 31
    crawl_into(tmp_path, Listed(), site, now=clock)
    assert rejected(tmp_path) == {}
    rows = stored(tmp_path)
    assert [row["bytes"] for row in rows] == [png(0), png(9), png(1)]
    said = ("title", "tags", "extra", "pair_id", "role", "page_url")
    assert {tuple(str(row[name]) for name in said) for row in rows} == {
        ("A", "['t']", '{"n": 1}', "p", "before", page)
    }


def test_of_another_entry_nothing_is_asked_for_again(site: LocalSite, tmp_path: Path) -> None:
    clock = Clock()
    site.routes["/a.png"] = Reply(png(1), headers={"ETag": '"1"'})
    crawl_into(tmp_path, Listed("/a.png"), site, now=clock, entry="one")
    clock.days += 31
    crawl_into(tmp_path, Listed(), site, now=clock, entry="another")
    assert site.asked["/a.png"] == 1


def test_a_checksum_tells_what_need_not_be_fetched(site: LocalSite, tmp_path: Path) -> None:
    site.gallery(range(4))

    def ref(number: int, checksum: str) -> ImageRef:
        return ImageRef(f"{SITE}/{number}.png", checksum=checksum)

    crawl_into(tmp_path, Listed(ref(0, "sha1:a"), ref(1, "sha1:b")), site)
    again = Listed(ref(0, "sha1:a"), ref(1, "sha1:c"), ref(2, "sha1:a"))
    site.routes["/1.png"] = Reply(png(7))
    crawl_into(tmp_path, again, site)
    assert [row["bytes"] for row in stored(tmp_path)] == [png(0), png(1), png(7)]
    assert rejected(tmp_path)["/2.png"] == ("duplicate", hashlib.sha256(png(0)).hexdigest())
    assert (site.asked["/0.png"], site.asked["/1.png"], site.asked["/2.png"]) == (1, 2, 0)


class NewestFirst:
    """A source of pages of two images each, the newest first, that stops where all is known."""

    def __init__(self, newest: int, dies_after: int | None = None) -> None:
        self.newest = newest
        self.dies_after = dies_after
        self.turned = 0

    def discover(self, session: object, known: Known) -> Iterator[ImageRef]:
        for first in range(self.newest, 0, -2):
            self.turned += 1
            urls = [f"{SITE}/{number}.png" for number in (first, first - 1)]
            yield from map(ImageRef, urls)
            if first == self.dies_after:
                raise KeyboardInterrupt
            if known.images(urls):
                return


def test_a_recrawl_stops_turning_pages_where_all_is_known(site: LocalSite, tmp_path: Path) -> None:
    site.gallery(range(30))
    crawl_into(tmp_path, NewestFirst(20), site)
    again = NewestFirst(22)
    assert crawl_into(tmp_path, again, site).new == 2
    assert again.turned == 2


def test_an_interrupted_recrawl_leaves_no_hole(site: LocalSite, tmp_path: Path) -> None:
    """What it met was met, but what lies between that and what was known before was not."""
    site.gallery(range(30))
    crawl_into(tmp_path, NewestFirst(10), site)
    with pytest.raises(KeyboardInterrupt):
        crawl_into(tmp_path, NewestFirst(20, dies_after=18), site, threads=1)
    healed = NewestFirst(20)
    crawl_into(tmp_path, healed, site)
    assert len(stored(tmp_path)) == 20
    assert healed.turned == 6, "five pages of news and the first of the known ones"


def test_a_crawl_that_its_budget_ended_goes_deeper_the_next_time(site: LocalSite, tmp_path: Path) -> None:
    site.gallery(range(30))
    for new in (8, 8, 4, 0):
        assert crawl_into(tmp_path, NewestFirst(20), site, budget=Budget(images=8)).new == new
    assert len(stored(tmp_path)) == 20


def test_two_crawls_of_a_source_do_not_run_at_once(site: LocalSite, tmp_path: Path) -> None:
    site.gallery(range(1))
    with (
        only_writer(tmp_path / "s.sqlite"),
        pytest.raises(UserError, match="is running; wait for it"),
    ):
        crawl_into(tmp_path, Listed("/0.png"), site)


def test_what_was_taken_down_is_neither_asked_for_nor_kept(site: LocalSite, tmp_path: Path) -> None:
    site.gallery(range(5))
    takedowns = Takedowns(frozenset({hashlib.sha256(png(1)).hexdigest()}), frozenset({"s-2"}), (f"{SITE}/3",))
    refs = [ImageRef(f"{SITE}/{number}.png", subject=f"s-{number}") for number in range(5)]
    crawl_into(tmp_path, Listed(*refs), site, takedowns=takedowns)
    assert [row["bytes"] for row in stored(tmp_path)] == [png(0), png(4)]
    assert rejected(tmp_path) == dict.fromkeys(("/1.png", "/2.png", "/3.png"), ("taken_down", ""))
    assert not site.asked["/2.png"] + site.asked["/3.png"]
    crawl_into(tmp_path, Listed(*refs), site, takedowns=takedowns)
    assert site.asked["/1.png"] == 1


def test_taking_down_what_was_stored_refuses_it_from_then_on(site: LocalSite, tmp_path: Path) -> None:
    site.gallery(range(6))
    site.routes["/5.png"] = Reply(png(0))
    refs = Listed(*(f"/{number}.png" for number in range(6)))
    crawl_into(tmp_path, refs, site)
    gone = hashlib.sha256(png(0)).hexdigest()
    takedowns = Takedowns(images=frozenset({gone}))
    state = State(tmp_path / "s.sqlite", tmp_path / "raw")
    assert state.take_down(takedowns) == {gone}
    refused = {row["url"]: row["reason"] for row in state.rejected_rows()}
    state.close()
    assert refused == dict.fromkeys((f"{SITE}/0.png", f"{SITE}/5.png"), "taken_down")
    crawl_into(tmp_path, refs, site, takedowns=takedowns)
    assert (site.asked["/0.png"], site.asked["/5.png"]) == (1, 1)


def test_a_screen_refuses_before_anything_is_stored(site: LocalSite, tmp_path: Path) -> None:
    class NoThrees:
        def refuse(self, data: bytes) -> tuple[str, str] | None:
            return ("unsafe", "a three") if data == png(3) else None

    site.gallery(range(5))
    crawl_into(tmp_path, Listed(*(f"/{number}.png" for number in range(5))), site, screen=NoThrees())
    assert rejected(tmp_path) == {"/3.png": ("unsafe", "a three")}
    assert len(stored(tmp_path)) == 4


@pytest.mark.parametrize(
    ("reason", "waits"),
    [
        ("unreachable", [0, HOUR_S, 2 * HOUR_S]),
        ("not_found", [DAY_S, 2 * DAY_S, 4 * DAY_S]),
        ("duplicate", [math.inf] * 3),
    ],
)
def test_the_longer_something_fails_the_more_rarely_it_is_tried(reason: str, waits: list[float]) -> None:
    assert [retry_wait_s(reason, attempts) for attempts in (1, 2, 3)] == waits
    assert retry_wait_s(reason, 1000) <= max(90 * DAY_S, waits[-1])


def test_a_recrawl_adds_a_part_and_leaves_the_others(site: LocalSite, tmp_path: Path) -> None:
    site.gallery(range(7))
    old = [f"/{number}.png" for number in range(6)]
    crawl_into(tmp_path, Listed(*old), site)
    before = contents(tmp_path)
    crawl_into(tmp_path, Listed("/6.png", *old), site)
    after = contents(tmp_path)
    assert after.keys() - before.keys() == {"part-00002.parquet"}
    assert {name: after[name] for name in before} == before
    assert stored(tmp_path)[-1]["url"] == f"{SITE}/6.png"


def test_what_failed_is_asked_again_and_leaves_the_rejected(site: LocalSite, tmp_path: Path) -> None:
    site.routes["/a.png"] = lambda earlier: Reply(png(1)) if earlier else Reply(status=404)
    clock = Clock()
    crawl_into(tmp_path, Listed("/a.png"), site, now=clock)
    assert rejected(tmp_path)["/a.png"] == ("not_found", "HTTP 404")
    crawl_into(tmp_path, Listed("/a.png"), site, now=clock)
    assert site.asked["/a.png"] == 1, "not before its time"
    clock.days += 1
    crawl_into(tmp_path, Listed("/a.png"), site, now=clock)
    assert rejected(tmp_path) == {}
    assert_conserved(tmp_path, {f"{SITE}/a.png"})


def test_what_asked_to_be_left_alone_is_not_asked_before_its_time(site: LocalSite, tmp_path: Path) -> None:
    site.routes["/a.png"] = Reply(status=503, headers={"Retry-After": "3600"})
    source = Listed("/a.png")
    for _ in range(2):
        with client(site, retry_after_s=0.01) as session:
            crawl("s", source, session, tmp_path / "raw", tmp_path / "s.sqlite", Settings(4))  # type: ignore[arg-type]
    assert site.asked["/a.png"] == 1
    assert rejected(tmp_path)["/a.png"] == ("http_error", "HTTP 503")


def test_lost_state_is_rebuilt_and_nothing_is_fetched_again(site: LocalSite, tmp_path: Path) -> None:
    site.gallery(range(10))
    source = Listed(*(f"/{number}.png" for number in range(10)))
    crawl_into(tmp_path, source, site)
    before, asked = contents(tmp_path), site.images_asked
    (tmp_path / "s.sqlite").unlink()
    crawl_into(tmp_path, source, site)
    assert contents(tmp_path) == before
    assert site.images_asked == asked


def test_rejections_survive_the_loss_of_the_state(site: LocalSite, tmp_path: Path) -> None:
    set_up_varied(site)
    crawl_into(tmp_path, varied_source(), site)
    before = contents(tmp_path)
    (tmp_path / "s.sqlite").unlink()
    crawl_into(tmp_path, Listed(), site)
    assert contents(tmp_path) == before


def test_damaged_state_is_rebuilt(site: LocalSite, tmp_path: Path) -> None:
    site.gallery(range(3))
    source = Listed(*(f"/{number}.png" for number in range(3)))
    crawl_into(tmp_path, source, site)
    before = contents(tmp_path)
    (tmp_path / "s.sqlite").write_bytes(b"no database at all" * 100)
    assert crawl_into(tmp_path, source, site).known == 3
    assert contents(tmp_path) == before


def test_lost_parts_are_fetched_again_into_the_same_bytes(site: LocalSite, tmp_path: Path) -> None:
    set_up_varied(site)
    crawl_into(tmp_path, varied_source(), site)
    before = contents(tmp_path)
    shutil.rmtree(tmp_path / "raw")
    crawl_into(tmp_path, varied_source(), site)
    assert contents(tmp_path) == before


def test_a_kill_between_writing_a_part_and_noting_it_stores_nothing_twice(
    site: LocalSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up_varied(site)
    crawl_into(tmp_path / "undisturbed", varied_source(), site)

    def die(self: object, part: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.crawl.state.State.absorb", die)
        with pytest.raises(KeyboardInterrupt):
            crawl_into(tmp_path, varied_source(), site)
    crawl_into(tmp_path, varied_source(), site)
    assert contents(tmp_path) == contents(tmp_path / "undisturbed")


@pytest.mark.parametrize("images_before_the_kill", [1, 6, 15, 27, 36])
def test_a_killed_crawl_started_again_ends_in_the_same_bytes(
    site: LocalSite, tmp_path: Path, images_before_the_kill: int
) -> None:
    set_up_varied(site)
    crawl_into(tmp_path / "undisturbed", varied_source(), site)
    set_up_varied(site, slow=True)
    site.asked.clear()
    reached = threading.Event()
    picture = site.routes[f"/{images_before_the_kill}.png"]

    def announce(earlier: int) -> Reply:
        reached.set()
        return picture(earlier) if callable(picture) else picture

    site.routes[f"/{images_before_the_kill}.png"] = announce
    command = [sys.executable, "-c", CRAWL_ALONE, str(site.port), str(tmp_path)]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}) as process:
        assert reached.wait(30)
        process.send_signal(signal.SIGKILL)
    crawl_into(tmp_path, varied_source(), site)
    assert contents(tmp_path) == contents(tmp_path / "undisturbed")


def test_committed_images_are_not_fetched_again_after_an_interruption(
    site: LocalSite, tmp_path: Path
) -> None:
    site.gallery(range(40))

    class Interrupted(Listed):
        def discover(self, session: object, known: object) -> Iterator[ImageRef | Refusal]:
            yield from self.found[:30]
            raise KeyboardInterrupt

    paths = [f"/{number}.png" for number in range(40)]
    with pytest.raises(KeyboardInterrupt):
        crawl_into(tmp_path, Interrupted(*paths), site, part_size=100)
    crawl_into(tmp_path, Listed(*paths), site, part_size=100)
    again = sum(count - 1 for path, count in site.asked.items() if path.endswith(".png"))
    assert again <= 16
    assert len(stored(tmp_path)) == 40


def test_an_error_of_the_source_keeps_what_was_fetched(site: LocalSite, tmp_path: Path) -> None:
    class Wrong(Listed):
        def discover(self, session: object, known: object) -> Iterator[ImageRef | Refusal]:
            yield from self.found
            raise UserError("item: 'li' matches nothing")

    site.gallery(range(2))
    with pytest.raises(UserError, match=r"params.yaml: sources.s.item: 'li' matches nothing"):
        crawl_into(tmp_path, Wrong("/0.png", "/1.png"), site)
    crawl_into(tmp_path, Listed("/0.png", "/1.png"), site)
    assert len(stored(tmp_path)) == 2


def test_left_temporary_files_are_removed(site: LocalSite, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / ".part-00000.parquet.77.tmp").write_bytes(b"half")
    crawl_into(tmp_path, Listed(), site)
    assert list(contents(tmp_path)) == ["rejected.parquet"]


def local(name: str, version: str, data: bytes, reads: list[str]) -> ImageRef:
    def read() -> bytes:
        reads.append(name)
        return data

    return ImageRef(f"file:{name}", local=LocalFile(version, read))


def test_unchanged_local_files_are_not_read_again(site: LocalSite, tmp_path: Path) -> None:
    reads: list[str] = []
    source = Listed(local("a", "1", png(1), reads), local("b", "1", b"text", reads))
    crawl_into(tmp_path, source, site)
    assert crawl_into(tmp_path, source, site).refused == {"not_an_image": 1}
    assert reads == ["a", "b"]
    assert stored(tmp_path)[0]["fetched_at"] is None


def test_a_changed_local_file_is_stored_again_if_its_bytes_are_new(site: LocalSite, tmp_path: Path) -> None:
    reads: list[str] = []
    crawl_into(tmp_path, Listed(local("a", "1", png(1), reads)), site)
    assert crawl_into(tmp_path, Listed(local("a", "2", png(1), reads)), site).known == 1
    assert crawl_into(tmp_path, Listed(local("a", "2", png(1), reads)), site).known == 1
    assert len(reads) == 2
    assert crawl_into(tmp_path, Listed(local("a", "3", png(2), reads)), site).new == 1
    assert [row["bytes"] for row in stored(tmp_path)] == [png(1), png(2)]


def test_local_files_known_from_parts_alone_are_compared_not_stored_twice(
    site: LocalSite, tmp_path: Path
) -> None:
    reads: list[str] = []
    source = Listed(local("a", "1", png(1), reads))
    crawl_into(tmp_path, source, site)
    (tmp_path / "s.sqlite").unlink()
    before = contents(tmp_path)
    assert crawl_into(tmp_path, source, site).known == 1
    assert contents(tmp_path) == before


def test_an_unexpected_error_costs_one_image(site: LocalSite, tmp_path: Path) -> None:
    def read() -> bytes:
        raise ZeroDivisionError

    site.gallery(range(1))
    crawl_into(tmp_path, Listed(ImageRef("file:a", local=LocalFile("1", read)), "/0.png"), site)
    assert rejected(tmp_path) == {"file:a": ("failed", "ZeroDivisionError")}
    assert len(stored(tmp_path)) == 1
