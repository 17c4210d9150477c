"""What a translation changed, beside what it should have: copies, constants and real work, on faces of known change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline import parts
from pipeline.evaluation.changes import Changed, change_rows, measure_changes
from pipeline.evaluation.headlines import estimates
from pipeline.evaluation.tables import CHANGES
from pipeline.evaluation.translations import Translation
from pipeline.faces.mean_face import MEAN_FACE
from pipeline.metrics.face_regions import REGIONS, region_map

SIDE, COUNT = 64, 12
POINTS = MEAN_FACE * 0.3 * SIDE + np.array([0.5, 0.45]) * SIDE
# Tints that tell the faces apart.
FACES = np.broadcast_to(
    np.random.default_rng(0).integers(60, 180, (COUNT, 8, 8, 3)).repeat(8, 1).repeat(8, 2),
    (COUNT, SIDE, SIDE, 3),
).astype(np.uint8)


def operated(region: str, by: int = 30) -> np.ndarray:
    """Return the faces with one region lighter."""
    after = FACES.copy()
    after[:, region_map(SIDE, POINTS) == REGIONS.index(region)] += np.uint8(by)
    return after


def measured(outputs: np.ndarray, truth: np.ndarray | None = None, landmarks: bool = True) -> Changed:
    compared = None if truth is None else outputs
    translation = Translation(
        "before", "after", np.arange(COUNT), outputs, truth, compared, asks_colors=False
    )
    return measure_changes(translation, FACES, [POINTS if landmarks else None] * COUNT, seed=0)


def test_a_model_that_operates_as_the_surgeon_did_is_right_in_every_number() -> None:
    metrics = measured(operated("nose"), operated("nose")).metrics
    assert metrics["relative_change"]["value"] == 1
    assert metrics["own_input_nearest"]["value"] == metrics["own_input_nearest"]["truth"] == 1
    assert metrics["profile_distance"] == {"value": 0, "low": 0, "high": 0, "compared": COUNT, "of": COUNT}
    assert metrics["change"]["value"] == metrics["change"]["truth"] > 0
    nose = metrics["by_region"]["nose"]
    assert nose["pixels"] == nose["pixels_of_truth"] == {"value": 30, "low": 30, "high": 30}
    assert nose["delta_e"] == nose["delta_e_of_truth"]
    assert nose["relative_to_truth"]["value"] == 1
    assert metrics["by_region"]["eyes"]["pixels"]["value"] == 0
    assert "relative_to_truth" not in metrics["by_region"]["eyes"]


def test_a_copy_of_the_input_changes_nothing_and_has_no_profile() -> None:
    found = measured(FACES, operated("nose"))
    assert found.metrics["relative_change"]["value"] == found.metrics["change"]["value"] == 0
    assert found.metrics["by_region"]["nose"]["relative_to_truth"]["value"] == 0
    assert "profile_distance" not in found.metrics
    assert "no output differs" in found.missing["profile_distance"]


def test_one_face_for_all_ignores_its_input() -> None:
    found = measured(np.repeat(operated("nose")[:1], COUNT, axis=0), operated("nose")).metrics
    nearest = found["own_input_nearest"]
    assert nearest["value"] == nearest["chance"] == pytest.approx(1 / COUNT, abs=1e-4)
    assert (nearest["spread"], nearest["truth"]) == (0, 1)
    assert found["relative_change"]["low"] > 2


def test_a_model_that_changes_something_else_has_another_profile() -> None:
    found = measured(operated("eyes"), operated("nose")).metrics
    assert found["profile_distance"]["value"] == 1
    assert found["by_region"]["eyes"]["pixels"]["value"] == 30
    assert found["by_region"]["eyes"]["pixels_of_truth"]["value"] == 0


def test_without_partners_the_change_alone_is_told() -> None:
    found = measured(operated("mouth"))
    assert found.metrics.keys() == {"change", "own_input_nearest", "by_region"}
    assert "truth" not in found.metrics["change"]
    assert found.missing == {"relative_change, profile_distance": "how the faces should change is not known"}


@pytest.mark.parametrize("compared", ["itself", "after the way back"])
def test_what_is_compared_with_the_face_itself_knows_no_change(compared: str) -> None:
    outputs = operated("mouth")
    there_and_back = outputs if compared == "itself" else FACES
    translation = Translation("after", "after", np.arange(COUNT), outputs, FACES, there_and_back, False)
    found = measure_changes(translation, FACES, [POINTS] * COUNT, seed=0)
    assert "relative_change, profile_distance" in found.missing


def test_without_landmarks_there_are_no_regions_and_no_map() -> None:
    found = measured(operated("nose"), operated("nose"), landmarks=False)
    assert "no landmarks" in found.missing["by_region"]
    assert "by_region" not in found.metrics
    assert change_rows("before_to_after", found) == []
    assert found.metrics["relative_change"]["value"] == 1


def test_one_test_face_is_never_anothers() -> None:
    outputs = operated("nose")[:1]
    translation = Translation("before", "after", np.arange(1), outputs, None, None, False)
    found = measure_changes(translation, FACES[:1], [POINTS], seed=0)
    assert "single" in found.missing["own_input_nearest"]
    assert "change" in found.metrics


def test_the_maps_lie_on_the_mean_face(tmp_path: Path) -> None:
    rows = change_rows("before_to_after", measured(operated("nose"), operated("jaw")))
    assert [row["of"] for row in rows] == ["outputs", "truth"]
    made, true = (np.array(row["map"]).reshape(SIDE, SIDE) for row in rows)
    regions = region_map(SIDE, POINTS)
    assert made == pytest.approx(np.where(regions == REGIONS.index("nose"), 30, 0))
    assert true == pytest.approx(np.where(regions == REGIONS.index("jaw"), 30, 0))
    assert np.array(rows[0]["points"]).reshape(68, 2) * SIDE == pytest.approx(POINTS, abs=0.01)
    assert rows[0]["faces"] == COUNT
    path = tmp_path / "changes.parquet"
    parts.write_rows(path, rows, CHANGES)
    assert parts.read_rows(path)[1]["translation"] == "before_to_after"


def test_the_numbers_are_headlines_that_experiments_are_compared_by() -> None:
    found = estimates(measured(operated("nose"), operated("nose")).metrics)
    assert found.keys() == {"change", "own_input_nearest", "relative_change", "profile_distance"}
