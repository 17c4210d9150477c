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
from pipeline.datasets.arrays import load_dataset
from tests.broken_pictures import ENDS, write_broken_pictures

COUNT = 24  # the fewest with every kind of picture
DEMO = {
    "demo-portraits": {"kind": "demo", "style": "portrait", "count": COUNT, "domain": "photo"},
    "demo-cartoons": {"kind": "demo", "style": "cartoon", "count": COUNT, "domain": "anime"},
}
SMALL = {
    "domains": ["photo", "anime"],
    "size_px": 32,
    "steps": 20,
    "discriminator": {"width": 4, "layers": 2},
}
EXPERIMENTS = {
    "small-cyclegan": {"method": "cyclegan", "generator": {"width": 4, "blocks": 1}, **SMALL},
    "small-pix2pix": {"method": "pix2pix", "generator": {"width": 4}, "batch_size": 2, **SMALL},
}
TABLES = ("detections", "landmarks", "aligned", "colors")

pytestmark = pytest.mark.timeout(1800)  # the first test waits for the whole chain


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which the chain has run on the demo, a folder of broken files, and a whole-picture domain."""
    folder = tmp_path_factory.mktemp("chain")
    write_broken_pictures(folder / "pictures")
    workspace = set_up(folder / "workspace", folder / "pictures")
    workspace.dvc("repro")
    return workspace


def set_up(folder: Path, pictures: Path) -> Workspace:
    """Return such a workspace in which nothing has run yet."""
    files = {"kind": "folder", "path": str(pictures)}
    sources = DEMO | {"broken": files | {"domain": "photo"}, "scans": files | {"domain": "ultrasound"}}
    workspace = Workspace(folder, sources, EXPERIMENTS)
    catalogue = workspace.params()["catalogue"]
    workspace.set(catalogue=catalogue | {"split": catalogue["split"] | {"val": 0.1, "test": 0.3}})
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


def test_the_report_shows_faces_and_reasons(finished: Workspace) -> None:
    page = (finished.folder / "report/index.html").read_text()
    assert page.count("<figure") > 60
    assert "data:image/jpeg;base64," in page
    for reason in ("undecodable", "not_an_image", "no_face", "duplicate", "disallowed_by_robots"):
        assert reason in page
    assert 'src="http' not in page


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
    said = grown.dvc("repro", "catalogue")
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


def test_what_has_not_run_yet_is_named_and_keeps_nothing_else_back(workspace) -> None:
    made = workspace({"later": {"kind": "demo", "style": "portrait", "count": 8, "domain": "photo"}})
    made.set(experiments=EXPERIMENTS)
    for stage in ("catalogue", "report"):
        made.run("pipeline", stage)
    assert funnel(made)["later"]["discovered"] == 0
    page = (made.folder / "report/index.html").read_text()
    assert f"{', '.join(EXPERIMENTS)}: not trained and measured yet" in page


@pytest.mark.parametrize(
    ("stage", "target", "last"),
    [
        ("detect", "align@demo-cartoons", "data/aligned/demo-cartoons"),
        pytest.param("crawl", "report", "report/index.html", marks=pytest.mark.long),
    ],
)
def test_killed_in_the_middle_and_started_again_it_ends_in_the_same_bytes(
    finished: Workspace, tmp_path: Path, stage: str, target: str, last: str
) -> None:
    """It is computed again, without the other's result cache and DVC's own: every output is the same."""
    killed = set_up(tmp_path / "killed", finished.folder.parent / "pictures")
    killed.dvc("stage", "list")
    process = killed.start("dvc", "repro", target)
    wait_for(killed.folder / BEGUN[stage])
    time.sleep(0.7)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    lock = killed.folder / "dvc.lock"
    assert f"{stage}@demo-cartoons" not in (lock.read_text() if lock.exists() else "")
    killed.dvc("repro", target)
    made = killed.hashes()
    assert made == {path: digest for path, digest in finished.hashes().items() if path in made}
    assert last in made


# What is there as soon as a stage has begun to work.
BEGUN = {"crawl": ".state/demo-cartoons.sqlite", "detect": "data/detections/demo-cartoons"}


def wait_for(path: Path, seconds: int = 600) -> None:
    for _ in range(10 * seconds):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} did not come")


def test_a_trained_experiment_leaves_weights_curves_samples_and_numbers(finished: Workspace) -> None:
    for name in EXPERIMENTS:
        model = finished.folder / "models" / name
        assert list((model / "weights" / "seed-0").glob("generator*.safetensors"))
        assert list((model / "curves").glob("*.tsv"))
        assert (model / "samples" / "seed-0" / "step-000020.png").exists()
        metrics = json.loads((finished.folder / "metrics" / f"{name}.json").read_text())
        interval = metrics["photo_to_anime"]["kid_dlib_resnet128"]
        assert interval["low"] < interval["high"]
        assert metrics["photo_to_anime"]["landmark_consistency"]["of"] == metrics["photo_to_anime"]["outputs"]


def test_no_test_face_was_trained_on(finished: Workspace) -> None:
    dataset = load_dataset(finished.folder / "data/datasets/small-cyclegan")
    faces = parts.read_rows(finished.folder / "data/catalogue/faces.parquet")
    cluster = {face["face_id"]: face["cluster"] for face in faces}
    for domain in dataset.domains.values():
        splits = domain.rows["split"].to_pylist()
        clusters = [cluster[name] for name in domain.rows["face_id"].to_pylist()]
        of = {
            split: {c for c, s in zip(clusters, splits, strict=True) if s == split} for split in set(splits)
        }
        assert not of["train"] & (of["test"] | of["val"])


def test_the_report_shows_each_experiment_with_links_to_where_its_faces_come_from(
    finished: Workspace,
) -> None:
    page = (finished.folder / "report/index.html").read_text()
    for name in EXPERIMENTS:
        assert f"experiment-{name}" in page
    for words in ("<polyline", "nearest training image", "not measured: weights missing", "CC0 1.0"):
        assert words in page
    assert 'href="http://' in page


@pytest.mark.long
def test_a_killed_training_goes_on_and_ends_in_the_same_weights(finished: Workspace, tmp_path: Path) -> None:
    name = "small-cyclegan"
    killed = Workspace.copy(finished, tmp_path / "killed", without=("train", name))
    killed.dvc("repro", "--force", "--single-item", f"dataset@{name}")
    process = killed.start("dvc", "repro", "--force", "--single-item", f"train@{name}")
    for _ in range(1200):
        if list((killed.folder / ".cache/train").glob("*/seed-0/step-*")):
            break
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    said = killed.dvc("repro", "--force", "--no-run-cache", "--single-item", f"train@{name}")
    assert "Running stage" in said
    trained = f"models/{name}/weights"
    assert killed.hashes()[trained] == finished.hashes()[trained]


def test_a_changed_experiment_is_trained_alone(finished: Workspace, tmp_path: Path) -> None:
    changed = Workspace.copy(finished, tmp_path / "changed")
    experiments = changed.params()["experiments"]
    experiments["small-pix2pix"]["lambda_l1"] = 10
    changed.set(experiments=experiments)
    said = changed.dvc("repro", *(f"train@{name}" for name in EXPERIMENTS))
    assert "Running stage 'train@small-pix2pix'" in said
    assert "Running stage 'train@small-cyclegan'" not in said


@pytest.mark.long
def test_a_source_of_another_domain_retrains_nothing(finished: Workspace, tmp_path: Path) -> None:
    grown = Workspace.copy(finished, tmp_path / "grown")
    sources = grown.params()["sources"]
    grown.set(sources={"more-scans": sources["scans"], **sources})
    said = grown.dvc("repro")
    assert "Running stage 'detect@more-scans'" in said
    assert "Running stage 'train@" not in said


def test_metrics_and_plots_are_dvcs_own(finished: Workspace) -> None:
    assert "photo_to_anime" in finished.dvc("metrics", "show")
    finished.dvc("plots", "show")
    assert "cycle_source" in (finished.folder / "dvc_plots/index.html").read_text()
