from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.crawl.failures import HttpError
from tests.crawl.hostile_site import GOOD, IMAGES, KEPT, ROBOTS, TLS, HostileSite
from tests.crawl.local_site import SITE, LocalSite, Reply, client, png, rejected, serving, stored

# 300 MB for one image of the most pixels allowed, 8 x 20 MB for the longest answers on their way, and some room.
MEMORY_BYTES = 600_000_000


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key, and a certificate that nobody but its owner has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "self-signed.test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("self-signed.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(pem)
    )
    return file


@pytest.fixture(scope="module")
def crawled(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Crawl everything in a process of its own; return its folder, and what it said of itself."""
    folder = tmp_path_factory.mktemp("crawled")
    with HostileSite(certificate).serving() as site:
        command = [sys.executable, "-m", "tests.crawl.hostile_site", folder, site.port, site.tls_port]
        done = subprocess.run(
            [str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True, timeout=240
        )
    return folder, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", [*IMAGES, *ROBOTS])
def test_what_is_hostile_is_refused_with_its_reason(crawled: tuple[Path, dict[str, Any]], name: str) -> None:
    reason, detail = (IMAGES | ROBOTS)[name][1]
    found = [said for url, said in rejected(crawled[0]).items() if url.startswith(f"http://{name}.test/")]
    assert found == [(reason, found[0][1] if detail is None else detail)]


@pytest.mark.parametrize("url", TLS)
def test_a_connection_that_is_not_safe_is_refused(crawled: tuple[Path, dict[str, Any]], url: str) -> None:
    assert rejected(crawled[0])[url] == TLS[url]


def test_what_is_good_is_stored_between_what_is_hostile(crawled: tuple[Path, dict[str, Any]]) -> None:
    kept = {row["url"]: row["bytes"] for row in stored(crawled[0])}
    assert kept == {url: png(number) for number, url in enumerate(GOOD)} | {
        f"http://{name}.test/1.png": data for name, (_, data) in KEPT.items()
    }


def test_everything_is_accounted_for(crawled: tuple[Path, dict[str, Any]]) -> None:
    folder, said = crawled
    assert said["new"] == len(GOOD) + len(KEPT)
    assert said["refused"] == len(rejected(folder)) == len(IMAGES) + len(ROBOTS) + len(TLS)


def test_memory_stays_bounded(crawled: tuple[Path, dict[str, Any]]) -> None:
    assert crawled[1]["bytes"] < MEMORY_BYTES


@pytest.mark.parametrize(
    "body", [b"[" * 1_000_000, b'{"a":' * 100_000, b"9" * 100_000, b"\xff\xfe[", b"", b"null null"]
)
def test_a_listing_that_breaks_parsers_is_an_http_error(body: bytes) -> None:
    site = LocalSite()
    site.routes["/list.json"] = Reply(body)
    with serving(site), client(site) as session, pytest.raises(HttpError, match="the answer is no JSON"):
        session.get_json(f"{SITE}/list.json", api=True)


@pytest.mark.parametrize(
    "body", [b"<div>" * 100_000, b"<!--" * 100_000, b"\0\xff\xfe" * 1000, b"<![CDATA[" * 1000, b""]
)
def test_a_page_that_breaks_parsers_shows_nothing(body: bytes) -> None:
    site = LocalSite()
    site.routes["/"] = Reply(body, headers={"Content-Type": "text/html; charset=utf-7"})
    with serving(site), client(site) as session:
        assert session.get_page(f"{SITE}/").soup.select("img") == []
