"""What a real crawl leaves behind for those who watch over it, and the commands on top of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipeline.commands.watch import app
from pipeline.errors import UserError
from pipeline.stages import crawl
from tests.crawl.local_site import LocalSite, Reply, html, png, serving
from tests.watch.small_tables import set_up

SOURCE = "gallery"


@pytest.fixture
def site(in_folder: Path) -> Iterator[LocalSite]:
    """A page with three pictures, the second of which is gone, and params.yaml with a source that crawls it."""
    site = LocalSite()
    site.routes["/"] = html("".join(f'<figure><img src="/{n}.png"></figure>' for n in range(3)))
    site.routes |= {"/0.png": Reply(png(0)), "/2.png": Reply(png(2))}
    with serving(site):
        set_up(in_folder)
        entry = {
            **{"kind": "gallery", "domain": "photo", "start": f"http://127.0.0.1:{site.port}/"},
            **{"item": "figure", "image": "img", "limit": {"images": 10}},
            **{"allow_networks": ["127.0.0.0/8"], "requests_per_s": 500},
        }
        params = yaml.safe_load(Path("params.yaml").read_text())
        Path("params.yaml").write_text(
            yaml.safe_dump({**params, "sources": {SOURCE: entry}, "schedules": {}})
        )
        yield site


def watch(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["watch", *arguments])
    with pytest.raises(SystemExit) as end:
        app()
    assert end.value.code == 0


def summary() -> dict[str, object]:
    return json.loads(Path(f"logs/crawl/{SOURCE}.json").read_text())


def failure() -> dict[str, object]:
    return json.loads(Path(f"logs/crawl/{SOURCE}.failed.json").read_text())


def test_a_crawl_leaves_what_it_met(site: LocalSite) -> None:
    crawl.run(SOURCE)
    met = summary()
    assert (met["discovered"], met["new"], met["refused"], met["stored"]) == (3, 2, {"not_found": 1}, 2)
    assert str(met["finished"]).endswith("+00:00")
    crawl.run(SOURCE)
    assert (summary()["new"], summary()["known"]) == (0, 2)


@pytest.mark.parametrize(
    ("page", "passing", "words"),
    [
        (Reply(b"", 500), True, "cannot be read: http_error: HTTP 500"),
        (Reply(b"", 403), False, "cannot be read: http_error: HTTP 403"),
        (html("<div>redesigned</div>"), False, "'figure' matches nothing"),
    ],
)
def test_a_crawl_that_cannot_begin_says_whether_it_may_go_better_the_next_time(
    site: LocalSite, page: Reply, passing: bool, words: str
) -> None:
    crawl.run(SOURCE)
    before = summary()
    working = site.routes["/"]
    site.routes["/"] = page
    with pytest.raises(UserError, match=words):
        crawl.run(SOURCE)
    assert failure()["passing"] is passing
    assert words in str(failure()["message"])
    assert summary() == before
    site.routes["/"] = working
    crawl.run(SOURCE)
    assert not crawl.failure_path(SOURCE).exists()


@pytest.mark.parametrize(
    ("robots", "passing"), [(Reply(b"", 500), True), (Reply(b"User-agent: *\nDisallow: /"), False)]
)
def test_a_site_that_fails_at_robots_txt_may_go_better_but_one_that_forbids_may_not(
    site: LocalSite, robots: Reply, passing: bool
) -> None:
    site.routes["/robots.txt"] = robots
    with pytest.raises(UserError, match=r"disallowed_by_robots: robots\.txt"):
        crawl.run(SOURCE)
    assert failure()["passing"] is passing


def test_the_commands_say_it_for_people_and_for_programs(
    site: LocalSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watch(monkeypatch, "begin", SOURCE)
    assert "its recrawl begins with 0 parts" in capsys.readouterr().out
    crawl.run(SOURCE)
    capsys.readouterr()
    watch(monkeypatch, "recrawl", SOURCE, "--json")
    said = capsys.readouterr().out
    assert json.loads(said)["refused"] == {"not_found": 1}
    watch(monkeypatch, "recrawl", SOURCE)
    assert "met             3: 2 new, 0 known, 1 refused" in capsys.readouterr().out


def test_pages_that_were_read_before_are_passed(site: LocalSite) -> None:
    site.routes["/"] = html("".join(f'<figure><a href="/item{n}">{n}</a></figure>' for n in (0, 2)))
    site.routes |= {f"/item{n}": html(f'<img src="/{n}.png">') for n in (0, 2)}
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["sources"][SOURCE]["detail"] = "a"
    Path("params.yaml").write_text(yaml.safe_dump(params))
    crawl.run(SOURCE)
    assert (summary()["discovered"], summary()["passed"]) == (2, 0)
    crawl.run(SOURCE)
    assert (summary()["discovered"], summary()["passed"]) == (0, 2)
