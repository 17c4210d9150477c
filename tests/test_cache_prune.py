"""What of .cache may go: results that nothing is made of any more, and checkpoints of long ago."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import cache, parts
from pipeline.commands.parts import cache_app
from pipeline.upkeep.pruning import FEATURES

DAY_S = 24 * 3600


def make_result(number: int, source: str | None = "s") -> Path:
    """Make a part as a stage does, and keep it in the cache; without a source the part goes again."""
    part = parts.folder("detections", source or "gone") / parts.part_name(number)
    parts.write_rows(part, [{"image_id": f"{number:064x}"}], parts.DETECTIONS)
    cache.store(f"{number:064x}", part)
    if source is None:
        part.unlink()
    return part


def make_training(name: str, days_ago: float) -> Path:
    """Leave checkpoints that were written last so many days ago."""
    folder = cache.CHECKPOINTS / name
    (folder / "samples").mkdir(parents=True)
    for path in (folder / "checkpoint.pt", folder / "samples" / "step-000001.png"):
        path.write_bytes(bytes(1000))
    written = time.time() - days_ago * DAY_S
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (written, written))
    return folder


def cached() -> list[int]:
    return sorted(int(path.stem, 16) for path in cache.CACHE.glob("*/*.parquet"))


def prune(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(cache_app, ["prune", *arguments])
    assert result.exit_code == exit_code, result.output
    return result.output


def test_only_results_that_are_no_current_part_go(in_folder: Path) -> None:
    for number in range(3):
        make_result(number)
        make_result(10 + number, source=None)
    freed = sum((cache.CACHE / "00" / f"{n:064x}.parquet").stat().st_size for n in (10, 11, 12))
    assert prune() == f"3 results and 0 trainings deleted, {freed} bytes freed\n"
    assert cached() == [0, 1, 2]
    assert prune() == "0 results and 0 trainings deleted, 0 bytes freed\n"


def test_a_part_that_is_a_copy_is_still_the_result(in_folder: Path) -> None:
    part = make_result(1)
    make_result(2, source=None)
    shutil.copy(part, "copy")
    Path("copy").replace(part)
    assert part.stat().st_nlink == 1
    prune()
    assert cached() == [1]


def test_a_result_that_was_made_anew_goes(in_folder: Path) -> None:
    part = make_result(1)
    parts.write_rows(part, [{"image_id": f"{2:064x}"}], parts.DETECTIONS)
    cache.store(f"{2:064x}", part)
    prune()
    assert cached() == [2]


def test_without_any_part_all_results_go(in_folder: Path) -> None:
    make_result(1, source=None)
    prune()
    assert cached() == []


def test_checkpoints_go_when_they_are_old_enough(in_folder: Path) -> None:
    old, young = make_training("old", days_ago=40), make_training("young", days_ago=3)
    assert prune() == "0 results and 1 trainings deleted, 2000 bytes freed\n"
    assert (old.exists(), young.exists()) == (False, True)
    prune("--older-than", "2")
    assert not young.exists()


def test_features_go_when_they_are_old_enough(in_folder: Path) -> None:
    folder = FEATURES / "tagger" / "0000"
    folder.mkdir(parents=True)
    for name, days in (("old", 40), ("young", 3)):
        (folder / f"{name}.npz").write_bytes(b"0" * 100)
        written = time.time() - days * DAY_S
        os.utime(folder / f"{name}.npz", (written, written))
    assert prune() == "1 results and 0 trainings deleted, 100 bytes freed\n"
    assert [path.name for path in folder.iterdir()] == ["young.npz"]


def test_one_young_file_keeps_a_training(in_folder: Path) -> None:
    folder = make_training("going-on", days_ago=40)
    (folder / "samples" / "step-000002.png").touch()
    prune("--older-than", "1")
    assert (folder / "checkpoint.pt").exists()


def test_a_dry_run_deletes_nothing(in_folder: Path) -> None:
    make_result(1, source=None)
    make_training("old", days_ago=40)
    size = (cache.CACHE / "00" / f"{1:064x}.parquet").stat().st_size
    said = prune("--dry-run")
    assert said == f"1 results and 1 trainings would be deleted, {2000 + size} bytes would be freed\n"
    assert cached() == [1]
    assert (cache.CHECKPOINTS / "old").exists()


@pytest.mark.parametrize("days", ["-1", "soon"])
def test_an_age_is_no_less_than_nothing(in_folder: Path, days: str) -> None:
    make_training("old", days_ago=40)
    prune("--older-than", days, exit_code=2)
    assert (cache.CHECKPOINTS / "old").exists()


def test_where_there_is_no_cache_nothing_happens(in_folder: Path) -> None:
    assert prune("--older-than", "0") == "0 results and 0 trainings deleted, 0 bytes freed\n"
