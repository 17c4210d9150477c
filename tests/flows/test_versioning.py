"""What a flow commits to Git: what its stages wrote, and nobody else's unfinished work."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from flows import versioning


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(in_folder: Path) -> Path:
    git("init", "--quiet")
    git("config", "user.name", "An Operator")
    git("config", "user.email", "operator@example.org")
    (in_folder / "metrics").mkdir()
    for name in ("dvc.lock", "params.yaml", "metrics/demo.json"):
        (in_folder / name).write_text("1\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "begin")
    return in_folder


def test_what_the_stages_wrote_is_committed(repository: Path) -> None:
    (repository / "dvc.lock").write_text("2\n")
    (repository / "metrics" / "new.json").write_text("{}\n")
    name = versioning.commit("Recrawl of demo")
    assert name == git("rev-parse", "--short", "HEAD").strip()
    assert git("show", "--name-only", "--format=%s").split("\n") == [
        "Recrawl of demo",
        "",
        "dvc.lock",
        "metrics/new.json",
        "",
    ]


def test_where_nothing_changed_nothing_is_committed(repository: Path) -> None:
    before = git("rev-parse", "HEAD")
    assert versioning.commit("Recrawl of demo") is None
    assert git("rev-parse", "HEAD") == before


def test_somebodys_edit_is_named_and_refused(repository: Path) -> None:
    versioning.refuse_dirty_tree()
    (repository / "params.yaml").write_text("edited\n")
    with pytest.raises(versioning.DirtyTree, match=r"not committed: params\.yaml; commit or stash"):
        versioning.refuse_dirty_tree()


def test_files_that_git_does_not_know_are_no_reason_to_refuse(repository: Path) -> None:
    (repository / "notes.txt").write_text("mine\n")
    versioning.refuse_dirty_tree()


def test_outside_of_a_repository_the_message_is_gits_own(in_folder: Path) -> None:
    with pytest.raises(RuntimeError, match="not a git repository"):
        versioning.refuse_dirty_tree()


def test_a_half_written_lock_is_replaced_by_the_copy_of_before(in_folder: Path) -> None:
    whole = "schema: '2.0'\nstages:\n  detect@demo:\n    cmd: detect\n"
    (in_folder / "dvc.lock").write_text(whole)
    versioning.keep_lock()
    for torn in ("", "schema: '2.0'\n", "schema: '2.0'\nstages:\n  detect@demo: {cmd"):
        (in_folder / "dvc.lock").write_text(torn)
        said: list[str] = []
        versioning.mend_lock(said.append)
        assert (in_folder / "dvc.lock").read_text() == whole
        assert "half written" in said[0]


def test_a_whole_lock_is_left_alone_and_a_torn_one_is_never_kept(in_folder: Path) -> None:
    (in_folder / "dvc.lock").write_text("stages: {one: 1}\n")
    versioning.keep_lock()
    (in_folder / "dvc.lock").write_text("stages: {one: 2}\n")
    versioning.mend_lock(print)
    assert (in_folder / "dvc.lock").read_text() == "stages: {one: 2}\n"
    (in_folder / "dvc.lock").write_text("stages: {one")
    versioning.keep_lock()
    versioning.mend_lock(print)
    assert (in_folder / "dvc.lock").read_text() == "stages: {one: 1}\n"
