"""The page answers, gives out nothing of the machine, and leaves nothing behind."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest

from benchmarks.real_pictures import REPOSITORY
from pipeline.commands.serving import serve
from pipeline.errors import UserError
from tests.serve.small_zoo import write_model

pytestmark = pytest.mark.skipif(importlib.util.find_spec("gradio") is None, reason="needs the extra serve")


def start(project: Path, scratch: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start the application in a project and return it with its address."""
    (project / "params.yaml").write_bytes((REPOSITORY / "params.yaml").read_bytes())
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "serve", "--port", "0", "--accelerator", "cpu", *arguments],
        cwd=project,
        env=os.environ | {"TMPDIR": str(scratch), "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def get(url: str, **headers: str) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=60) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_page_answers_until_it_is_told_to_end_and_leaves_nothing(in_folder: Path) -> None:
    project, scratch = in_folder / "project", in_folder / "tmp"
    project.mkdir()
    scratch.mkdir()
    write_model(project / "models", "faces")
    process, url = start(project, scratch)
    try:
        assert url.startswith("http://127.0.0.1:")
        status, body = get(url)
        assert status == 200
        assert b"a photograph of people (photo)" in get(f"{url}/config")[1]
        assert str(project).encode() not in body + get(f"{url}/config")[1]
        for path in (
            project / "params.yaml",
            project / "models/faces/weights/experiment.json",
            "/etc/hostname",
        ):
            assert get(f"{url}/gradio_api/file={quote(str(path))}")[0] in (403, 404)
        assert get(url, Host="a-page-elsewhere.example")[0] == 400
        assert [path.name[:14] for path in scratch.glob("likeness-*")] == ["likeness-serve"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert list(scratch.glob("likeness-*")) == []
    finally:
        process.kill()
        process.wait()


@pytest.mark.long
def test_without_a_trained_model_the_page_says_how_to_train_one(in_folder: Path) -> None:
    project = in_folder / "project"
    project.mkdir()
    process, url = start(project, in_folder)
    try:
        assert b"No model is trained yet" in get(f"{url}/config")[1]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_without_gradio_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"needs Gradio: pip install '\.\[serve\]'"):
        serve()


def test_an_address_that_cannot_be_had_is_an_error_that_says_what_to_do() -> None:
    from pipeline.serve.app import free_port

    taken = free_port("127.0.0.1", 0)
    assert taken > 0
    with pytest.raises(UserError, match=r"--host 203\.0\.113\.1 --port \d+: .*take another port, or 0"):
        free_port("203.0.113.1", taken)
    with pytest.raises(UserError, match="--host no"):
        free_port("no.such.host.invalid", 7860)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("example.org", False)],
)
def test_only_this_machines_own_addresses_are_its_own(host: str, loopback: bool) -> None:
    from pipeline.serve.app import is_loopback

    assert is_loopback(host) is loopback
