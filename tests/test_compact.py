"""Small raw parts become full ones: the rows stay in order, wherever the compaction is killed."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.real_pictures import REPOSITORY
from benchmarks.workspace import Workspace
from pipeline import parts
from pipeline.commands.parts import parts_app
from pipeline.crawl import compaction
from pipeline.crawl.compaction import Compaction, compact, finish_compaction, plan
from pipeline.errors import UserError
from tests.crawl.local_site import (
    SITE,
    Listed,
    LocalSite,
    Reply,
    crawl_into,
    png,
    rejected,
    serving,
    stored,
)


def write_raw(folder: Path, *sizes: int) -> list[str]:
    """Write parts of these sizes; return the ids of their images in order."""
    first = 0
    for number, size in enumerate(sizes):
        rows = [
            {"image_id": f"{n:064x}", "bytes": bytes([n]), "url": f"http://a.test/{n}", "tags": [str(n)]}
            for n in range(first, first + size)
        ]
        parts.write_rows(folder / parts.part_name(number), rows, parts.RAW)
        first += size
    return [f"{n:064x}" for n in range(first)]


def sizes_of(folder: Path) -> list[int]:
    return [parts.count_rows(path) for path in parts.list_parts(folder)]


def ids_of(folder: Path) -> list[str]:
    return [row["image_id"] for path in parts.list_parts(folder) for row in parts.read_rows(path)]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([4, 1, 1, 1], [4, 3]),
        ([4, 3, 3, 2, 4, 1], [4, 4, 4, 4, 1]),
        ([3, 4, 1, 2, 4, 3], [3, 4, 3, 4, 3]),
        ([1, 0, 4], [1, 4]),
        ([4, 0, 4], [4, 4]),
        ([0, 0], []),
        ([6, 1, 1], [6, 2]),
    ],
)
def test_runs_of_small_parts_become_fewer(tmp_path: Path, before: list[int], after: list[int]) -> None:
    ids = write_raw(tmp_path / "raw", *before)
    done = compact(tmp_path / "raw", tmp_path / "s.sqlite", 4)
    assert sizes_of(tmp_path / "raw") == after
    assert ids_of(tmp_path / "raw") == ids
    assert done == Compaction(len(before), len(after), len(ids))
    assert list(contents(tmp_path / "raw")) == [parts.part_name(number) for number in range(len(after))]


@pytest.mark.parametrize("sizes", [[], [2], [4, 4, 2], [3, 3], [1, 4, 1]])
def test_it_refuses_where_nothing_is_to_gain(tmp_path: Path, sizes: list[int]) -> None:
    write_raw(tmp_path / "raw", *sizes)
    before = contents(tmp_path / "raw") if sizes else {}
    with pytest.raises(UserError, match=f"nothing to gain: {len(sizes)} parts cannot become fewer"):
        compact(tmp_path / "raw", tmp_path / "s.sqlite", 4)
    assert (contents(tmp_path / "raw") if sizes else {}) == before


def test_the_merged_parts_are_as_if_written_at_once(tmp_path: Path) -> None:
    write_raw(tmp_path / "small", 1, 2, 1)
    write_raw(tmp_path / "whole", 4)
    compact(tmp_path / "small", tmp_path / "s.sqlite", 4)
    assert contents(tmp_path / "small") == contents(tmp_path / "whole")


def test_full_parts_keep_their_bytes_under_new_numbers(tmp_path: Path) -> None:
    write_raw(tmp_path, 1, 1, 4, 1)
    full = (tmp_path / parts.part_name(2)).read_bytes()
    compact(tmp_path, tmp_path / "s.sqlite", 4)
    assert (tmp_path / parts.part_name(1)).read_bytes() == full


def test_a_plan_leaves_alone_what_would_not_be_fewer() -> None:
    assert plan([3, 3, 4, 1, 1], 4) == [[0], [1], [2], [3, 4]]


class Killed(BaseException):
    """Stands for the end of the process between two changes of the disk."""


def every_change(monkeypatch: pytest.MonkeyPatch, allowed: int) -> None:
    """Let only so many changes of the disk happen, then die as a killed process does: without cleaning up."""
    left = iter(range(allowed))

    def dying(change):
        def changed(*arguments, **options):
            if next(left, None) is None:
                raise Killed
            return change(*arguments, **options)

        return changed

    for name in ("replace", "unlink"):
        monkeypatch.setattr(Path, name, dying(getattr(Path, name)))
    for name in ("link", "write_table", "write_json"):
        monkeypatch.setattr(parts, name, dying(getattr(parts, name)))
    monkeypatch.setattr(compaction.shutil, "rmtree", dying(compaction.shutil.rmtree))


def kill_after(changes: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Compact a folder, and die after so many changes of the disk; say whether it came to its end before."""
    with monkeypatch.context() as patched:
        every_change(patched, changes)
        try:
            compact(folder, folder.with_suffix(".sqlite"), 4)
        except Killed:
            return False
    return True


