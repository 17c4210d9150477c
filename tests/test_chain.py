"""The chain as its users run it: `dvc repro` from crawl to report, again, cold, killed, and with more input."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.workspace import Workspace
from pipeline import parts
from tests.broken_pictures import ENDS, write_broken_pictures

COUNT = 36
DEMO = {
    "demo-portraits": {"kind": "demo", "style": "portrait", "count": COUNT, "domain": "photo"},
    "demo-cartoons": {"kind": "demo", "style": "cartoon", "count": COUNT, "domain": "anime"},
}
TABLES = ("detections", "landmarks", "aligned", "colors")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which the chain has run on the demo, a folder of broken files, and a whole-picture domain."""
    folder = tmp_path_factory.mktemp("chain")
    write_broken_pictures(folder / "pictures")
    files = {"kind": "folder", "path": str(folder / "pictures")}
    sources = DEMO | {"broken": files | {"domain": "photo"}, "scans": files | {"domain": "ultrasound"}}
    workspace = Workspace(folder / "workspace", sources)
    workspace.dvc("repro")
    return workspace


def rows(workspace: Workspace, table: str, source: str) -> list[dict]:
    paths = parts.list_parts(workspace.folder / "data" / table / source)
    return [row for path in paths for row in parts.read_rows(path)]


def funnel(workspace: Workspace) -> dict:
    return json.loads((workspace.folder / "data/catalogue/funnel.json").read_text())


@pytest.mark.parametrize("source", [*DEMO, "broken", "scans"])
def test_nothing_is_lost_at_any_stage(finished: Workspace, source: str) -> None:
    images = [row["image_id"] for row in rows(finished, "raw", source)]
    detections = rows(finished, "detections", source)
    assert list(dict.fromkeys(row["image_id"] for row in detections)) == images
    results = Counter(row["image_id"] for row in detections if row["reason"])
    assert all(count == 1 for count in results.values())
    came_in = [row["face_id"] for row in detections if not row["reason"]]
    for table in TABLES[1:]:
        found = rows(finished, table, source)
        assert sorted(row["face_id"] for row in found) == sorted(came_in), table
        came_in = [row["face_id"] for row in found if not row["reason"]]


@pytest.mark.parametrize("source", [*DEMO, "broken", "scans"])
def test_the_funnel_adds_up(finished: Workspace, source: str) -> None:
    counts = funnel(finished)[source]
    lost = {stage: sum(reasons.values()) for stage, reasons in counts["rejected"].items()}
    assert counts["discovered"] == counts["crawled"] + lost.get("crawl", 0)
    assert counts["with_faces"] == counts["crawled"] - lost.get("detect", 0)
    assert counts["landmarked"] == counts["faces"] - lost.get("landmarks", 0)
    assert counts["aligned"] == counts["landmarked"] - lost.get("align", 0)
    assert counts["kept"] == counts["colored"] - lost.get("catalogue", 0)
    assert not {"failed", "worker_crashed"} & {
        name for names in counts["rejected"].values() for name in names
    }


def test_every_image_that_the_demo_site_lists_is_discovered(finished: Workspace) -> None:
    for source in DEMO:
        assert funnel(finished)[source]["discovered"] == COUNT


def test_most_faces_of_the_demo_are_kept(finished: Workspace) -> None:
    for source in DEMO:
        assert funnel(finished)[source]["kept"] > 0.6 * COUNT


def test_each_broken_file_ends_with_its_reason(finished: Workspace) -> None:
    rejected = parts.read_rows(finished.folder / "data/catalogue/rejections.parquet")
    ends = {row["url"].removeprefix("file:"): row["reason"] for row in rejected if row["source"] == "broken"}
    assert ends == ENDS


def test_of_a_whole_picture_domain_every_readable_picture_is_a_face(finished: Workspace) -> None:
    readable = [name for name, end in ENDS.items() if end == "no_face"]
    counts = funnel(finished)["scans"]
    assert counts["aligned"] == counts["faces"] == len(readable)


def test_a_second_run_does_nothing(finished: Workspace) -> None:
    before = finished.hashes()
    said = finished.dvc("repro")
    assert "Data and pipelines are up to date" in said
    assert finished.hashes() == before


def test_cold_and_warm_give_the_same_bytes(finished: Workspace, tmp_path: Path) -> None:
    """Without the result cache, the data and DVC's own cache, all is computed again."""
    cold = Workspace.copy(
        finished, tmp_path / "cold", without=(".cache", ".state", "cache", "tmp", "*.parquet")
    )
    assert not (cold.folder / ".cache").exists()
    cold.dvc("repro", "--force", "--no-run-cache")
    assert cold.hashes() == finished.hashes()


