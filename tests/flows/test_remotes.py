"""DVC's remotes under the project's own stages: what a push moves, what a clone pulls, what DVC says if it cannot."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from moto.server import ThreadedMotoServer

from benchmarks.real_pictures import REPOSITORY
from benchmarks.workspace import Workspace

SOURCE = {"kind": "demo", "style": "portrait", "count": 8, "seed": 0, "domain": "photo"}
EXPERIMENT = {"method": "cyclegan", "domains": ["photo", "photo"]}
PARTWISE = ("raw", "detections", "landmarks", "aligned", "colors")
CATALOGUE = ("faces.parquet", "rejections.parquet", "funnel.json", "domains.json", "duplicates.json")
TRAINED = (
    "data/datasets/still/arrays.npy",
    "models/still/weights/generator.safetensors",
    "models/still/curves/losses.tsv",
    "models/still/samples/step-1.jpg",
    "samples/still/0.png",
    "metrics/still.json",
)
REPORT = "report/index.html"


class Remote(NamedTuple):
    url: str
    endpoint: str | None
    names: Callable[[], set[str]]

    def objects(self) -> set[str]:
        """Return the hashes of what lies there, those of folders with `.dir`."""
        found = (re.search(r"files/md5/(..)/(.+)$", name) for name in self.names())
        return {"".join(match.groups()) for match in found if match}


def dvc(folder: Path, *arguments: str, exit_code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == exit_code, done.stdout
    return done.stdout


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=Operator", "-c", "user.email=operator@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def write(folder: Path, name: str, text: str | None = None) -> str:
    """Write a file that no other equals, unless told the text, and return its hash."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text or f"{name} {os.urandom(8).hex()}")
    return hashlib.md5(path.read_bytes()).hexdigest()


def funnel(kept: int) -> str:
    return json.dumps({"faces": {"kept": kept}})


def record(workspace: Workspace, message: str) -> None:
    """Take what lies in the workspace as what the stages made, into DVC's cache and into Git."""
    dvc(workspace.folder, "commit", "--force", "--quiet")
    git(workspace.folder, "add", ".")
    git(workspace.folder, "commit", "--message", message)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A project in Git with the real dvc.yaml, whose stages' outputs are stand-ins of a few bytes."""
    workspace = Workspace(
        tmp_path_factory.mktemp("made") / "project", {"faces": SOURCE}, {"still": EXPERIMENT}
    )
    folder = workspace.folder
    for name in (".gitignore", ".dvc/config", ".dvc/.gitignore"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, folder / name)
    for name in (*(f"data/{room}/faces/first.parquet" for room in PARTWISE), *TRAINED, REPORT):
        write(folder, name)
    for name in CATALOGUE:
        write(folder, f"data/catalogue/{name}", json.dumps({name: 1}))
    write(folder, "data/catalogue/funnel.json", funnel(kept=8))
    write(folder, "metrics/still.json", json.dumps({"kid": 0.125}))
    git(folder, "init")
    record(workspace, "The first crawl")
    return workspace


@pytest.fixture
def workspace(made: Workspace, tmp_path: Path) -> Workspace:
    return Workspace.copy(made, tmp_path / "project")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3-compatible server."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody's credentials: no file of whoever runs the tests is read, and no cloud is asked who this is."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture
def credentials(stranger: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "operator")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.long)])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Remote:
    if request.param == "folder":
        folder = tmp_path / "store"
        return Remote(str(folder), None, lambda: {str(path) for path in folder.rglob("*") if path.is_file()})
    request.getfixturevalue("credentials")
    endpoint = request.getfixturevalue("s3")
    bucket = f"{endpoint}/{tmp_path.name.replace('_', '-').strip('-')}"
    requests.put(bucket, timeout=10).raise_for_status()
    url = f"s3://{bucket.rpartition('/')[2]}/likeness"
    return Remote(
        url, endpoint, lambda: set(re.findall("<Key>(.+?)</Key>", requests.get(bucket, timeout=10).text))
    )


def connect(folder: Path, remote: Remote) -> None:
    """Name the remote as the default: its URL for everybody, its endpoint for this machine."""
    dvc(folder, "remote", "add", "--force", "--default", "store", remote.url)
    if remote.endpoint:
        dvc(folder, "remote", "modify", "--local", "store", "endpointurl", remote.endpoint)


