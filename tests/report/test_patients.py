"""The sheet of patients: who stands in it and in which order, and which models ignore or copy their input."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline import images, parts
from pipeline.datasets.arrays import ROWS
from pipeline.evaluation.changes import change_rows, measure_changes
from pipeline.evaluation.tables import CHANGES, TRANSLATED
from pipeline.evaluation.translations import Translation
from pipeline.faces.mean_face import MEAN_FACE
from pipeline.metrics.face_regions import REGIONS, region_map
from pipeline.report.cautions import cautions
from pipeline.report.changes import by_region, legend, map_picture, pictures_of, read_maps, scale_of
from pipeline.report.page import render
from pipeline.report.patients import SHOWN, Pair, gather, in_most, one_of_each
from tests.report.measured_experiments import estimate, options, write_catalogue, write_measured

pytestmark = pytest.mark.usefixtures("in_folder")
WAY = "before_to_after"
SIDE, COUNT = 64, 8
POINTS = MEAN_FACE * 0.3 * SIDE + np.array([0.5, 0.45]) * SIDE


def tints(count: int) -> np.ndarray:
    """Return plain faces, each of another grey."""
    greys = np.linspace(60, 180, count).astype(np.uint8)
    return np.broadcast_to(greys[:, None, None, None], (count, SIDE, SIDE, 3)).copy()


def operated(faces: np.ndarray, region: str = "nose", by: int = 30) -> np.ndarray:
    """Return the faces with one region lighter."""
    after = faces.copy()
    after[:, region_map(SIDE, POINTS) == REGIONS.index(region)] += np.uint8(by)
    return after


def write_model(name: str, outputs: np.ndarray, shown: list[int] | None = None) -> dict[str, Any]:
    """Write what `evaluate` leaves of a model, whose samples are of the faces `shown`, and return its options.

    Two neighbours each are one patient.
    """
    count = len(outputs)
    before, truth = tints(count), operated(tints(count))
    translation = Translation("before", "after", np.arange(count), outputs, truth, outputs, False)
    changed = measure_changes(translation, before, [POINTS] * count, seed=0)
    write_measured(name, {WAY: {"outputs": count, "ssim": estimate(0.7, 0.1)} | changed.metrics})
    parts.write_rows(Path("samples") / name / "changes.parquet", change_rows(WAY, changed), CHANGES)
    rows = [
        {
            "translation": WAY,
            "face_id": f"before-{face}",
            "truth_face_id": f"after-{face}",
            **{
                what: png(of[face])
                for what, of in {"input": before, "output": outputs, "truth": truth}.items()
            },
        }
        for face in (range(count) if shown is None else shown)
    ]
    parts.write_rows(Path("samples") / name / "translated.parquet", rows, TRANSLATED)
    for domain in ("before", "after"):
        table = [
            {
                "face_id": f"{domain}-{face}",
                "split": "test",
                "subject": f"patient-{face // 2}",
                "tags": ["nose", "tip_of_it"] if domain == "after" else [],
                "url": f"https://clinic.example/{domain}-{face}.jpg",
                "page_url": f"https://clinic.example/case/{face}",
                "licence": "written permission",
            }
            for face in range(count)
        ]
        parts.write_rows(Path("data/datasets") / name / f"{domain}.rows.parquet", table, ROWS)
    return options(domains=["before", "after"])


def png(pixels: np.ndarray) -> bytes:
    return images.encode(pixels, "png")


def pixels_of(uri: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as picture:
        return np.array(picture.convert("RGB"))


def three_models() -> dict[str, dict[str, Any]]:
    faces = tints(COUNT)
    return {
        "surgeon": write_model("surgeon", operated(faces)),
        "copier": write_model("copier", faces),
        "gan": write_model("gan", np.repeat(operated(faces, "jaw")[:1], COUNT, axis=0)),
    }


def test_a_row_for_each_patient_and_a_column_for_each_model() -> None:
    [sheet] = gather(three_models())
    assert (sheet["title"], sheet["ends"]) == ("before → after", ["before", "after"])
    assert [model["name"] for model in sheet["models"]] == ["surgeon", "copier", "gan"]
    assert sheet["patients"] == len(sheet["rows"]) == COUNT // 2
    for row in sheet["rows"]:
        surgeon, copier, gan = row["outputs"]
        assert surgeon == row["after"] != row["before"]
        assert copier == row["before"]
        assert gan == sheet["rows"][0]["outputs"][2], "one face for all"
        assert row["tags"] == "nose, tip of it"
    origins = sheet["rows"][1]["origins"]
    assert [each["image"] for each in origins] == [
        "https://clinic.example/before-2.jpg",
        "https://clinic.example/after-2.jpg",
    ]


def test_models_that_ignore_or_copy_their_input_are_marked() -> None:
    [sheet] = gather(three_models())
    said = {model["name"]: [what for what, _ in model["cautions"]] for model in sheet["models"]}
    assert said == {"surgeon": [], "copier": ["copies its input"], "gan": ["does not follow its input"]}


def test_the_page_shows_the_sheet_the_maps_and_the_cautions() -> None:
    write_catalogue(sources=1, faces=2)
    page = render(three_models())
    section = page[page.index('<section id="patients">') :].split("</section>")[0]
    assert section.count('<tr class="maps">') == 1
    assert section.count('alt="output of gan"') == COUNT // 2
    assert section.count('<div class="scroll"') == 2
    assert re.search(r'<a href="https://clinic\.example/after-0\.jpg">image</a>', section)
    assert "patient-" not in page, "names of patients stay where they are"
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "copier copies its input: outputs differ from their inputs 0.0% as much as the truth does" in words
    assert "gan does not follow its input" in words
    assert "outputs differ from each other 0% as much as inputs do" in words
    assert "by chance 0.12" in words
    assert "Where faces change mean difference from the input over 8 faces" in words
    assert "truth 0 0 30 0 0 0 0 0 surgeon 0 0 30 0" in words


def test_models_with_other_test_faces_show_those_that_all_have() -> None:
    faces = tints(COUNT)
    entries = {
        "all": write_model("all", operated(faces)),
        "some": write_model("some", operated(faces), shown=[2, 3, 6]),
    }
    [sheet] = gather(entries)
    assert [row["origins"][0]["id"] for row in sheet["rows"]] == ["before-2", "before-6"]
    assert all(all(row["outputs"]) for row in sheet["rows"])


def test_a_model_without_the_face_has_an_empty_cell() -> None:
    faces = tints(COUNT)
    entries = {
        name: write_model(name, operated(faces), shown)
        for name, shown in {"one": [0], "two": [0, 2], "three": [2]}.items()
    }
    [sheet] = gather(entries)
    assert [[bool(cell) for cell in row["outputs"]] for row in sheet["rows"]] == [
        [True, True, False],
        [False, True, True],
    ]


def test_one_model_alone_has_no_sheet_and_neither_has_one_without_partners() -> None:
    faces = tints(COUNT)
    entries = {"only": write_model("only", operated(faces)), "unpaired": write_model("unpaired", faces)}
    path = Path("samples/unpaired/translated.parquet")
    parts.write_rows(path, [row | {"truth_face_id": None} for row in parts.read_rows(path)], TRANSLATED)
    assert gather(entries) == []
    Path("samples/only/translated.parquet").unlink()
    assert gather(entries) == []


def test_only_so_many_patients_are_shown_as_the_page_has_room_for() -> None:
    faces = tints(4 * SHOWN)
    entries = {name: write_model(name, operated(faces)) for name in ("one", "other")}
    for share, expected in ((1.0, SHOWN), (0.5, SHOWN // 2), (0.0, 0)):
        [sheet] = gather(entries, share)
        assert (len(sheet["rows"]), sheet["patients"]) == (expected, 2 * SHOWN)
        assert (sheet["maps"] is None) == (share == 0)


def test_models_whose_landmarks_nobody_knows_have_no_maps_and_no_regions() -> None:
    entries = three_models()
    for name in entries:
        Path(f"samples/{name}/changes.parquet").unlink()
        write_measured(name, {WAY: {"outputs": COUNT}})
    [sheet] = gather(entries)
    assert (sheet["maps"], sheet["regions"]) == (None, None)
    assert len(sheet["rows"]) == COUNT // 2


def test_the_pairs_that_most_models_have_come_in_the_first_ones_order() -> None:
    a, b, c = (Pair(name, name) for name in "abc")
    assert in_most([[c, a, b], [a, c]]) == [c, a]
    assert in_most([]) == []


def test_each_patient_has_one_row_and_who_has_no_name_is_one_of_his_own() -> None:
    pairs = [Pair("a", "x"), Pair("b", "y"), Pair("c", "z"), Pair("d", "w")]
    faces: dict[str, Mapping[str, Any]] = {
        "a": {"subject": "Ann"},
        "b": {"subject": "Ann"},
        "c": {"subject": None},
    }
    assert one_of_each(pairs, faces) == [pairs[0], pairs[2], pairs[3]]


def test_a_map_is_bright_where_the_model_changed_the_face_and_dark_elsewhere() -> None:
    write_model("surgeon", operated(tints(COUNT)))
    maps = read_maps("surgeon")[WAY]
    drawn = pixels_of(map_picture(maps["outputs"], 30)).astype(int).sum(axis=-1)
    regions = region_map(len(drawn), POINTS * len(drawn) / SIDE)
    inside = drawn[(regions == REGIONS.index("nose"))]
    beside = drawn[(regions == REGIONS.index("rest"))]
    assert np.median(inside) > np.median(beside) + 200


def test_all_maps_of_a_sheet_have_one_scale() -> None:
    write_model("weak", operated(tints(COUNT), by=8))
    write_model("strong", operated(tints(COUNT), by=60))
    maps = [read_maps(name)[WAY]["outputs"] for name in ("weak", "strong")]
    assert scale_of(maps) == scale_of(maps[1:]) == pytest.approx(60, abs=1)
    assert scale_of([]) == 4, "what JPEG alone changes is no change"
    assert {"middle": "15", "highest": "60"}.items() <= legend(60).items()
    assert pictures_of({}) is None


def test_regions_of_all_models_stand_below_the_truths() -> None:
    line = {"pixels": estimate(5, 1), "pixels_of_truth": estimate(20, 2)}
    table = by_region({"a": {"by_region": {"nose": line, "jaw": {"pixels": estimate(10, 1)}}}, "b": {}})
    assert table is not None
    assert table["regions"] == ["nose", "jaw"]
    assert [
        (each["name"], [cell and cell["share"] for cell in each["cells"]]) for each in table["lines"]
    ] == [
        ("truth", [1, None]),
        ("a", [0.5, 1]),
    ]
    assert by_region({"b": {}}) is None


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"own_input_nearest": {"value": 1.0, "of": 2, "chance": 0.5, "p_of_chance": 0.25, "spread": 1.0}},
        {"own_input_nearest": {"value": 0.9, "of": 40, "chance": 0.025, "p_of_chance": 0.0, "spread": 1.0}},
        {"relative_change": estimate(0.08, 0.04)},
    ],
)
def test_who_may_well_look_at_the_input_and_change_it_is_not_blamed(values: dict[str, Any]) -> None:
    assert list(cautions(values)) == []


def test_a_caution_comes_with_its_figures() -> None:
    nearest = {"value": 0.05, "of": 40, "chance": 0.025, "p_of_chance": 0.3, "spread": None}
    assert list(cautions({"own_input_nearest": nearest, "relative_change": estimate(0.02, 0.01)})) == [
        (
            "does not follow its input",
            "an output's own input is the nearest of all 40 for 5% of the outputs, and would be for 2% by chance",
        ),
        (
            "copies its input",
            "outputs differ from their inputs 2.0% as much as the truth does (95%: 1.0% to 3.0%)",
        ),
    ]
