from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.crawl.references import ImageRef, Refusal
from pipeline.errors import UserError
from pipeline.params import SourceEntry
from pipeline.sources import build
from pipeline.sources.google import GoogleOptions, GoogleSource
from tests.crawl.local_site import (
    SITE,
    LocalSite,
    Reply,
    client,
    crawl_into,
    discovered,
    png,
    rejected,
    serving,
    stored,
)
from tests.sources.recorded import answer, request

API = "/customsearch/v1"
KEY, ENGINE = "key-made-up", "engine-made-up"


def shown(start: int, query: str = "newborn face", **params: str) -> str:
    """Return a request as it may be shown: without the key and the engine."""
    given = {"q": query, "searchType": "image", **params, "safe": "active", "num": 10, "start": start}
    return request(API, given)


def sent(start: int, query: str = "newborn face", **params: str) -> str:
    """Return a request as the site gets it."""
    return f"{shown(start, query, **params)}&key={KEY}&cx={ENGINE}"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    monkeypatch.setenv("GOOGLE_SEARCH_ENGINE_ID", ENGINE)


@pytest.fixture
def site() -> Iterator[LocalSite]:
    """The interface with four results on two pages."""
    site = LocalSite()
    site.routes[sent(1)] = answer("google/page-1.json")
    site.routes[sent(11)] = answer("google/page-2.json")
    for number in (1, 2, 4):
        site.routes[f"/{number}.png"] = Reply(png(number))
    with serving(site):
        yield site


def google(**options: Any) -> GoogleSource:
    given = {"api": f"{SITE}{API}", "query": "newborn face"} | options
    return GoogleSource(GoogleOptions.model_validate(given))


def found(site: LocalSite, **options: Any) -> list[ImageRef | Refusal]:
    with client(site) as session:
        return discovered(google(**options), session)


def test_results_are_images_of_unknown_licence(site: LocalSite) -> None:
    first, _, refused, last = found(site)
    assert first == ImageRef(
        f"{SITE}/1.png",
        f"{SITE}/pages/1",
        "Newborn 1",
        group="newborn face",
        extra={"site": "site.test", "mime": "image/png", "width_px": 24, "height_px": 20},
    )
    assert refused == Refusal(
        f"{SITE}{shown(1)}#item-2", "no_file", "the result has no image", f"{SITE}/pages/3"
    )
    assert last == ImageRef(
        f"{SITE}/4.png",
        title="Newborn 4",
        group="newborn face",
        extra={"site": "site.test", "mime": "image/png"},
    )


def test_a_filter_of_rights_is_sent_and_remembered(site: LocalSite) -> None:
    rights = "(cc_publicdomain|cc_attribute).-(cc_nonderived)"
    site.routes[sent(1, imgType="face", rights=rights)] = answer("google/page-2.json")
    (image,) = found(site, rights=rights, image_type="face")
    assert isinstance(image, ImageRef)
    assert (image.licence, image.extra["rights"]) == (None, rights)


def test_a_query_shows_a_hundred_results_at_most(site: LocalSite) -> None:
    full = json.loads(answer("google/page-1.json").body)  # type: ignore[arg-type]
    for start in range(1, 111, 10):
        site.routes[sent(start)] = Reply(json.dumps(full).encode())
    found(site)
    assert (site.asked[sent(91)], site.asked[sent(101)]) == (1, 0)


def test_several_queries_are_asked_one_after_the_other(site: LocalSite) -> None:
    site.routes[sent(1, "baby face")] = answer("google/nothing.json")
    assert len(found(site, query=["baby face", "newborn face"])) == 4
    assert list(site.asked) == [sent(1, "baby face"), sent(1), sent(11)]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(status=400), "HTTP 400; is GOOGLE_API_KEY a valid key"),
        (Reply(status=403), "HTTP 403; .* quota"),
        (Reply(status=429), "HTTP 429; the quota of queries is used up"),
        (Reply(status=500), "HTTP 500"),
        (Reply(b"<html>"), "the answer is no JSON"),
        (Reply(b'{"kind": "customsearch#search"}'), "the answer is not what the interface documents"),
    ],
)
def test_a_first_page_that_fails_is_the_users_to_put_right(
    site: LocalSite, reply: Reply, message: str
) -> None:
    site.routes[sent(1)] = reply
    with pytest.raises(UserError, match=message) as caught:
        found(site)
    assert str(caught.value).startswith(
        "query: http://site.test/customsearch/v1 cannot be read: http_error: "
    )


def test_a_quota_that_ends_on_the_way_ends_the_crawl(site: LocalSite) -> None:
    site.routes[sent(11)] = Reply(status=429, headers={"Retry-After": "86400"})
    items = found(site, query=["newborn face", "baby face"])
    assert items[3:] == [Refusal(f"{SITE}{shown(11)}", "http_error", "HTTP 429", retry_after_s=86400)]
    assert site.asked[sent(1, "baby face")] == 0


@pytest.mark.parametrize("variable", ["GOOGLE_API_KEY", "GOOGLE_SEARCH_ENGINE_ID"])
@pytest.mark.parametrize("value", [None, " "])
def test_without_a_key_or_an_engine_nothing_is_asked(
    site: LocalSite, monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None
) -> None:
    monkeypatch.delenv(variable)
    if value:
        monkeypatch.setenv(variable, value)
    with pytest.raises(
        UserError, match=f"kind: google needs .* in the environment variable {variable}: see https"
    ):
        found(site)
    assert not site.asked


def test_the_key_stays_out_of_parts_state_logs_and_errors(
    site: LocalSite, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    site.routes[sent(11)] = Reply(status=302, headers={"Location": "/elsewhere"})
    crawl_into(tmp_path, google(), site)
    assert rejected(tmp_path)[shown(11)] == ("not_found", "HTTP 404")
    site.routes[sent(1)] = Reply(status=403)
    with pytest.raises(UserError) as caught:
        crawl_into(tmp_path, google(), site)
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.suffix for path in written} >= {".parquet", ".sqlite"}
    said = str(
        [*stored(tmp_path), *rejected(tmp_path).items(), str(caught.value), caplog.text, capsys.readouterr()]
    )
    for secret in (KEY, ENGINE):
        assert secret not in said
        assert not [path for path, data in written.items() if secret.encode() in data]
        assert not [path for path, headers in site.headers.items() if secret in str(headers)]


def test_a_recrawl_fetches_nothing_again_and_reads_a_page_that_failed(
    site: LocalSite, tmp_path: Path
) -> None:
    site.routes[sent(11)] = Reply(status=500)
    assert crawl_into(tmp_path, google(), site).new == 2
    assert rejected(tmp_path)[shown(11)] == ("http_error", "HTTP 500")
    site.routes[sent(11)] = answer("google/page-2.json")
    summary = crawl_into(tmp_path, google(), site)
    assert (summary.new, summary.known, site.images_asked) == (1, 2, 3)
    assert shown(11) not in rejected(tmp_path)
    assert [row["page_url"] for row in stored(tmp_path)] == [f"{SITE}/pages/1", f"{SITE}/pages/2", None]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": ""}, "sources.x.query"),
        ({"query": "a", "rights": "free"}, "sources.x.rights: "),
        ({"query": "a", "image_type": "portrait"}, "sources.x.image_type: "),
        ({"query": "a", "key": "secret"}, "sources.x.key: this key is unknown here"),
    ],
)
def test_a_wrong_entry_names_the_key(options: dict[str, Any], message: str) -> None:
    entry = {"kind": "google", "domain": "photo", "limit": {"pages": 10}} | options
    with pytest.raises(UserError, match=message):
        build("x", SourceEntry.model_validate(entry))
