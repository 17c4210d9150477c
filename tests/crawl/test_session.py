from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from itertools import pairwise, repeat

import pytest

from pipeline.crawl.addresses import is_public
from pipeline.crawl.failures import AddressRefused, BudgetSpent, FetchProblem, Unreachable
from pipeline.crawl.politeness import HostPace, opts_out
from pipeline.crawl.session import Answer, Budget, Caps, NotModified, Session, Validators
from tests.crawl.local_site import DATE, SITE, LocalSite, Reply, client, html, png, serving


@pytest.fixture
def site() -> Iterator[LocalSite]:
    with serving(LocalSite()) as site:
        yield site


def fetch(site: LocalSite, path: str = "/a.png", **caps: float) -> bytes:
    with client(site, **caps) as session:
        answer = session.get_image(f"{SITE}{path}")
    assert isinstance(answer, Answer)
    return answer.body


def problem(site: LocalSite, path: str = "/a.png", **caps: float) -> tuple[str, str]:
    with pytest.raises(FetchProblem) as caught:
        fetch(site, path, **caps)
    return caught.value.reason, caught.value.detail


def test_it_gives_its_name_and_a_contact(site: LocalSite) -> None:
    site.routes["/a.png"] = Reply(png(1))
    fetch(site)
    (agent,) = site.agents
    assert agent.startswith("likeness/")
    assert agent.endswith("(+tests@example.org)")


def test_what_robots_txt_disallows_is_not_asked_for(site: LocalSite) -> None:
    site.routes |= {"/robots.txt": Reply(b"User-agent: *\nDisallow: /p/"), "/p/a.png": Reply(png(1))}
    assert problem(site, "/p/a.png") == ("disallowed_by_robots", "robots.txt disallows it")
    assert site.asked["/p/a.png"] == 0


def test_robots_txt_is_read_once_per_host(site: LocalSite) -> None:
    site.routes |= {"/a.png": Reply(png(1)), "/b.png": Reply(png(2))}
    with client(site) as session:
        session.get_image(f"{SITE}/a.png")
        session.get_image(f"{SITE}/b.png")
    assert site.asked["/robots.txt"] == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_all_is_allowed_where_there_is_no_robots_txt(site: LocalSite, status: int) -> None:
    site.routes |= {"/robots.txt": Reply(b"", status), "/a.png": Reply(png(1))}
    assert fetch(site) == png(1)


@pytest.mark.parametrize("status", [429, 500])
def test_nothing_is_allowed_while_robots_txt_fails(site: LocalSite, status: int) -> None:
    site.routes |= {"/robots.txt": Reply(b"", status), "/a.png": Reply(png(1))}
    assert problem(site) == ("disallowed_by_robots", f"robots.txt: HTTP {status}")


def test_a_redirect_does_not_lead_around_robots_txt(site: LocalSite) -> None:
    site.routes |= {
        "/robots.txt": Reply(b"User-agent: *\nDisallow: /p/"),
        "/a.png": Reply(status=302, headers={"Location": "/p/a.png"}),
    }
    assert problem(site)[0] == "disallowed_by_robots"
    assert site.asked["/p/a.png"] == 0


def test_an_excessive_crawl_delay_means_no(site: LocalSite) -> None:
    site.routes["/robots.txt"] = Reply(b"User-agent: *\nCrawl-delay: 3600")
    assert problem(site) == ("disallowed_by_robots", "robots.txt asks for 3600 s between requests")


def test_an_opt_out_header_is_honoured_before_the_body_is_read(site: LocalSite) -> None:
    site.routes["/a.png"] = Reply(repeat(b"x" * 1000), headers={"X-Robots-Tag": "noimageai"})
    assert problem(site) == ("disallowed_by_robots", "X-Robots-Tag: noimageai")


