"""What the report shows of an experiment."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest
from PIL import Image

from benchmarks.real_pictures import REPOSITORY
from pipeline import images, parts
from pipeline.evaluation.tables import TRANSLATED
from pipeline.experiments import as_dict
from pipeline.report.experiments import GRID_PX, gather
from tests.methods.tiny_dataset import experiment

NAME = "tiny"
METRICS: dict[str, Any] = {
    "outputs": 2,
    "kid_dlib_resnet128": {"value": 0.1, "low": 0.05, "high": 0.2},
    "landmark_consistency": {"value": 0.25, "low": 0.2, "high": 0.5, "found": 1, "of": 2},
    "color_consistency": {
        "skin": {"value": 18.5, "low": 18.5, "high": 18.5, "compared": 1, "of": 2},
        "hair": {"value": None, "low": None, "high": None, "compared": 0, "of": 0},
    },
    "psnr": 15.5,
}
OVER_SEEDS = {"psnr": {"mean": 16.0, "low": 14.25, "high": 17.75, "n": 3}}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the numbers and samples of an experiment that has no curves or grids yet."""
    monkeypatch.chdir(tmp_path)
    png = images.encode(np.full((32, 32, 3), 90, np.uint8), "png")
    row = {"translation": "photo_to_anime", "face_id": "a", "url": "u"}
    row |= {"input": png, "output": png, "nearest": png, "nearest_distance": 12.0}
    parts.write_rows(Path("samples/tiny/translated.parquet"), [row], TRANSLATED)
    parts.write_json(Path("samples/tiny/not_measured.json"), {"photo_to_anime": {"fid": "no weights"}})
    write_metrics(METRICS)
    return tmp_path


def write_metrics(values: dict[str, Any]) -> None:
    parts.write_json(Path("metrics/tiny.json"), {"photo_to_anime": values})


def write_curve(name: str, points: list[tuple[float, float]]) -> None:
    path = Path("models/tiny/curves") / f"{name}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("step\tx\n" + "".join(f"{step}\t{value}\n" for step, value in points))


def write_grid(step: int, width: int, seed: int = 0) -> None:
    path = Path(f"models/tiny/samples/seed-{seed}/step-{step:06d}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, width // 2), (step % 256, 0, 0)).save(path)


def shown(**options: Any) -> dict[str, Any]:
    return gather(NAME, as_dict(experiment("cyclegan", **options)))


def rendered(section: dict[str, Any]) -> str:
    loader = jinja2.FileSystemLoader(REPOSITORY / "pipeline/report")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("experiments.html").render(experiments=[section])


@pytest.mark.usefixtures("workspace")
def test_only_the_options_that_are_not_the_methods_own_are_told() -> None:
    changed = shown(ema=0.999, conditions=["landmarks"], generator={"width": 64, "blocks": 6})["changed"]
    assert dict(changed) == {
        "ema": "0.999",
        "generator.blocks": "6",
        "discriminator.width": "4",
        "discriminator.layers": "2",
        "pool_size": "2",
        "conditions": "landmarks",
    }


@pytest.mark.usefixtures("workspace")
def test_curves_of_all_seeds_share_one_plot_and_one_scale() -> None:
    write_curve("gan", [(10, 4.0), (20, 1.0)])
    write_curve("gan.seed-1", [(10, 8.0), (20, 0.0)])
    write_curve("gan.seed-7", [(10, 99.0)])
    section = shown(seeds=[0, 1], accumulate=2, batch_size=3)
    [curve] = section["curves"]
    assert curve["lines"] == {0: "120.0,35.0 240.0,61.2", 1: "120.0,0.0 240.0,70.0"}
    assert (curve["highest"], curve["ends"]) == ("8", ["1", "0"])
    assert (section["steps"], section["images_seen"]) == (20, 120)


@pytest.mark.usefixtures("workspace")
def test_a_curve_below_0_ends_at_its_lowest_value_and_gaps_are_left_out() -> None:
    write_curve("gate", [(10, -1.0), (20, float("nan")), (30, 1.0)])
    [curve] = shown()["curves"]
    assert curve["lines"] == {0: "80.0,70.0 240.0,0.0"}
    assert curve["lowest"] == "-1"


@pytest.mark.usefixtures("workspace")
def test_a_long_curve_is_drawn_through_few_points() -> None:
    write_curve("gan", [(10 * n, 1.0) for n in range(1, 5001)])
    [curve] = shown()["curves"]
    assert len(curve["lines"][0].split()) == 120
    assert curve["steps"] == 50_000


@pytest.mark.usefixtures("workspace")
def test_the_first_the_middle_and_the_last_grid_are_shown_small() -> None:
    for step in (50, 100, 150, 200, 1_000_000):
        write_grid(step, width=2000, seed=4)
    write_grid(300, width=2000, seed=5)
    grids = shown(seeds=[4, 5])["grids"]
    assert [grid["step"] for grid in grids] == [50, 150, 1_000_000]
    jpeg = base64.b64decode(grids[-1]["picture"].partition(",")[2])
    with Image.open(io.BytesIO(jpeg)) as picture:
        assert picture.size == (GRID_PX, GRID_PX // 2)


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize(("steps", "expected"), [([], []), ([50], [50]), ([50, 100], [50, 100])])
def test_few_grids_are_shown_once_each(steps: list[int], expected: list[int]) -> None:
    for step in steps:
        write_grid(step, width=40)
    assert [grid["step"] for grid in shown()["grids"]] == expected


@pytest.mark.usefixtures("workspace")
def test_the_section_says_what_was_trained_and_measured() -> None:
    write_metrics(METRICS | {"seeds": OVER_SEEDS})
    write_curve("gan", [(10, 4.0), (400, 1.0)])
    write_grid(400, width=64, seed=0)
    selected = Path("models/tiny/weights/seed-1/selected.json")
    selected.parent.mkdir(parents=True)
    selected.write_text(json.dumps({"step": 320, "val_kid": 0.0123456}))
    page = rendered(shown(seeds=[0, 1, 2], ema=0.99))
    for words in (
        "400 steps of batch 1",
        "400 images seen",
        "seeds 0, 1, 2",
        "ema: 0.99",
        "Best checkpoint of seed 1: step 320, KID 0.01235 on validation faces",
        "validation faces, after 400 steps",
        '<th scope="row">PSNR, mean of 3 seeds</th><td class="value">16.0 (95% t-interval: 14.2 to 17.8)</td>',
        "0.25 (95%: 0.20 to 0.50); found 1; of 2",
        "18.5; compared 1; of 2",
        "no number; compared 0; of 0",
        "not measured: no weights",
    ):
        assert words in page


@pytest.mark.usefixtures("workspace")
def test_an_experiment_without_curves_and_grids_is_shown_too() -> None:
    page = rendered(shown())
    assert "0 steps of batch 1" in page
    assert "after" not in page
