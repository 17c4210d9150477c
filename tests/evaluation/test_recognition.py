"""What is measured of a recogniser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.datasets.arrays import Dataset
from pipeline.errors import UserError
from pipeline.evaluation.headlines import estimates
from pipeline.evaluation.recognition import Recognised, brightness, evaluate_recogniser
from pipeline.experiments import read_experiment
from pipeline.methods.recogniser import Recogniser
from tests.evaluation.synthetic_people import PEOPLE, open_people

TESTED = 3 * len(PEOPLE)


class Knowing(Recogniser):
    """A recogniser that says what it is told of each face."""

    def __init__(self, dataset: Dataset, scores: dict[str, np.ndarray]) -> None:
        experiment: Any = read_experiment(dataset.experiment)
        super().__init__(experiment, torch.Generator())
        self.scores = {
            dataset.domains[name].rows["face_id"][0].as_py(): each for name, each in scores.items()
        }

    def log_probabilities(self, domain: Any, faces: np.ndarray) -> np.ndarray:
        return self.scores[domain.rows["face_id"][0].as_py()]


def labels_of_tested(dataset: Dataset, domain: str) -> np.ndarray:
    arrays = dataset.domains[domain]
    rows = arrays.rows.take(arrays.indices("test"))
    return np.array(rows["labels"].to_pylist()).argmax(axis=1)


def scores(dataset: Dataset, domain: str, wrong: tuple[int, ...] = ()) -> np.ndarray:
    """Return log-probabilities that are right but for the probes of these places, which are the next person's."""
    labels = labels_of_tested(dataset, domain)
    said = np.array([label + (place in wrong) for place, label in enumerate(labels)]) % len(PEOPLE)
    found = np.full((len(labels), len(PEOPLE)), -5.0)
    found[np.arange(len(labels)), said] = -0.1
    return found


def evaluated(folder: Path, wrong: tuple[int, ...] = (), **options: Any) -> Recognised:
    dataset = open_people(folder, **options)
    method = Knowing(dataset, {"vis": scores(dataset, "vis"), "nir": scores(dataset, "nir", wrong)})
    return evaluate_recogniser(method, dataset, seed=0)


def test_the_probes_that_count_are_those_of_the_last_domain(tmp_path: Path) -> None:
    found = evaluated(tmp_path, wrong=(0, 1, 2)).metrics
    assert found["rank_1"]["value"] == pytest.approx(1 - 3 / TESTED)
    assert found["rank_1"]["low"] < found["rank_1"]["value"] <= found["rank_1"]["high"]
    assert found["by_domain"]["nir"]["value"] == found["rank_1"]["value"]
    assert found["by_domain"]["vis"]["value"] == 1


def test_what_was_trained_on_and_tested_is_counted(tmp_path: Path) -> None:
    found = evaluated(tmp_path).metrics
    assert (found["subjects"], found["train_images"]) == (8, 2 * 3 * 8)
    assert (found["generated_images"], found["probes"]) == (0, TESTED)
    assert found["pairs"] == {"genuine": TESTED, "impostor": TESTED * 7, "people": 8}


def test_a_claim_is_as_good_as_the_probability_of_the_claimed(tmp_path: Path) -> None:
    perfect = evaluated(tmp_path / "a")
    assert perfect.metrics["tar_at_far_1e-2"]["value"] == 1
    assert "tar_at_far_1e-3" in perfect.not_measured  # 168 claims of others, 1,000 are needed
    flawed = evaluated(tmp_path / "b", wrong=(0, 4, 8))
    # Three of 168 claims of others are believed first: a FAR of 1 in 100 allows one, so none is accepted.
    assert flawed.metrics["tar_at_far_1e-2"]["value"] == 0
    assert flawed.metrics["eer"]["value"] > 0


def test_light_parts_the_probes_in_thirds(tmp_path: Path) -> None:
    thirds = evaluated(tmp_path).metrics["by_lighting"]["nir"]
    assert list(thirds) == ["darkest", "middle", "brightest"]
    assert [third["of"] for third in thirds.values()] == [8, 8, 8]
    levels = [third["luminance"] for third in thirds.values()]
    assert levels == sorted(levels)


def test_tags_that_enough_probes_have_are_measured_apart(tmp_path: Path) -> None:
    found = evaluated(tmp_path, wrong=(1,), tags=("glasses",)).metrics
    # Every second of seven faces has the tag: one of each person's three for testing.
    assert found["by_tag"]["glasses"]["of"] == len(PEOPLE)
    assert found["by_tag"]["glasses"]["value"] == pytest.approx(1 - 1 / 8)


def test_headlines_are_found_in_what_is_returned(tmp_path: Path) -> None:
    found = estimates(evaluated(tmp_path).metrics)
    assert {"rank_1", "tar_at_far_1e-2"} <= set(found)


def test_brightness_is_that_of_the_face_s_middle() -> None:
    faces = np.zeros((2, 32, 32, 3), np.uint8)
    faces[1, 8:24, 8:24] = 255
    assert brightness(faces) == pytest.approx([0, 1])


def test_what_the_dataset_says_of_generated_faces_is_kept(tmp_path: Path) -> None:
    dataset = open_people(tmp_path)
    dataset.experiment["generated"] = {"by": "gen", "faces": 24, "overlap": {"vis": 0, "nir": 2}}
    method = Knowing(dataset, {name: scores(dataset, name) for name in dataset.domains})
    found = evaluate_recogniser(method, dataset, seed=0).metrics
    assert (found["generated_images"], found["generator_saw_test_faces"]) == (24, {"vis": 0, "nir": 2})


def test_no_test_face_of_the_last_domain_is_an_error(tmp_path: Path) -> None:
    dataset = open_people(tmp_path)
    nir = dataset.domains["nir"]
    vars(nir)["rows"] = nir.rows.set_column(
        nir.rows.schema.get_field_index("split"), "split", pa.array(["train"] * nir.rows.num_rows)
    )
    method = Knowing(dataset, {name: scores(dataset, "vis") for name in dataset.domains})
    with pytest.raises(UserError, match="nir: no test face"):
        evaluate_recogniser(method, dataset, seed=0)