def test_the_report_shows_faces_and_reasons(finished: Workspace) -> None:
    page = (finished.folder / "report/index.html").read_text()
    assert page.count("<figure") > 60
    assert "data:image/jpeg;base64," in page
    for reason in ("undecodable", "not_an_image", "no_face", "duplicate", "disallowed_by_robots"):
        assert reason in page
    assert "http://" not in page.replace("http://demo-", "").replace("http://127", "")


def test_explain_tells_a_faces_way_and_draws_it(finished: Workspace) -> None:
    face = next(row for row in rows(finished, "aligned", "demo-portraits") if not row["reason"])
    said = finished.run("pipeline", "explain", face["face_id"])
    for word in ("crawl", "detect", "landmarks", "align", "colors", "catalogue", "licence"):
        assert word in said
    (picture,) = (finished.folder / "report" / "explain").glob(f"{face['image_id'][:16]}*")
    assert picture.stat().st_size > 10_000


def test_explain_tells_why_a_url_was_refused(finished: Workspace) -> None:
    assert "rejected: not_an_image" in finished.run("pipeline", "explain", "file:empty.jpg")


def test_explain_of_nothing_is_a_clear_error(finished: Workspace) -> None:
    said = finished.run("pipeline", "explain", "http://example.org/unknown.jpg", exit_code=2)
    assert "Traceback" not in said


def test_one_image_more_is_one_part_more(finished: Workspace, tmp_path: Path) -> None:
    grown = Workspace.copy(finished, tmp_path / "grown")
    pictures = tmp_path / "pictures"
    shutil.copytree(finished.folder.parent / "pictures", pictures)
    (pictures / "zz-new.gif").write_bytes((pictures / "animated.gif").read_bytes() + b"\x00")
    sources = grown.params()["sources"]
    sources["broken"]["path"] = str(pictures)
    grown.set(sources=sources)
    before = {path.name: path.read_bytes() for path in parts.list_parts(grown.folder / "data/raw/broken")}
    said = grown.dvc("repro")
    after = {path.name: path.read_bytes() for path in parts.list_parts(grown.folder / "data/raw/broken")}
    assert len(after) == len(before) + 1
    assert before.items() <= after.items()
    assert "Stage 'detect@demo-portraits' didn't change, skipping" in said
    logged = [json.loads(line) for line in (grown.folder / "logs/stages.jsonl").read_text().splitlines()]
    detected = [run for run in logged if run["source"] == "broken" and run["stage"] == "detect"]
    assert (detected[-1]["parts"], detected[-1]["computed"]) == (2, 1)


def test_a_touched_function_recomputes_its_stage_and_no_other(finished: Workspace, tmp_path: Path) -> None:
    touched = Workspace.copy(finished, tmp_path / "touched")
    code = touched.folder / "pipeline/faces/quality.py"
    code.write_text(code.read_text().replace("return float(", "return 2 * float("))
    said = touched.dvc("repro", "align@broken", "colors@demo-cartoons")
    assert "Running stage 'align@demo-cartoons'" in said
    assert "Stage 'detect@demo-cartoons' didn't change, skipping" in said
    assert "Stage 'landmarks@demo-cartoons' didn't change, skipping" in said


def test_without_sources_there_is_still_a_report(workspace) -> None:
    empty = workspace({})
    empty.dvc("repro")
    assert "No sources" in (empty.folder / "report/index.html").read_text()


@pytest.mark.parametrize("stage", ["crawl", "detect"])
def test_killed_in_the_middle_and_started_again_it_ends_the_same(
    finished: Workspace, workspace, stage: str
) -> None:
    name = "demo-cartoons"
    killed = workspace({name: DEMO[name]})
    killed.dvc("stage", "list")
    process = killed.start("dvc", "repro", "colors@" + name)
    wait_until_running(killed, stage)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    lock = killed.folder / "dvc.lock"
    assert f"{stage}@{name}" not in (lock.read_text() if lock.exists() else "")
    killed.dvc("repro", "colors@" + name)
    assert killed.hashes().items() <= finished.hashes().items()


def wait_until_running(workspace: Workspace, stage: str) -> None:
    """Wait until a stage has begun to work: its state, or its output folder, is there."""
    sign = {"crawl": ".state/demo-cartoons.sqlite", "detect": "data/detections/demo-cartoons"}[stage]
    for _ in range(600):
        if (workspace.folder / sign).exists():
            time.sleep(1.5)
            return
        time.sleep(0.1)
    raise AssertionError(f"{stage} did not begin")