def clone(workspace: Workspace, remote: Remote, folder: Path) -> Path:
    """Return what a colleague has: a clone of the Git repository, and the remote."""
    git(workspace.folder.parent, "clone", str(workspace.folder), str(folder))
    connect(folder, remote)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of the stages' outputs."""
    rooms = ("data", "models", "samples", "metrics", "report")
    files = (path for room in rooms for path in (folder / room).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_clone_pulls_the_same_bytes(workspace: Workspace, remote: Remote, tmp_path: Path) -> None:
    connect(workspace.folder, remote)
    dvc(workspace.folder, "push")
    colleague = clone(workspace, remote, tmp_path / "colleague")
    dvc(colleague, "pull")
    assert contents(colleague) == contents(workspace.folder)
    assert "up to date" in dvc(colleague, "status")


def test_a_recrawl_moves_only_what_is_new(workspace: Workspace, remote: Remote) -> None:
    connect(workspace.folder, remote)
    dvc(workspace.folder, "push")
    before, hashes_before = remote.objects(), workspace.hashes()

    written = {write(workspace.folder, f"data/{room}/faces/second.parquet") for room in PARTWISE}
    written.add(write(workspace.folder, "data/catalogue/funnel.json", funnel(kept=9)))
    record(workspace, "A recrawl")
    printed = dvc(workspace.folder, "push")

    changed = set(workspace.hashes().values()) - set(hashes_before.values())
    listings = {value for value in changed if value.endswith(".dir")}
    assert len(listings) == len(PARTWISE)
    assert remote.objects() - before == written | listings
    assert before < remote.objects()
    assert f"{len(written | listings)} files pushed" in printed
    assert "up to date" in dvc(workspace.folder, "push")


@pytest.mark.long
def test_runs_that_were_pushed_are_not_done_again_elsewhere(
    workspace: Workspace, remote: Remote, tmp_path: Path
) -> None:
    connect(workspace.folder, remote)
    dvc(workspace.folder, "push", "--run-cache")
    colleague = clone(workspace, remote, tmp_path / "colleague")
    dvc(colleague, "pull", "--run-cache")
    shutil.rmtree(colleague / "data/colors/faces")
    (colleague / "dvc.lock").unlink()
    printed = dvc(colleague, "repro", "--single-item", "colors@faces")
    assert "is cached - skipping run, checking out outputs" in printed
    assert contents(colleague) == contents(workspace.folder)


def test_the_report_is_one_file_to_pull(workspace: Workspace, remote: Remote, tmp_path: Path) -> None:
    connect(workspace.folder, remote)
    dvc(workspace.folder, "push")
    reader = clone(workspace, remote, tmp_path / "reader")
    in_git = set(contents(reader))
    dvc(reader, "pull", "report")
    assert set(contents(reader)) - in_git == {REPORT}
    assert contents(reader)[REPORT] == contents(workspace.folder)[REPORT]


def test_measures_of_models_are_in_git(workspace: Workspace, tmp_path: Path) -> None:
    reader = tmp_path / "reader"
    git(tmp_path, "clone", str(workspace.folder), str(reader))
    (shown,) = json.loads(dvc(reader, "metrics", "show", "metrics/still.json", "--json")).values()
    assert shown["data"]["metrics/still.json"]["data"] == {"kid": 0.125}


def push_to(workspace: Workspace, url: str, endpoint: str) -> str:
    """Push to a server that will not have it, and return what DVC says."""
    connect(workspace.folder, Remote(url, endpoint, set))
    return dvc(workspace.folder, "push", exit_code=255)


@pytest.mark.usefixtures("credentials")
def test_a_push_names_the_server_that_does_not_answer(workspace: Workspace) -> None:
    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:9/' in push_to(
        workspace, "s3://likeness", "http://127.0.0.1:9"
    )


@pytest.mark.usefixtures("credentials")
@pytest.mark.long
def test_a_push_says_that_the_bucket_is_missing(workspace: Workspace, s3: str) -> None:
    assert "bucket does not exist" in push_to(workspace, "s3://nowhere", s3)


@pytest.mark.usefixtures("stranger")
def test_a_push_says_that_credentials_are_missing(workspace: Workspace, s3: str) -> None:
    assert "Unable to locate credentials" in push_to(workspace, "s3://likeness", s3)
