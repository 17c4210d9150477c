"""A recrawl as plain Python, against a temporary Prefect server: what it shows, keeps, pushes and commits."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.real_pictures import REPOSITORY
from benchmarks.workspace import Workspace
from tests.crawl.local_site import LocalSite, Reply, serving
from tests.flows.by_hand import Ran, python, run
from tests.flows.galleries import Gallery, placeholder
from tests.flows.workspaces import recrawl_workspace

DIRTY_THEN_CLEAN = """
import subprocess
from flows.recrawl import recrawl
from flows.versioning import DirtyTree
try:
    recrawl("gallery", push=True, commit=True)
except DirtyTree as dirty:
    print("REFUSED", dirty)
subprocess.run(["git", "checkout", "--quiet", "takedowns.csv"], check=True)
recrawl("gallery", push=True, commit=True)
"""
SMALL = {
    "method": "cyclegan",
    "size_px": 32,
    "steps": 4,
    "generator": {"width": 4, "blocks": 1},
    "discriminator": {"width": 4, "layers": 2},
}


def git(workspace: Workspace, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=workspace.folder, check=True, capture_output=True, text=True).stdout


def in_git(workspace: Workspace) -> None:
    """Make a repository of a workspace, with a folder beside it as DVC's remote."""
    for name in (".gitignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy(REPOSITORY / name, workspace.folder / name)
    workspace.run("dvc", "remote", "add", "--default", "shelf", str(remote_of(workspace)))
    git(workspace, "init", "--quiet")
    git(workspace, "config", "user.name", "An Operator")
    git(workspace, "config", "user.email", "operator@example.org")
    git(workspace, "add", ".")
    git(workspace, "commit", "--quiet", "--message", "begin")


def remote_of(workspace: Workspace) -> Path:
    return workspace.folder.with_name("remote")


def history(workspace: Workspace) -> list[dict[str, Any]]:
    lines = (workspace.folder / ".state/gallery.history.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def funnel(workspace: Workspace, source: str = "gallery") -> dict[str, int]:
    """Return what the catalogue counts of a source."""
    return dict(json.loads((workspace.folder / "data/catalogue/funnel.json").read_text())[source])


@pytest.fixture(scope="module")
def site() -> Iterator[LocalSite]:
    with serving(LocalSite()) as site:
        yield site


@pytest.fixture(scope="module")
def project(site: LocalSite, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A project in Git with a file that somebody edits, and a site with ten pictures, two of which are gone."""
    gallery = Gallery(site, "gallery", 10)
    for path in gallery.shown[:2]:
        site.routes[path] = Reply(b"gone", 404)
    workspace = recrawl_workspace(tmp_path_factory.mktemp("recrawl") / "project", site)
    in_git(workspace)
    (workspace.folder / "takedowns.csv").open("a").write("# edited\n")
    return workspace


@pytest.fixture(scope="module")
def ran(project: Workspace) -> Ran:
    return run(project.folder, DIRTY_THEN_CLEAN)


def test_on_a_dirty_tree_a_recrawl_that_commits_is_refused_before_anything_is_done(
    ran: Ran, site: LocalSite
) -> None:
    assert "REFUSED not committed: takedowns.csv; commit or stash that first" in ran.printed
    assert "Nothing was done." in ran.printed
    assert site.asked["/gallery/"] == 1, "only the recrawl after it has asked the site"


def test_each_stage_is_a_task_of_its_own(ran: Ran) -> None:
    stages = [f"{stage}@gallery" for stage in ("crawl", "detect", "landmarks", "align", "colors")]
    assert ran.tasks == dict.fromkeys([*stages, "judge gallery", "catalogue"], "Completed")


def test_it_shows_what_was_new_known_and_refused_and_why(ran: Ran) -> None:
    shown = ran.artifacts["recrawl-gallery"]
    assert "🟢 as the recrawls before it" in shown
    assert "| new images | 8 |" in shown
    assert "| known | 0 |" in shown
    assert "| with a face | 8 of 8 new ones |" in shown
    assert "| rejected, crawl | not_found (2) |" in shown
    assert "| licences | none said (8) |" in shown
    assert "| requests made | 12, " in shown, "robots.txt, the page and ten pictures"


def test_the_new_images_are_shown_as_a_picture(ran: Ran) -> None:
    assert "![new images](data:image/webp;base64," in ran.artifacts["recrawl-gallery"]


def test_the_catalogue_is_up_to_date(ran: Ran, project: Workspace) -> None:
    assert funnel(project)["kept"] == 8
    (row,) = json.loads(ran.artifacts["funnel"])
    assert (row["source"], row["kept"], row["rejected"]) == ("gallery", 8, "crawl: not_found (2)")


def test_the_recrawl_is_in_the_history_of_its_source(ran: Ran, project: Workspace) -> None:
    (record,) = history(project)
    assert (record["verdict"], record["images"], record["refused"]) == ("accepted", 8, 2)
    assert not (project.folder / ".state/gallery.recrawl.json").exists()


def test_the_remote_has_all_that_dvc_lock_names(ran: Ran, project: Workspace) -> None:
    status = project.run("dvc", "status", "--cloud")
    assert "Cache and remote 'shelf' are in sync." in status


def test_git_has_the_new_lock_and_nothing_else(ran: Ran, project: Workspace) -> None:
    assert git(project, "log", "-1", "--name-only", "--format=%s").split() == [
        *["Recrawl", "of", "gallery"],
        "dvc.lock",
    ]
    assert git(project, "status", "--porcelain") == ""


@pytest.mark.long
def test_typed_by_hand_an_unlike_recrawl_says_what_to_type(site: LocalSite, tmp_path: Path) -> None:
    gallery = Gallery(site, "unlike", 24)
    workspace = recrawl_workspace(tmp_path / "project", site, ["unlike"])
    python(workspace.folder, "-m", "flows.recrawl", "unlike")
    gallery.add(24, placeholder)
    said = python(workspace.folder, "-m", "flows.recrawl", "unlike", exit_code=1)
    (words,) = re.findall(r"^the recrawl of unlike is in quarantine: the new faces differ in .*", said, re.M)
    assert "Look at report/recrawls/unlike.png, then type `python -m pipeline quarantine approve " in words
    assert (workspace.folder / "report/recrawls/unlike.png").exists()
    assert funnel(workspace, "unlike")["crawled"] == 24

    asked = site.asked["/unlike/"]
    assert words in python(workspace.folder, "-m", "flows.recrawl", "unlike", exit_code=1)
    assert site.asked["/unlike/"] == asked, "nothing is crawled until somebody has decided"
    workspace.run("pipeline", "quarantine", "approve", "unlike")
    gallery.add(2)
    python(workspace.folder, "-m", "flows.recrawl", "unlike")
    assert funnel(workspace, "unlike")["crawled"] == 50


@pytest.mark.long
def test_until_the_report_only_what_has_grown_is_trained_again(site: LocalSite, tmp_path: Path) -> None:
    names = ["old", "new", "still"]
    growing, *_ = (Gallery(site, name, 24) for name in ("new", "old", "still"))
    workspace = recrawl_workspace(tmp_path / "project", site, names)
    of_three_domains(workspace, {"grows": ["new", "old"], "rests": ["old", "still"]})
    for name in names:
        workspace.dvc("repro", "--quiet", f"colors@{name}")
    first = run(workspace.folder, "from flows.recrawl import recrawl; recrawl('new', until='report')")
    assert trained(first) == {"train@grows", "train@rests"}, "what was never trained is due"
    before = workspace.hashes()

    growing.add(2)  # of 40 faces or so that both domains train on
    second = run(workspace.folder, "from flows.recrawl import recrawl; recrawl('new', until='report')")
    assert trained(second) == set()
    assert second.tasks["report"] == "Completed"

    growing.add(12)
    third = run(workspace.folder, "from flows.recrawl import recrawl; recrawl('new', until='report')")
    assert trained(third) == {"train@grows"}
    assert third.tasks["evaluate@grows"] == third.tasks["report"] == "Completed"
    after = workspace.hashes()
    assert after["models/rests/weights"] == before["models/rests/weights"]
    assert after["models/grows/weights"] != before["models/grows/weights"]
    measured = {row["experiment"] for row in json.loads(third.artifacts["results"])}
    assert measured == {"grows", "rests"}


def of_three_domains(workspace: Workspace, experiments: dict[str, list[str]]) -> None:
    """Give each source a domain of its own, and train small networks between them."""
    params = workspace.params()
    split = {"val": 0.1, "test": 0.2, "by": ["subject", "pair_id"]}  # they all stand on one page
    workspace.set(
        sources={name: {**entry, "domain": name} for name, entry in params["sources"].items()},
        domains=dict.fromkeys(params["sources"], params["domains"]["ultrasound"]),
        catalogue={**params["catalogue"], "split": split},
        experiments={name: {**SMALL, "domains": domains} for name, domains in experiments.items()},
    )


def trained(ran: Ran) -> set[str]:
    return {name for name in ran.tasks if name.startswith("train@")}