def test_killed_anywhere_it_is_completed_or_never_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [1, 1, 4, 4, 2, 1, 1, 3]
    write_raw(tmp_path / "old", *sizes)
    write_raw(tmp_path / "new", *sizes)
    compact(tmp_path / "new", tmp_path / "new.sqlite", 4)
    old, new = contents(tmp_path / "old"), contents(tmp_path / "new")
    came_to_its_end, ended_as = False, []
    while not came_to_its_end:
        folder = tmp_path / f"killed{len(ended_as)}"
        write_raw(folder, *sizes)
        came_to_its_end = kill_after(len(ended_as), folder, monkeypatch)
        begun = (folder / compaction.JOURNAL_NAME).exists()
        assert finish_compaction(folder) == begun
        for leftover in folder.glob(".*.tmp"):  # a crawl clears them away too
            leftover.unlink()
        assert contents(folder) == new if begun or came_to_its_end else contents(folder) in (old, new)
        ended_as.append(contents(folder))
    assert old in ended_as
    assert ended_as.count(new) > 5


def test_a_compaction_that_was_cut_short_is_completed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = 0
    while not (tmp_path / str(changes) / compaction.JOURNAL_NAME).exists():
        changes += 1
        ids = write_raw(tmp_path / str(changes), 1, 1, 4, 1, 1)
        kill_after(changes, tmp_path / str(changes), monkeypatch)
    assert compact(tmp_path / str(changes), tmp_path / "s.sqlite", 4) == Compaction(3, 3, 8)
    assert ids_of(tmp_path / str(changes)) == ids


def test_never_while_a_crawl_runs(tmp_path: Path) -> None:
    write_raw(tmp_path / "raw", 1, 1)
    before = contents(tmp_path / "raw")
    with (tmp_path / "s.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="is running"):
            compact(tmp_path / "raw", tmp_path / "s.sqlite", 4)
    assert contents(tmp_path / "raw") == before


@pytest.fixture
def site() -> Iterator[LocalSite]:
    with serving(LocalSite()) as site:
        yield site


def test_the_next_crawl_knows_all_that_was_compacted(site: LocalSite, tmp_path: Path) -> None:
    for number in range(6):
        site.routes[f"/{number}.png"] = Reply(png(number))
        crawl_into(tmp_path, Listed(*(f"/{n}.png" for n in (99, *range(number + 1)))), site)
    assert sizes_of(tmp_path / "raw") == [1] * 6
    asked = site.images_asked
    compact(tmp_path / "raw", tmp_path / "s.sqlite", 4)
    site.routes["/6.png"] = Reply(png(6))
    crawl_into(tmp_path, Listed(*(f"/{n}.png" for n in (99, *range(7)))), site)
    assert [row["url"] for row in stored(tmp_path)] == [f"{SITE}/{n}.png" for n in range(7)]
    assert sizes_of(tmp_path / "raw") == [4, 2, 1]
    assert rejected(tmp_path) == {"/99.png": ("not_found", "HTTP 404")}
    assert site.images_asked <= asked + 2


def test_from_the_command_line_it_is_a_version_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    entry = {"kind": "folder", "path": str(pictures), "domain": "ultrasound"}
    workspace = Workspace(tmp_path / "workspace", {"scans": entry})
    for number in range(2):
        (pictures / f"{number}.png").write_bytes(png(number))
        workspace.dvc("repro", "--force", "--single-item", "crawl@scans")
    before = workspace.hashes()
    monkeypatch.chdir(workspace.folder)
    result = CliRunner().invoke(parts_app, ["compact", "scans"])
    assert "scans: 2 parts before, 1 after, 2 images as before" in result.output
    assert "crawl@scans: its parts are committed to DVC" in result.output
    assert workspace.hashes() != before
    assert "up to date" in workspace.dvc("status", "crawl@scans")


def test_of_an_unknown_source_nothing_is_compacted(in_folder: Path) -> None:
    (in_folder / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    result = CliRunner().invoke(parts_app, ["compact", "nowhere"])
    assert isinstance(result.exception, UserError)
    assert "'nowhere' is not one of the sources" in str(result.exception)