@pytest.mark.parametrize(
    ("lines", "directive"),
    [
        (["noindex, noai"], "noai"),
        (["NONE"], "none"),
        (["noindex"], None),
        (["otherbot: noai, noimageai"], None),
        (["otherbot: noai", "likeness: noimageai"], "noimageai"),
        (["unavailable_after: 25 Jun 2030 15:00:00 GMT"], None),
        ([], None),
    ],
)
def test_opt_outs_count_when_they_are_meant_for_this_crawler(lines: list[str], directive: str | None) -> None:
    assert opts_out(lines) == directive


def test_a_server_error_is_asked_again(site: LocalSite) -> None:
    site.routes["/a.png"] = lambda earlier: Reply(png(1)) if earlier else Reply(status=500)
    assert fetch(site) == png(1)
    assert site.asked["/a.png"] == 2


def test_attempts_end(site: LocalSite) -> None:
    site.routes["/a.png"] = Reply(status=503)
    assert problem(site) == ("http_error", "HTTP 503")
    assert site.asked["/a.png"] == 3


@pytest.mark.parametrize(
    ("status", "reason"), [(404, "not_found"), (410, "not_found"), (403, "http_error"), (204, "http_error")]
)
def test_a_plain_refusal_is_not_asked_again(site: LocalSite, status: int, reason: str) -> None:
    site.routes["/a.png"] = Reply(status=status)
    assert problem(site) == (reason, f"HTTP {status}")
    assert site.asked["/a.png"] == 1


def test_retry_after_is_waited_for(site: LocalSite) -> None:
    busy = Reply(status=429, headers={"Retry-After": "1"})
    site.routes["/a.png"] = lambda earlier: Reply(png(1)) if earlier else busy
    start = time.monotonic()
    assert fetch(site) == png(1)
    assert time.monotonic() - start >= 1


def test_a_long_retry_after_ends_the_attempts(site: LocalSite) -> None:
    site.routes["/a.png"] = Reply(status=503, headers={"Retry-After": "86400"})
    assert problem(site, retry_after_s=0.1) == ("http_error", "HTTP 503")
    assert site.asked["/a.png"] == 1


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/meta",
        "http://[::1]/",
        "http://localhost/",
        "http://10.1.2.3/",
        "file:///etc/passwd",
    ],
)
def test_a_redirect_to_where_no_crawler_belongs_is_refused(site: LocalSite, target: str) -> None:
    site.routes["/a.png"] = Reply(status=302, headers={"Location": target})
    assert problem(site)[0] == "address_refused"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
def test_this_machine_is_refused_by_any_name(site: LocalSite, host: str) -> None:
    with Session(caps=Caps(backoff_s=0.001)) as session, pytest.raises(AddressRefused):
        session.get_image(f"http://{host}:{site.port}/a.png")
    assert not site.asked


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "100.64.0.1", "192.168.1.1", "224.0.0.1", "0.0.0.0", "255.255.255.255", "fe80::1%eth0"]
    + ["fc00::1", "ff02::1", "::", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "fec0::1"],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("url", ["http://", "http://[bad/a.png", "ftp://site.test/a.png", "data:image/png,x"])
def test_urls_that_are_none_are_refused(url: str) -> None:
    with Session() as session, pytest.raises(AddressRefused):
        session.get_image(url)


def test_a_redirect_is_followed_to_the_image(site: LocalSite) -> None:
    site.routes |= {
        "/a.png": Reply(status=301, headers={"Location": "b.png"}),
        "/b.png": Reply(png(2)),
    }
    assert fetch(site) == png(2)


def test_a_redirect_loop_ends(site: LocalSite) -> None:
    site.routes["/a.png"] = Reply(status=302, headers={"Location": "/a.png"})
    assert problem(site) == ("address_refused", "more than 5 redirects")
    assert site.asked["/a.png"] == 6


def test_the_body_of_a_redirect_is_not_read(site: LocalSite) -> None:
    site.routes |= {
        "/a.png": Reply(repeat(b"x" * 1000), 302, {"Location": "/b.png"}),
        "/b.png": Reply(png(2)),
    }
    assert fetch(site) == png(2)


def test_an_endless_body_is_cut_off(site: LocalSite) -> None:
    site.routes["/a.png"] = Reply(repeat(b"x" * 10_000))
    assert problem(site, image_bytes=300_000) == ("too_large", "more than 300000 bytes")


