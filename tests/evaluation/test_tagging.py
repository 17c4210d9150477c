"""A tagger is measured on test faces, tag by tag."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.datasets.arrays import ROWS, Dataset, DomainArrays
from pipeline.errors import UserError
from pipeline.evaluation.tagging import Tagged, evaluate_tagger, tag_probabilities
from pipeline.experiments import as_dict
from pipeline.methods.tagger import Tagger
from tests.methods.stepping import builder
from tests.methods.tiny_dataset import experiment

LABELS = {"bright": ["bright"], "beard": ["beard"], "all": ["all"]}
OPTIONS = {"labels": LABELS, "positive_weight": [1.0, 3.0, 1.0]}


class Seeing(torch.nn.Module):
    """In place of head and backbone: says how bright a face is, the same for every tag."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 4 * images.mean(dim=(1, 2, 3))[:, None].expand(-1, len(LABELS))


@pytest.fixture
def seeing() -> Tagger:
    method = builder(Tagger)(**OPTIONS)
    method.networks = {"backbone": Seeing(), "head": torch.nn.Identity()}
    return method


def domain(levels: list[int], labels: list[list[int]], splits: list[str]) -> DomainArrays:
    """Return faces that are grey by a level each."""
    images = np.stack([np.full((32, 32, 3), level, np.uint8) for level in levels])
    rows = [
        {"face_id": f"face-{level}", "page_url": f"http://x/{level}", "split": split, "labels": own}
        for level, own, split in zip(levels, labels, splits, strict=True)
    ]
    return DomainArrays(images, np.zeros((len(levels), 68, 2), np.float32), pa.Table.from_pylist(rows, ROWS))


def dataset(val: int = 0) -> Dataset:
    """Return photos, of which one in three has a beard, and drawings, of which none has.

    Bright are levels above 127; the training faces are 20 of each domain.
    """
    levels = list(range(10, 250, 8))
    splits = (["train", "train", "test"] * 10)[: len(levels)]
    if val:
        splits = ["val" if split == "train" and n % val == 0 else split for n, split in enumerate(splits)]
    photo = [[int(level > 127), int(n % 3 == 0 or n % 9 == 2), 1] for n, level in enumerate(levels)]
    anime = [[int(level > 127), 0, 1] for level in levels]
    domains = {"photo": domain(levels, photo, splits), "anime": domain(levels, anime, splits)}
    return Dataset(as_dict(experiment("tagger", **OPTIONS)), domains)


def of(result: Tagged, tag: str) -> dict[str, object]:
    return next(row for row in result.rows if row["tag"] == tag)


def test_probabilities_are_of_each_face_in_order(seeing: Tagger) -> None:
    faces = np.stack([np.full((32, 32, 3), level, np.uint8) for level in [0, 255] * 40])
    found = tag_probabilities(seeing, faces)
    assert found.shape == (80, 3)
    assert (found[::2] < 0.05).all()
    assert (found[1::2] > 0.95).all()
    assert tag_probabilities(seeing, faces[:0]).shape == (0, 3)


def test_a_tag_that_is_seen_has_an_average_precision_of_1(seeing: Tagger) -> None:
    result = evaluate_tagger(seeing, dataset(), seed=0)
    bright = of(result, "bright")
    assert (bright["average_precision"], bright["precision"], bright["recall"]) == (1, 1, 1)
    assert (bright["of"], bright["test_faces"], bright["training_faces"]) == (20, 10, 20)


def test_a_tag_counts_in_the_domains_that_know_it(seeing: Tagger) -> None:
    beard = of(evaluate_tagger(seeing, dataset(), seed=0), "beard")
    assert beard["of"] == 10, "of the photos alone"


def test_a_tag_that_all_test_faces_have_is_not_measured(seeing: Tagger) -> None:
    result = evaluate_tagger(seeing, dataset(), seed=0)
    assert of(result, "all")["average_precision"] is None
    assert result.metrics["tags"] == 2
    mean = result.metrics["mean_average_precision"]
    assert mean["low"] <= mean["value"] <= mean["high"]
    assert result.not_measured == {}


def test_accuracy_stands_beside_what_a_constant_answer_gets(seeing: Tagger) -> None:
    metrics = evaluate_tagger(seeing, dataset(), seed=0).metrics
    photo = dataset().domains["photo"]
    beards = sum(row["labels"][1] for row in photo.rows.take(photo.indices("test")).to_pylist())
    # 20 test faces: all of them `all`, half of them bright; of 10 photos some have beards, most training ones do.
    training = [row["labels"][1] for row in photo.rows.take(photo.indices("train")).to_pylist()]
    assert sum(training) * 2 == len(training), "a tie is answered with no"
    assert metrics["accuracy_of_constant"] == pytest.approx((20 + 10 + (10 - beards)) / 50, abs=1e-4)
    assert metrics["accuracy"]["value"] > 0.5


def test_thresholds_are_chosen_on_validation_faces_where_there_are_enough(seeing: Tagger) -> None:
    few, enough = (evaluate_tagger(seeing, dataset(val), seed=0) for val in (0, 2))
    assert (of(few, "bright")["is_tuned"], of(few, "bright")["threshold"]) == (False, 0.5)
    assert of(few, "beard")["threshold"] == 0.75, (
        "where odds that the training made 3 times too high are even"
    )
    assert of(enough, "bright")["is_tuned"] is True
    assert of(enough, "all")["is_tuned"] is False


def test_the_worst_mistakes_are_shown(seeing: Tagger) -> None:
    beard = of(evaluate_tagger(seeing, dataset(), seed=0), "beard")
    imagined, missed = beard["imagined"], beard["missed"]
    assert isinstance(imagined, dict)
    assert isinstance(missed, dict)
    assert imagined["face_id"] == "face-218", "the brightest test photo without a beard"
    assert imagined["image"].startswith(b"\x89PNG")
    assert missed["face_id"] == "face-26", "the darkest with one"
    assert imagined["probability"] > missed["probability"]
    assert of(evaluate_tagger(seeing, dataset(), seed=0), "all")["imagined"] is None


def test_without_test_faces_there_is_nothing_to_measure(seeing: Tagger) -> None:
    data = dataset()
    photo = data.domains["photo"]
    training = replace(photo, images=photo.images[:2], points=photo.points[:2], rows=photo.rows.slice(0, 2))
    with pytest.raises(UserError, match=r"photo: no test faces; raise catalogue\.split\.test"):
        evaluate_tagger(seeing, replace(data, domains={"photo": training}), seed=0)


def test_where_no_tag_can_be_measured_the_reason_is_said(seeing: Tagger, tmp_path: Path) -> None:
    levels, splits = [10, 20, 30], ["train", "train", "test"]
    data = replace(dataset(), domains={"photo": domain(levels, [[1, 1, 1]] * 3, splits)})
    result = evaluate_tagger(seeing, data, seed=0)
    assert "mean_average_precision" not in result.metrics
    assert "no tag is of some test faces" in result.not_measured["mean_average_precision"]
