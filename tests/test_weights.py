"""Every weight file says whose it is; what is downloaded comes whole, verified, or not at all."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from pipeline import params, weights
from pipeline.cli import main
from pipeline.errors import UserError
from pipeline.faces.detectors import load_detector
from pipeline.faces.detectors import weights_of as weights_of_detector
from pipeline.faces.landmarks import load_landmarker
from pipeline.faces.landmarks import weights_of as weights_of_landmarks
from pipeline.weights.fetching import fetch
from tests.crawl.local_site import LocalSite, Reply, serving

CONTENT = b"0.1 0.2 0.3" * 1000
HASH = hashlib.sha256(CONTENT).hexdigest()
DETECTORS = params.REAL_DETECTORS + params.FETCHED_DETECTORS + params.CARTOON_DETECTORS


@pytest.fixture(autouse=True)
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing has been fetched yet."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    weights.sha256.cache_clear()
    return tmp_path / "torch"


@pytest.fixture
def site() -> Iterator[LocalSite]:
    with serving(LocalSite()) as site:
        yield site


def published(
    monkeypatch: pytest.MonkeyPatch, site: LocalSite, reply: Reply, stated: str | None
) -> weights.Fetched:
    """Return the entry of a file that the local site gives, with this statement of its hash."""
    site.routes["/sfd.pth"] = reply
    url = f"http://127.0.0.1:{site.port}/sfd.pth"
    entry = replace(weights.FETCHED["sfd"], url=url, stated=stated)
    monkeypatch.setitem(weights.TABLE, "sfd", entry)
    return entry


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["pipeline", "weights", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("stated", [HASH, HASH[:10]], ids=["whole", "first digits"])
def test_a_file_with_the_stated_hash_is_kept_where_torch_looks_for_it(
    monkeypatch: pytest.MonkeyPatch, site: LocalSite, torch_home: Path, stated: str
) -> None:
    published(monkeypatch, site, Reply(CONTENT), stated)
    place = fetch("sfd")
    assert place == torch_home / "hub" / "checkpoints" / "s3fd-619a316812.pth"
    assert place.read_bytes() == CONTENT
    assert weights.path("sfd") == place
    assert weights.sha256("sfd") == HASH
    assert left_in(torch_home) == [place.name]


def test_a_file_that_is_there_is_not_fetched_again(monkeypatch: pytest.MonkeyPatch, site: LocalSite) -> None:
    published(monkeypatch, site, Reply(CONTENT), HASH)
    assert fetch("sfd") == fetch("sfd")
    assert site.asked["/sfd.pth"] == 1


def test_a_file_with_another_hash_is_thrown_away(
    monkeypatch: pytest.MonkeyPatch, site: LocalSite, torch_home: Path
) -> None:
    published(monkeypatch, site, Reply(b"something else"), HASH)
    with pytest.raises(UserError, match=f"not the one known.*{HASH}.*thrown away"):
        fetch("sfd")
    assert left_in(torch_home) == []


def test_a_download_that_breaks_off_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, site: LocalSite, torch_home: Path
) -> None:
    halfway = Reply([CONTENT[:500]], headers={"Content-Length": str(len(CONTENT))})
    published(monkeypatch, site, halfway, None)
    with pytest.raises(UserError, match=r"sfd\.pth could not be fetched"):
        fetch("sfd")
    assert left_in(torch_home) == []


def test_offline_the_user_learns_address_place_and_hash(
    monkeypatch: pytest.MonkeyPatch, torch_home: Path
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/sfd.pth"
        monkeypatch.setitem(weights.TABLE, "sfd", replace(weights.FETCHED["sfd"], url=url))
        with pytest.raises(UserError) as problem:
            fetch("sfd")
    for told in (url, str(torch_home / "hub" / "checkpoints" / "s3fd-619a316812.pth"), "619a316812…"):
        assert told in str(problem.value)


def test_a_publisher_that_has_the_file_no_more_is_told_like_one_that_is_offline(
    monkeypatch: pytest.MonkeyPatch, site: LocalSite, torch_home: Path
) -> None:
    published(monkeypatch, site, Reply(b"gone", 404), HASH)
    with pytest.raises(UserError, match=r"404.*by hand"):
        fetch("sfd")
    assert left_in(torch_home) == []


def test_where_no_hash_is_stated_that_of_the_first_download_holds_from_then_on(
    monkeypatch: pytest.MonkeyPatch, site: LocalSite
) -> None:
    entry = published(monkeypatch, site, Reply(CONTENT), None)
    assert entry.describe_hash() == "none stated by the publisher"
    place = fetch("sfd")
    assert entry.record().read_text() == f"{HASH}  {place.name}\n"
    assert weights.sha256("sfd") == HASH

    place.write_bytes(b"tampered with")
    weights.sha256.cache_clear()
    with pytest.raises(UserError, match="not the one known"):
        weights.sha256("sfd")
    place.unlink()
    site.routes["/sfd.pth"] = Reply(b"another version")
    with pytest.raises(UserError, match="recorded when it was first fetched"):
        fetch("sfd")
    assert not place.exists()


def test_a_file_put_there_by_hand_must_be_the_published_one() -> None:
    place = weights.FETCHED["fan-68"].place()
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    for use in (weights.sha256, fetch):
        with pytest.raises(
            UserError, match="delete the file and run python -m pipeline weights fetch fan-68"
        ):
            use("fan-68")


def test_a_package_that_reads_the_file_must_be_there_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(weights, "distribution", missing)
    with pytest.raises(UserError, match=r"face-alignment is not installed; run .*--editable '\.\[fan\]'"):
        weights.path("fan-68")


def test_what_ships_in_a_package_is_not_fetched() -> None:
    with pytest.raises(UserError, match="dlib-68: they ship in the package face_recognition_models"):
        fetch("dlib-68")


def test_a_misspelt_name_is_answered_with_the_right_one() -> None:
    with pytest.raises(UserError, match="did you mean 'yunet'"):
        fetch("yu-net")


@pytest.mark.parametrize("home", [{}, {"XDG_CACHE_HOME": "/caches"}, {"TORCH_HOME": "~/weights"}], ids=str)
def test_torch_agrees_on_where_downloaded_files_lie(monkeypatch: pytest.MonkeyPatch, home: dict) -> None:
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    from torch.hub import get_dir

    assert weights.FETCHED["fan-68"].place().parent == Path(get_dir()) / "checkpoints"


def test_the_command_lists_every_file_with_licence_origin_hash_and_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = listed(monkeypatch, capsys)
    for entry in weights.TABLE.values():
        assert (
            f"{entry.name}: {entry.purpose}\n  licence  {entry.licence}\n  origin   {entry.origin}\n" in said
        )
    for entry in weights.SHIPPED.values():
        assert f"  file     {entry.path()}\n  sha256   {weights.sha256(entry.name)}\n" in said
    for entry in weights.FETCHED.values():
        assert f"  address  {entry.url}\n  hash     {entry.describe_hash()}\n  missing  " in said


def test_the_command_fetches_one_and_lists_it_from_then_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], site: LocalSite
) -> None:
    entry = published(monkeypatch, site, Reply(CONTENT), HASH[:10])
    said = listed(monkeypatch, capsys, "fetch", "sfd")
    assert entry.licence in said
    assert f"  file     {entry.place()}\n  sha256   {HASH}\n" in listed(monkeypatch, capsys)


def test_a_stated_hash_is_one() -> None:
    for entry in weights.FETCHED.values():
        if entry.stated is not None:
            assert set(entry.stated) <= set("0123456789abcdef")
            assert len(entry.stated) == 64 or f"-{entry.stated}." in entry.file


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_of_params_loads_or_says_what_to_do(name: str) -> None:
    assert set(weights_of_detector(name)) <= weights.TABLE.keys()
    if name in params.FETCHED_DETECTORS:
        with pytest.raises(UserError, match=rf"run (\.uv/bin/uv pip install|{weights.FETCH} {name})"):
            load_detector(name)
    else:
        assert callable(load_detector(name))


@pytest.mark.parametrize("name", params.REAL_LANDMARKS)
def test_every_landmark_model_of_params_loads_or_says_what_to_do(name: str) -> None:
    assert weights_of_landmarks("cartoon", name) <= weights.TABLE.keys()
    if name in weights.FETCHED:
        with pytest.raises(UserError, match=rf"run (\.uv/bin/uv pip install|{weights.FETCH} {name})"):
            load_landmarker(name)
    else:
        assert callable(load_landmarker(name))


def test_to_know_the_weights_loads_neither_torch_nor_requests() -> None:
    code = (
        "import sys, pipeline.weights; print([name for name in ('torch', 'requests') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True, env=os.environ).strip() == "[]"