def test_a_body_that_says_it_is_too_large_is_not_read(site: LocalSite) -> None:
    site.routes["/a.png"] = Reply(iter([b"x"]), headers={"Content-Length": "999999999"})
    assert problem(site)[0] == "too_large"


def test_a_compression_bomb_is_cut_off(site: LocalSite) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    site.routes["/a.png"] = Reply(bomb, headers={"Content-Encoding": "gzip"})
    assert problem(site, image_bytes=300_000)[0] == "too_large"


def test_a_body_shorter_than_announced_is_a_broken_connection(site: LocalSite) -> None:
    site.routes["/a.png"] = Reply(iter([b"x" * 10]), headers={"Content-Length": "20"})
    assert problem(site) == ("unreachable", "the connection broke")


def test_a_silent_server_is_left(site: LocalSite) -> None:
    def silent(earlier: int) -> Reply:
        time.sleep(0.5)
        return Reply(png(1))

    site.routes["/a.png"] = silent
    assert problem(site, read_s=0.1, attempts=1) == ("unreachable", "no answer in time")


def dripping() -> Iterator[bytes]:
    for _ in range(50):
        time.sleep(0.1)
        yield b"x"


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "50"}, {"Transfer-Encoding": "chunked"}])
def test_a_dripping_server_is_left(site: LocalSite, headers: dict[str, str]) -> None:
    site.routes["/a.png"] = Reply(dripping(), headers=headers)
    start = time.monotonic()
    assert problem(site, transfer_s=0.4) == ("unreachable", "the transfer took too long")
    assert time.monotonic() - start < 2


def test_a_closed_port_is_unreachable() -> None:
    nobody_there = {"x.test": ("127.0.0.1", 9)}
    with (
        Session(connect_to=nobody_there, caps=Caps(backoff_s=0.001)) as session,
        pytest.raises(Unreachable, match=r"robots.txt: the connection was refused"),
    ):
        session.get_image("http://x.test/a.png")


def test_requests_to_one_host_are_spaced_and_those_to_others_do_not_wait() -> None:
    pace = HostPace(connections=4)
    turns: list[tuple[str, float]] = []
    for host in ("a", "a", "b", "a"):
        with pace.turn(host, 0.1):
            turns.append((host, time.monotonic()))
    times = [turn for host, turn in turns if host == "a"]
    assert [round(later - earlier, 1) for earlier, later in pairwise(times)] == [0.1, 0.1]
    assert turns[2][1] - turns[1][1] < 0.05


def test_no_more_connections_to_a_host_than_allowed(site: LocalSite) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def busy(earlier: int) -> Reply:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        return Reply(png(1))

    site.routes["/a.png"] = busy
    with client(site, connections_per_host=2) as session, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: session.get_image(f"{SITE}/a.png"), range(8)))
    assert most == 2


def test_an_image_is_asked_for_on_condition_that_it_has_changed(site: LocalSite) -> None:
    site.routes["/a.png"] = Reply(png(1), headers={"ETag": '"1"'})
    with client(site) as session:
        assert isinstance(session.get_image(f"{SITE}/a.png", validators=Validators('"1"')), NotModified)
        assert isinstance(session.get_image(f"{SITE}/a.png", validators=Validators('"0"')), Answer)
        session.get_image(f"{SITE}/a.png", validators=Validators(last_modified=DATE))
    assert site.headers["/a.png"]["If-Modified-Since"] == DATE


def test_an_image_is_asked_for_as_a_link_of_its_page(site: LocalSite) -> None:
    site.routes["/a.png"] = Reply(png(1))
    with client(site) as session:
        session.get_image(f"{SITE}/a.png", f"{SITE}/page.html")
    assert site.headers["/a.png"]["Referer"] == f"{SITE}/page.html"


