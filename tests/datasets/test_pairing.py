import numpy as np
import pandas as pd
import pytest

from pipeline.datasets.pairing import nearest_shape, pairs_by_id, pairs_by_landmarks, unpaired


def faces(*pairs: str | None, eyes: list[float] | None = None) -> pd.DataFrame:
    count = len(pairs)
    columns = {"face_id": [f"f{n}" for n in range(count)], "pair_id": pairs, "split": "train", "score": 0.5}
    return pd.DataFrame(columns | {"eye_distance_px": eyes or [30.0] * count})


def turned(points: np.ndarray, degrees: float, scale: float, move: tuple[float, float]) -> np.ndarray:
    angle = np.radians(degrees)
    rotation = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return scale * points @ rotation.T + move


def test_the_largest_face_of_a_pair_is_paired_and_the_others_are_told_why_not() -> None:
    source = faces("1", "1", "2", None, "3", eyes=[20, 50, 30, 30, 30])
    target = faces("1", "3", "4")
    assert unpaired(source, target).fillna("").tolist() == ["not_paired", "", "no_partner", "no_partner", ""]
    assert unpaired(target, source).fillna("").tolist() == ["", "", "no_partner"]


def test_pairs_are_rows_of_the_two_domains() -> None:
    pairs = pairs_by_id(faces("2", "1", "3").iloc[[0, 2]], faces("3", "2")).to_pylist()
    assert pairs == [
        {"source": 0, "target": 1, "split": "train", "distance": None},
        {"source": 1, "target": 0, "split": "train", "distance": None},
    ]


def test_the_nearest_shape_is_found_wherever_it_lies_however_it_is_turned() -> None:
    rng = np.random.default_rng(0)
    shapes = rng.normal(0, 10, (30, 68, 2))
    moved = np.stack([turned(shape, 7 * n, 0.5 + n / 10, (n, -n)) for n, shape in enumerate(shapes)])
    best, distance = nearest_shape(moved[::-1], shapes)
    assert best.tolist() == list(range(29, -1, -1))
    assert distance.max() < 1e-5


def test_a_mirror_image_is_another_shape() -> None:
    shape = np.random.default_rng(1).normal(0, 10, (1, 68, 2))
    assert nearest_shape(shape * (-1, 1), shape)[1][0] > 0.5


def test_the_distance_is_that_of_scipy() -> None:
    from scipy.spatial import procrustes

    one, other = np.random.default_rng(2).normal(0, 1, (2, 68, 2)) + np.linspace(0, 3, 136).reshape(68, 2)
    theirs = np.sqrt(procrustes(one, other)[2])
    assert nearest_shape(one[None], other[None])[1][0] == pytest.approx(theirs, abs=1e-5)


def test_pseudo_pairs_stay_in_their_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.datasets.pairing._BLOCK", 2)
    shapes = np.random.default_rng(3).normal(0, 10, (6, 68, 2))
    source_splits = np.array(["train", "test", "train", "train", "val", "train"])
    target_splits = np.array(["train", "train", "test", "train", "train", "test"])
    pairs = pairs_by_landmarks(shapes, source_splits, shapes[::-1], target_splits).to_pydict()
    assert pairs["source"] == [0, 1, 2, 3, 5]  # the target has no face for validation
    for source, target, split in zip(pairs["source"], pairs["target"], pairs["split"], strict=True):
        assert source_splits[source] == target_splits[target] == split
    # Face 2 of the source is face 3 of the target, which is trained on too.
    assert (pairs["target"][2], pairs["distance"][2]) == (3, pytest.approx(0, abs=1e-5))


def test_domains_that_share_no_split_have_no_pairs() -> None:
    shapes = np.random.default_rng(4).normal(0, 10, (1, 68, 2))
    assert pairs_by_landmarks(shapes, np.array(["train"]), shapes, np.array(["test"])).num_rows == 0