@pytest.mark.parametrize("name", ["robots", "ROBOTS", "likeness"])
@pytest.mark.parametrize("content", ["noai", "index, NoImageAI", "none"])
def test_a_page_may_keep_its_images_from_us(site: LocalSite, name: str, content: str) -> None:
    site.routes["/"] = html(f'<head><meta name="{name}" content="{content}"></head>')
    with client(site) as session, pytest.raises(FetchProblem, match="disallowed_by_robots: meta robots: n"):
        session.get_page(f"{SITE}/")


@pytest.mark.parametrize("meta", ['name="robots" content="noindex"', 'name="otherbot" content="noai"'])
def test_meta_tags_that_concern_others_keep_nothing_from_us(site: LocalSite, meta: str) -> None:
    site.routes["/"] = html(f"<head><meta {meta}></head>")
    with client(site) as session:
        assert meta in session.get_page(f"{SITE}/").text


def test_list_pages_are_turned_as_far_as_the_budget_goes(site: LocalSite) -> None:
    site.routes |= {"/": html("a"), "/b": html("b")}
    with client(site, Budget(pages=1)) as session:
        session.get_page(f"{SITE}/", listing=True)
        session.get_page(f"{SITE}/b")
        with pytest.raises(BudgetSpent, match="pages"):
            session.get_page(f"{SITE}/b", listing=True)


def test_when_the_time_is_up_nothing_more_is_asked(site: LocalSite) -> None:
    with client(site, Budget(minutes=1e-9)) as session, pytest.raises(BudgetSpent, match="minutes"):
        session.get_page(f"{SITE}/")
    assert not site.asked["/"]


def test_an_api_is_asked_with_secrets_that_no_redirect_gets(site: LocalSite) -> None:
    site.routes["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /")
    site.routes["/api?q=a+b&key=hidden"] = Reply(status=302, headers={"Location": "/elsewhere"})
    site.routes["/elsewhere"] = Reply(b'{"found": [1]}')
    with client(site) as session:
        answer = session.get_json(
            f"{SITE}/api",
            {"q": "a b", "page": None},
            api=True,
            secrets={"key": "hidden"},
            auth=("me", "hidden"),
        )
        assert session.take_pages_read() == [f"{SITE}/api?q=a+b"]
    assert answer == {"found": [1]}
    assert site.headers["/api?q=a+b&key=hidden"]["Authorization"].startswith("Basic ")
    assert "Authorization" not in site.headers["/elsewhere"]


def test_what_is_no_documented_api_obeys_robots_txt(site: LocalSite) -> None:
    site.routes["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /api")
    with client(site) as session, pytest.raises(FetchProblem, match=r"robots\.txt disallows it"):
        session.get_json(f"{SITE}/api", api=False)


def test_an_answer_that_is_no_json_is_an_http_error(site: LocalSite) -> None:
    site.routes["/api"] = html("<html>try later</html>")
    with client(site) as session, pytest.raises(FetchProblem, match="http_error: the answer is no JSON"):
        session.get_json(f"{SITE}/api", api=True)


def test_a_private_network_is_opened_by_name_and_no_other(site: LocalSite) -> None:
    site.routes["/a.png"] = Reply(png(1))
    url = f"http://127.0.0.1:{site.port}/a.png"
    with Session(networks=[ip_network("127.0.0.0/8")]) as session:
        assert isinstance(session.get_image(url), Answer)
        with pytest.raises(AddressRefused):
            session.get_image(f"http://[::1]:{site.port}/a.png")
    with Session(networks=[ip_network("10.0.0.0/8")]) as session, pytest.raises(AddressRefused):
        session.get_image(url)


def test_a_page_is_decoded_by_its_charset(site: LocalSite) -> None:
    site.routes |= {
        "/header": Reply("é".encode("latin-1"), headers={"Content-Type": "text/html; charset=latin-1"}),
        "/meta": Reply(
            '<meta charset="windows-1252">€'.encode("cp1252"), headers={"Content-Type": "text/html"}
        ),
        "/utf8": html("日本"),
    }
    with client(site) as session:
        texts = [session.get_page(f"{SITE}/{path}").text for path in ("header", "meta", "utf8")]
    assert [text[-1] for text in texts] == ["é", "€", "本"]
